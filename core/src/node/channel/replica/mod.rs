//! The channel as the log has it: records read in order, and what of them is stored.

pub(super) mod awaiting_key;
pub(super) mod reader;
pub(in crate::node) mod store;
