//! Text from others: sanitised and measured.
//!
//! Owns: what may appear in a cell, a title or a name, and how wide it is. Must not: interpret the
//! text.
mod clean;
mod width;

pub use clean::{clean, clean_lines, clean_name};
pub use width::{cut, display_width, pad, wrap};
