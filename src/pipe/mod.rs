//! The parts of `kirc pipe`: lines in, lines out, and the book of what is not settled yet.
//!
//! It may not know where the node is.

mod lines;
mod pending;
mod writer;

pub use lines::Lines;
pub use pending::Pending;
pub use writer::Writer;
