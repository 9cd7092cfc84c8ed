//! Channel keys on their way: from the leader to the members, and the word that a member has one.

pub(super) mod distribution;
pub(super) mod held;
