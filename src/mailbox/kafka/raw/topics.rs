//! Topics as an administrator sees them: partitions, replicas, and what the client itself may do
//! with them and with the cluster.
//!
//! This module owns these calls. Its callers decide which rights are correct.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::bindings as rd;
use rdkafka::bindings::rd_kafka_admin_op_t as Op;

use super::super::admin::Operation;
use super::super::client::Client;
use super::acl::operation;
use super::call::{Failure, call};
use super::describe::{brokers_known, described};
use super::lent;

/// A topic, and what who asked may do with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Shape {
    pub(in super::super) partitions: u32,
    /// Of the partition that has the fewest.
    pub(in super::super) copies: u32,
    pub(in super::super) may: Vec<Operation>,
}

/// What topics are, one answer for each.
pub(in super::super) async fn shapes(
    client: &Arc<Client>,
    names: &[String],
    timeout: Duration,
) -> Result<Vec<(String, Result<Shape, Failure>)>, Failure> {
    // SAFETY: the description lives during this call.
    described(client, names, timeout, true, |topic| unsafe { shape(topic) }).await
}

/// # Safety
/// `topic` is a description that lives during the call.
unsafe fn shape(topic: *const rd::rd_kafka_TopicDescription_t) -> Shape {
    let (mut count, mut rights) = (0, 0);
    // SAFETY: the description is alive, as the caller promises, and what it lends lives as long;
    // arrays have as many elements as is told. Operations are an array of numbers, null if there is
    // none.
    unsafe {
        let partitions = rd::rd_kafka_TopicDescription_partitions(topic, &raw mut count);
        let partitions = lent(partitions.cast_const(), count);
        let copies = partitions.iter().map(|&partition| {
            let mut copies = 0;
            rd::rd_kafka_TopicPartitionInfo_replicas(partition, &raw mut copies);
            copies
        });
        let copies = u32::try_from(copies.min().unwrap_or(0)).unwrap_or(u32::MAX);
        let operations = rd::rd_kafka_TopicDescription_authorized_operations(topic, &raw mut rights);
        let may = known(operations, rights);
        Shape { partitions: u32::try_from(partitions.len()).unwrap_or(u32::MAX), copies, may }
    }
}

/// What the client may do with the cluster.
pub(in super::super) async fn cluster_rights(
    client: &Arc<Client>,
    timeout: Duration,
) -> Result<Vec<Operation>, Failure> {
    brokers_known(client, None, timeout).await?;
    let event = call(client, Op::RD_KAFKA_ADMIN_OP_DESCRIBECLUSTER, timeout, |rk, options, queue| {
        // SAFETY: all three live during the call, and the options are the call's own.
        unsafe {
            ask_for_rights(options);
            rd::rd_kafka_DescribeCluster(rk, options, queue);
        }
    })
    .answer()
    .await?;
    // SAFETY: the event lives until the end of this function, and the operations belong to it; an
    // event of another type gives null, which is looked for.
    unsafe {
        let result = rd::rd_kafka_event_DescribeCluster_result(event.ptr());
        if result.is_null() {
            return Ok(Vec::new());
        }
        let mut count = 0;
        let operations = rd::rd_kafka_DescribeCluster_result_authorized_operations(result, &raw mut count);
        Ok(known(operations, count))
    }
}

/// # Safety
/// `options` are alive, were made to be written (they are lent as const only so that no call keeps
/// them), and nobody else has them.
pub(super) unsafe fn ask_for_rights(options: *const rd::rd_kafka_AdminOptions_t) {
    // SAFETY: as the caller promises; what the setter gives back is null or an error that is ours
    // to destroy.
    unsafe {
        let error = rd::rd_kafka_AdminOptions_set_include_authorized_operations(options.cast_mut(), 1);
        if !error.is_null() {
            rd::rd_kafka_error_destroy(error);
        }
    }
}

/// # Safety
/// `operations` is null or points to `count` operations that live during the call.
unsafe fn known(operations: *const rd::rd_kafka_AclOperation_t, count: usize) -> Vec<Operation> {
    if operations.is_null() || count == 0 {
        return Vec::new();
    }
    // SAFETY: not null, and what the caller promises.
    let all = unsafe { std::slice::from_raw_parts(operations, count) };
    all.iter().filter_map(|o| operation(*o)).collect()
}
