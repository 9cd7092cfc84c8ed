//! The mailbox on a real Kafka, held to the rules and to what only it promises.
//!
//! The services are those of `scripts/services env --test`; without them these tests say that they
//! were left out.

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
