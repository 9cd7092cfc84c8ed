//! The actor that puts the rooms together.
