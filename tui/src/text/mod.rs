//! Text from others, made harmless and measured.
//!
//! Owns: what may reach a cell, a title or a name, and how wide it is. May not: know what the text
//! means.
mod clean;
mod width;

pub use clean::{clean, clean_lines, clean_name};
pub use width::{cut, display_width, pad, wrap};
