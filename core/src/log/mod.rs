//! The log of a channel: its records, and the fold that says who leads and what counts.
//!
//! Readers are the fence: whether a record counts depends on it and on what stands before it, on nothing else.
//! This room appends nothing and asks no clock.

mod fold;
mod make;
mod record;

pub use fold::{Fold, Judge, Opened, Verdict, act_plaintext};
pub(crate) use fold::{last_id, open_act, same_life, verify_act};
pub use record::{
    Kept, LogRecord, RecordError, SealedAct, Send, Sequenced, Stand, chain_claim, hash_record, life_of,
};
