//! What a member does: its own acts, the answers to its commands, and what its sessions see.

pub(super) mod command;
pub(super) mod outbox;
pub(super) mod sign;
pub(super) mod view;
