//! Tests the mailbox on a real Kafka against the conformance rules and against Kafka's own
//! guarantees.
//!
//! The services are those of `scripts/services env --test`; without them these tests report that
//! they were skipped.

mod admin;
mod faults;
mod rig;
mod speed;

use super::*;
use crate::mailbox::conformance::mailbox_conformance;
use rig::{Door, Kafka};

mod plain {
    use super::*;
    mailbox_conformance!(match Kafka::new(Door::Plain) {
        Some(rig) => rig,
        None => return,
    });
}

mod sasl {
    use super::*;
    mailbox_conformance!(match Kafka::new(Door::Sasl) {
        Some(rig) => rig,
        None => return,
    });
}
