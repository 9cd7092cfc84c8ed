//! The log of a channel: its records, and the fold that decides who leads and which records count.
//!
//! Readers enforce the rules: whether a record counts depends only on the record and those before
//! it. This module appends nothing and reads no clock.

mod acts;
mod fold;
mod key_use;
mod make;
mod open;
mod record;
#[cfg(test)]
pub(crate) mod tests;

pub use acts::{RelayRequest, SealedAct};
pub use fold::{Fold, Judge, Verdict};
pub(crate) use fold::{next_life, same_life};
pub use open::{AppliedAct, Opened, act_plaintext};
pub(crate) use open::{last_id, open_act, unreadable, verify_act};
pub use record::{Kept, LogRecord, RecordError, Sequenced, Stand, chain_claim, hash_record, life_of};
