//! The librdkafka calls that the rdkafka crate does not wrap: reading without a group, topic ids,
//! offsets of many partitions, ACLs and SCRAM users.
//!
//! This module contains all `unsafe` code of the Kafka adapter. Each block says why it is sound;
//! everything that leaves this folder is safe to use in any way. It makes no decisions: it passes
//! on requests and their results.

#![allow(unsafe_code)]

mod acl;
mod call;
mod describe;
mod scram;
mod tap;
mod topics;

use std::ffi::{CStr, CString, c_char};

use rdkafka::bindings as rd;
use rdkafka::client::{Client, ClientContext};
use rdkafka::error::RDKafkaErrorCode;

pub(super) use acl::{create_acls, delete_acls, describe_acls};
pub(super) use call::Failure;
pub(super) use describe::{Place, Spec, TopicInfo, describe_cluster, describe_topics, list_offsets};
pub(super) use scram::{Alteration, alter_users, describe_users};
pub(super) use tap::{Piece, Tap};
pub(super) use topics::{Shape, cluster_rights, shapes};

/// Whether anything waits in a client's main queue (and, for one that appends, is on its way).
pub(super) fn has_events<C: ClientContext>(client: &Client<C>) -> bool {
    // SAFETY: the pointer is the client's own and lives as long as `client`, which is borrowed; the
    // call only reads counters.
    unsafe { rd::rd_kafka_outq_len(client.native_ptr()) > 0 }
}

/// A text as C wants it; texts with a zero byte in them are no names of anything.
fn c_text(text: &str) -> Result<CString, Failure> {
    CString::new(text).map_err(|_| Failure {
        code: RDKafkaErrorCode::InvalidArgument,
        text: "a name holds a zero byte".to_owned(),
    })
}

/// Copies a text that C lent us; nothing if there is none.
///
/// # Safety
/// `text` is null or points to a text that ends with a zero byte and is not changed during the
/// call.
unsafe fn copied(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: not null, and what the caller promises.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// What an error object says; `Ok` if there is none.
///
/// # Safety
/// `error` is null or an error object that lives during the call.
unsafe fn outcome(error: *const rd::rd_kafka_error_t) -> Result<(), Failure> {
    if error.is_null() {
        return Ok(());
    }
    // SAFETY: not null and alive, as the caller promises; both calls only read it.
    let (code, text) = unsafe { (rd::rd_kafka_error_code(error), copied(rd::rd_kafka_error_string(error))) };
    if code == rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
        return Ok(());
    }
    Err(Failure { code: code.into(), text })
}

/// An array of pointers that C lent us, as a slice.
///
/// # Safety
/// `items` is null or points to `count` pointers that live, unchanged, for `'a`.
unsafe fn lent<'a, T>(items: *const *const T, count: usize) -> &'a [*const T] {
    if items.is_null() || count == 0 {
        return &[];
    }
    // SAFETY: not null, and what the caller promises.
    unsafe { std::slice::from_raw_parts(items, count) }
}
