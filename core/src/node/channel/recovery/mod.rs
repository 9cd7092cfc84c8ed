//! Records that are missing: fetched from other members, a log that starts again after its data was
//! lost, and what the old log held beyond that.

pub(super) mod backfill;
pub(super) mod fetch;
pub(super) mod handed;
pub(super) mod let_go;
pub(super) mod restart;
