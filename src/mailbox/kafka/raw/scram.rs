//! Users that log in with a password: created, changed, listed and deleted.
//!
//! This module owns these calls. It passes passwords through and stores none; librdkafka salts and
//! hashes them locally, so that they are never sent.

use std::ffi::CString;
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::bindings as rd;
use rdkafka::bindings::rd_kafka_ScramMechanism_t as RdMechanism;
use rdkafka::bindings::rd_kafka_admin_op_t as Op;

use super::super::client::Client;
use super::super::settings::Mechanism;
use super::call::{Failure, call};
use super::{c_text, copied, lent, outcome};
use crate::config::Secret;

/// A change of a user.
pub(in super::super) enum Alteration<'a> {
    /// It logs in with this password; the user is made if need be.
    Set { user: &'a str, password: &'a Secret, mechanism: Mechanism, iterations: i32 },
    /// It can't log in this way any more.
    Delete { user: &'a str, mechanism: Mechanism },
}

fn there(mechanism: Mechanism) -> RdMechanism {
    match mechanism {
        Mechanism::ScramSha256 => RdMechanism::RD_KAFKA_SCRAM_MECHANISM_SHA_256,
        Mechanism::ScramSha512 => RdMechanism::RD_KAFKA_SCRAM_MECHANISM_SHA_512,
        Mechanism::Plain => RdMechanism::RD_KAFKA_SCRAM_MECHANISM_UNKNOWN,
    }
}

/// Changes of librdkafka, destroyed when this is dropped.
struct Changes(Vec<*mut rd::rd_kafka_UserScramCredentialAlteration_t>);

impl Changes {
    fn new(alterations: &[Alteration<'_>]) -> Result<Self, Failure> {
        let mut all = Self(Vec::with_capacity(alterations.len()));
        for alteration in alterations {
            // SAFETY: user and password live during the calls, which copy them, the password with
            // its length; without a salt librdkafka makes a random one. What is made is ours.
            let made = unsafe {
                match alteration {
                    Alteration::Set { user, password, mechanism, iterations } => {
                        let (user, password) = (c_text(user)?, password.expose().as_bytes());
                        rd::rd_kafka_UserScramCredentialUpsertion_new(
                            user.as_ptr(),
                            there(*mechanism),
                            *iterations,
                            password.as_ptr(),
                            password.len(),
                            ptr::null(),
                            0,
                        )
                    }
                    Alteration::Delete { user, mechanism } => {
                        let user = c_text(user)?;
                        rd::rd_kafka_UserScramCredentialDeletion_new(user.as_ptr(), there(*mechanism))
                    }
                }
            };
            all.0.push(made);
        }
        Ok(all)
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        for &change in &self.0 {
            // SAFETY: each was made in `new` and is destroyed once; the call copies what it is
            // given.
            unsafe { rd::rd_kafka_UserScramCredentialAlteration_destroy(change) };
        }
    }
}

/// Changes users; the first that can't be changed is the outcome.
pub(in super::super) async fn alter_users(
    client: &Arc<Client>,
    alterations: &[Alteration<'_>],
    timeout: Duration,
) -> Result<(), Failure> {
    let ask = {
        let mut changes = Changes::new(alterations)?;
        call(client, Op::RD_KAFKA_ADMIN_OP_ALTERUSERSCRAMCREDENTIALS, timeout, |rk, options, queue| {
            let all = &mut changes.0;
            // SAFETY: the array has as many changes as is told, and all live during the call, which
            // copies them.
            unsafe {
                rd::rd_kafka_AlterUserScramCredentials(rk, all.as_mut_ptr(), all.len(), options, queue)
            };
        })
    };
    let event = ask.answer().await?;
    // SAFETY: the event lives until the end of this function and all that is read belongs to it;
    // null is looked for.
    unsafe {
        let result = rd::rd_kafka_event_AlterUserScramCredentials_result(event.ptr());
        if result.is_null() {
            return Ok(());
        }
        let mut count = 0;
        let all = rd::rd_kafka_AlterUserScramCredentials_result_responses(result, &raw mut count);
        lent(all.cast_const(), count)
            .iter()
            .try_for_each(|&r| outcome(rd::rd_kafka_AlterUserScramCredentials_result_response_error(r)))
    }
}

/// Users, and how each can log in; all of them if none is named.
pub(in super::super) async fn describe_users(
    client: &Arc<Client>,
    users: &[String],
    timeout: Duration,
) -> Result<Vec<(String, Vec<Mechanism>)>, Failure> {
    let texts = users.iter().map(|u| c_text(u)).collect::<Result<Vec<CString>, _>>()?;
    let ask =
        call(client, Op::RD_KAFKA_ADMIN_OP_DESCRIBEUSERSCRAMCREDENTIALS, timeout, |rk, options, queue| {
            let mut pointers: Vec<_> = texts.iter().map(|t| t.as_ptr()).collect();
            // SAFETY: the array has as many names as is told, and they live during the call, which
            // copies them.
            unsafe {
                rd::rd_kafka_DescribeUserScramCredentials(
                    rk,
                    pointers.as_mut_ptr(),
                    pointers.len(),
                    options,
                    queue,
                );
            }
        });
    let event = ask.answer_without_text().await?;
    let mut found = Vec::new();
    // SAFETY: as in `alter_users`; texts are copied, and an index is below the count that is told.
    unsafe {
        let result = rd::rd_kafka_event_DescribeUserScramCredentials_result(event.ptr());
        if result.is_null() {
            return Ok(found);
        }
        let mut count = 0;
        let all = rd::rd_kafka_DescribeUserScramCredentials_result_descriptions(result, &raw mut count);
        for &user in lent(all.cast_const(), count) {
            // A user that is not there is told as an error.
            if outcome(rd::rd_kafka_UserScramCredentialsDescription_error(user)).is_err() {
                continue;
            }
            let ways = rd::rd_kafka_UserScramCredentialsDescription_scramcredentialinfo_count(user);
            let way = |i| {
                let info = rd::rd_kafka_UserScramCredentialsDescription_scramcredentialinfo(user, i);
                match rd::rd_kafka_ScramCredentialInfo_mechanism(info) {
                    RdMechanism::RD_KAFKA_SCRAM_MECHANISM_SHA_256 => Some(Mechanism::ScramSha256),
                    RdMechanism::RD_KAFKA_SCRAM_MECHANISM_SHA_512 => Some(Mechanism::ScramSha512),
                    _ => None,
                }
            };
            let name = copied(rd::rd_kafka_UserScramCredentialsDescription_user(user));
            found.push((name, (0..ways).filter_map(way).collect()));
        }
    }
    Ok(found)
}
