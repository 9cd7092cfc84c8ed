//! ACLs: created, listed and deleted.
//!
//! This module translates an ACL to librdkafka's form and back. It is independent of the ACLs that
//! kirc needs.

use std::ffi::CString;
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::bindings as rd;
use rdkafka::bindings::rd_kafka_admin_op_t as Op;
use rdkafka::bindings::{
    rd_kafka_AclOperation_t as RdOperation, rd_kafka_AclPermissionType_t as RdPermission,
    rd_kafka_ResourcePatternType_t as RdPattern, rd_kafka_ResourceType_t as RdResource,
};
use rdkafka::error::RDKafkaErrorCode;

use super::super::admin::{Acl, Operation, Pattern, Permission, Resource};
use super::super::client::Client;
use super::call::{Failure, call};
use super::{c_text, copied, lent, outcome};

const RESOURCES: [(Resource, RdResource); 4] = [
    (Resource::Topic, RdResource::RD_KAFKA_RESOURCE_TOPIC),
    (Resource::Group, RdResource::RD_KAFKA_RESOURCE_GROUP),
    (Resource::Cluster, RdResource::RD_KAFKA_RESOURCE_BROKER),
    (Resource::TransactionalId, RdResource::RD_KAFKA_RESOURCE_TRANSACTIONAL_ID),
];
const PATTERNS: [(Pattern, RdPattern); 2] = [
    (Pattern::Literal, RdPattern::RD_KAFKA_RESOURCE_PATTERN_LITERAL),
    (Pattern::Prefixed, RdPattern::RD_KAFKA_RESOURCE_PATTERN_PREFIXED),
];
const OPERATIONS: [(Operation, RdOperation); 11] = [
    (Operation::All, RdOperation::RD_KAFKA_ACL_OPERATION_ALL),
    (Operation::Read, RdOperation::RD_KAFKA_ACL_OPERATION_READ),
    (Operation::Write, RdOperation::RD_KAFKA_ACL_OPERATION_WRITE),
    (Operation::Create, RdOperation::RD_KAFKA_ACL_OPERATION_CREATE),
    (Operation::Delete, RdOperation::RD_KAFKA_ACL_OPERATION_DELETE),
    (Operation::Alter, RdOperation::RD_KAFKA_ACL_OPERATION_ALTER),
    (Operation::Describe, RdOperation::RD_KAFKA_ACL_OPERATION_DESCRIBE),
    (Operation::ClusterAction, RdOperation::RD_KAFKA_ACL_OPERATION_CLUSTER_ACTION),
    (Operation::DescribeConfigs, RdOperation::RD_KAFKA_ACL_OPERATION_DESCRIBE_CONFIGS),
    (Operation::AlterConfigs, RdOperation::RD_KAFKA_ACL_OPERATION_ALTER_CONFIGS),
    (Operation::IdempotentWrite, RdOperation::RD_KAFKA_ACL_OPERATION_IDEMPOTENT_WRITE),
];
const PERMISSIONS: [(Permission, RdPermission); 2] = [
    (Permission::Allow, RdPermission::RD_KAFKA_ACL_PERMISSION_TYPE_ALLOW),
    (Permission::Deny, RdPermission::RD_KAFKA_ACL_PERMISSION_TYPE_DENY),
];

fn there<A: Copy + PartialEq, B: Copy>(table: &[(A, B)], a: A, otherwise: B) -> B {
    table.iter().find(|(x, _)| *x == a).map_or(otherwise, |(_, b)| *b)
}

fn back<A: Copy, B: Copy + PartialEq>(table: &[(A, B)], b: B) -> Option<A> {
    table.iter().find(|(_, x)| *x == b).map(|(a, _)| *a)
}

/// An operation of librdkafka's, if it is one that kirc knows.
pub(super) fn operation(operation: RdOperation) -> Option<Operation> {
    back(&OPERATIONS, operation)
}

/// The texts of a rule, as C wants them; they live for as long as librdkafka looks at them.
struct Texts {
    name: CString,
    principal: CString,
    host: CString,
}

impl Texts {
    fn new(acl: &Acl) -> Result<Self, Failure> {
        Ok(Self { name: c_text(&acl.name)?, principal: c_text(&acl.principal)?, host: c_text(&acl.host)? })
    }
}

/// Rules of librdkafka, destroyed when this is dropped.
struct Bindings(Vec<*mut rd::rd_kafka_AclBinding_t>);

impl Bindings {
    /// Each rule as a binding, or as a filter that finds just it: the two are the same type in
    /// librdkafka.
    fn new(acls: &[Acl], filter: bool) -> Result<Self, Failure> {
        let mut all = Self(Vec::with_capacity(acls.len()));
        for acl in acls {
            let texts = Texts::new(acl)?;
            let new = if filter { rd::rd_kafka_AclBindingFilter_new } else { rd::rd_kafka_AclBinding_new };
            let mut words = [0; 256];
            // SAFETY: the texts live during the call, which copies them; `words` has the length
            // that is told. The result is null, if a value is not allowed, or ours.
            let made = unsafe {
                new(
                    there(&RESOURCES, acl.resource, RdResource::RD_KAFKA_RESOURCE_UNKNOWN),
                    texts.name.as_ptr(),
                    there(&PATTERNS, acl.pattern, RdPattern::RD_KAFKA_RESOURCE_PATTERN_UNKNOWN),
                    texts.principal.as_ptr(),
                    texts.host.as_ptr(),
                    there(&OPERATIONS, acl.operation, RdOperation::RD_KAFKA_ACL_OPERATION_UNKNOWN),
                    there(&PERMISSIONS, acl.permission, RdPermission::RD_KAFKA_ACL_PERMISSION_TYPE_UNKNOWN),
                    words.as_mut_ptr(),
                    words.len(),
                )
            };
            if made.is_null() {
                // SAFETY: librdkafka ended the text with a zero byte, or left the zeros that were
                // there.
                let text = unsafe { copied(words.as_ptr()) };
                return Err(Failure { code: RDKafkaErrorCode::InvalidArgument, text });
            }
            all.0.push(made);
        }
        Ok(all)
    }
}

impl Drop for Bindings {
    fn drop(&mut self) {
        for &binding in &self.0 {
            // SAFETY: each was made in `new` and is destroyed once; calls copy what they are given.
            unsafe { rd::rd_kafka_AclBinding_destroy(binding) };
        }
    }
}

/// Makes rules; those that are there already stay.
pub(in super::super) async fn create_acls(
    client: &Arc<Client>,
    acls: &[Acl],
    timeout: Duration,
) -> Result<(), Failure> {
    let ask = {
        let mut bindings = Bindings::new(acls, false)?;
        call(client, Op::RD_KAFKA_ADMIN_OP_CREATEACLS, timeout, |rk, options, queue| {
            let all = &mut bindings.0;
            // SAFETY: the array has as many bindings as is told, and all live during the call,
            // which copies them.
            unsafe { rd::rd_kafka_CreateAcls(rk, all.as_mut_ptr(), all.len(), options, queue) };
        })
    };
    let event = ask.answer().await?;
    // SAFETY: the event lives until the end of this function and all that is read belongs to it;
    // null is looked for.
    unsafe {
        let result = rd::rd_kafka_event_CreateAcls_result(event.ptr());
        if result.is_null() {
            return Ok(());
        }
        let mut count = 0;
        let all = rd::rd_kafka_CreateAcls_result_acls(result, &raw mut count);
        lent(all.cast_const(), count).iter().try_for_each(|&r| outcome(rd::rd_kafka_acl_result_error(r)))
    }
}

/// Takes rules away, each by itself; says how many there were.
pub(in super::super) async fn delete_acls(
    client: &Arc<Client>,
    acls: &[Acl],
    timeout: Duration,
) -> Result<usize, Failure> {
    let ask = {
        let mut filters = Bindings::new(acls, true)?;
        call(client, Op::RD_KAFKA_ADMIN_OP_DELETEACLS, timeout, |rk, options, queue| {
            let all = &mut filters.0;
            // SAFETY: as in `create_acls`.
            unsafe { rd::rd_kafka_DeleteAcls(rk, all.as_mut_ptr(), all.len(), options, queue) };
        })
    };
    let event = ask.answer().await?;
    let mut gone = 0;
    // SAFETY: as in `create_acls`.
    unsafe {
        let result = rd::rd_kafka_event_DeleteAcls_result(event.ptr());
        if result.is_null() {
            return Ok(0);
        }
        let mut count = 0;
        let all = rd::rd_kafka_DeleteAcls_result_responses(result, &raw mut count);
        for &response in lent(all.cast_const(), count) {
            outcome(rd::rd_kafka_DeleteAcls_result_response_error(response))?;
            let mut matched = 0;
            rd::rd_kafka_DeleteAcls_result_response_matching_acls(response, &raw mut matched);
            gone += matched;
        }
    }
    Ok(gone)
}

/// The rules about a principal, or about everybody's.
pub(in super::super) async fn describe_acls(
    client: &Arc<Client>,
    principal: Option<&str>,
    timeout: Duration,
) -> Result<Vec<Acl>, Failure> {
    let principal = principal.map(c_text).transpose()?;
    let ask = {
        let whose = principal.as_ref().map_or(ptr::null(), |p| p.as_ptr());
        let mut words = [0; 256];
        // SAFETY: null stands for any; the text lives during the call, which copies it; `words` has
        // the length that is told.
        let filter = unsafe {
            rd::rd_kafka_AclBindingFilter_new(
                RdResource::RD_KAFKA_RESOURCE_ANY,
                ptr::null(),
                RdPattern::RD_KAFKA_RESOURCE_PATTERN_ANY,
                whose,
                ptr::null(),
                RdOperation::RD_KAFKA_ACL_OPERATION_ANY,
                RdPermission::RD_KAFKA_ACL_PERMISSION_TYPE_ANY,
                words.as_mut_ptr(),
                words.len(),
            )
        };
        if filter.is_null() {
            // SAFETY: as in `Bindings::new`.
            let text = unsafe { copied(words.as_ptr()) };
            return Err(Failure { code: RDKafkaErrorCode::InvalidArgument, text });
        }
        let filter = Bindings(vec![filter]);
        call(client, Op::RD_KAFKA_ADMIN_OP_DESCRIBEACLS, timeout, |rk, options, queue| {
            // SAFETY: the filter lives during the call, which copies it.
            unsafe { rd::rd_kafka_DescribeAcls(rk, filter.0[0], options, queue) };
        })
    };
    let event = ask.answer().await?;
    let mut found = Vec::new();
    // SAFETY: as in `create_acls`; texts are copied.
    unsafe {
        let result = rd::rd_kafka_event_DescribeAcls_result(event.ptr());
        if result.is_null() {
            return Ok(found);
        }
        let mut count = 0;
        let all = rd::rd_kafka_DescribeAcls_result_acls(result, &raw mut count);
        for &acl in lent(all.cast_const(), count) {
            let kind = (
                back(&RESOURCES, rd::rd_kafka_AclBinding_restype(acl)),
                back(&PATTERNS, rd::rd_kafka_AclBinding_resource_pattern_type(acl)),
                back(&OPERATIONS, rd::rd_kafka_AclBinding_operation(acl)),
                back(&PERMISSIONS, rd::rd_kafka_AclBinding_permission_type(acl)),
            );
            // Rules about things that this program has no word for are none of its own.
            if let (Some(resource), Some(pattern), Some(operation), Some(permission)) = kind {
                found.push(Acl {
                    resource,
                    name: copied(rd::rd_kafka_AclBinding_name(acl)),
                    pattern,
                    principal: copied(rd::rd_kafka_AclBinding_principal(acl)),
                    host: copied(rd::rd_kafka_AclBinding_host(acl)),
                    operation,
                    permission,
                });
            }
        }
    }
    Ok(found)
}
