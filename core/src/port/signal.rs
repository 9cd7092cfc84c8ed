//! Requests to the signal service and its replies. It holds types only.

use std::collections::BTreeMap;

/// A request to the signal service. All signals are hints: any of them may be lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignalOp {
    /// Sets `key` to `value` for `ttl` milliseconds if it has no value (`SET NX PX`). Answer:
    /// `Claimed`.
    Claim {
        /// The key.
        key: String,
        /// The claimant's own mark.
        value: String,
        /// The TTL in milliseconds.
        ttl: u64,
    },
    /// Renews the TTL of `key` if it still holds `value` (compare and expire). Answer: `Renewed`.
    Renew {
        /// The key.
        key: String,
        /// The claimant's own mark.
        value: String,
        /// The TTL in milliseconds.
        ttl: u64,
    },
    /// Deletes `key` if it still holds `value`. Answer: `Done`.
    Release {
        /// The key.
        key: String,
        /// The claimant's own mark.
        value: String,
    },
    /// The value of `key` and its remaining TTL. Answer: `Value`.
    Get {
        /// The key.
        key: String,
    },
    /// Sets `key` to `value`, for `ttl` milliseconds if given. Answer: `Done`.
    Set {
        /// The key.
        key: String,
        /// The value.
        value: String,
        /// The TTL in milliseconds.
        ttl: Option<u64>,
    },
    /// Deletes `key`. Answer: `Done`.
    Delete {
        /// The key.
        key: String,
    },
    /// Adds to a set (`add`) or removes from it. Answer: `Done`.
    Member {
        /// The set's key.
        key: String,
        /// The member.
        member: String,
        /// Add, or remove.
        add: bool,
    },
    /// The members of a set. Answer: `Members`.
    Members {
        /// The set's key.
        key: String,
    },
    /// Sets fields of a hash; an empty value deletes its field. Answer: `Done`.
    HashSet {
        /// The hash's key.
        key: String,
        /// The fields.
        fields: BTreeMap<String, String>,
    },
    /// All fields of a hash. Answer: `Hash`.
    HashGet {
        /// The hash's key.
        key: String,
    },
    /// The keys that start with a prefix (at most 1,000). Answer: `Members`.
    Keys {
        /// The prefix.
        prefix: String,
    },
    /// Publishes to the current listeners. Answer: `Done`.
    Publish {
        /// The pub/sub channel.
        channel: String,
        /// The payload.
        payload: String,
    },
    /// Listens to a pub/sub channel from now on (idempotent). Answer: `Done`.
    Subscribe {
        /// The pub/sub channel.
        channel: String,
    },
    /// Stops listening. Answer: `Done`.
    Unsubscribe {
        /// The pub/sub channel.
        channel: String,
    },
}

/// The answer to a [`SignalOp`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignalReply {
    /// Done, without a result.
    Done,
    /// Whether the key is now the claimant's.
    Claimed(bool),
    /// Whether the key was still the claimant's.
    Renewed(bool),
    /// The value, and its remaining TTL in milliseconds.
    Value(Option<(String, Option<u64>)>),
    /// The members of a set, or the keys found.
    Members(Vec<String>),
    /// The fields of a hash.
    Hash(BTreeMap<String, String>),
}
