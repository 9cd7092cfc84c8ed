//! Turns librdkafka's errors into sentences for people.
//!
//! This module owns the wording. It is independent of its callers.

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

/// The code in an error, if it has one.
pub(super) fn code(error: &KafkaError) -> Option<Code> {
    error.rdkafka_error_code()
}

/// Whether a topic or partition is not there.
pub(super) fn is_missing(code: Code) -> bool {
    matches!(
        code,
        Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition | Code::UnknownTopicId
    )
}

/// Whether it will be otherwise in a moment: a broker begins to lead, or ceases to.
pub(super) fn is_passing(code: Code) -> bool {
    matches!(
        code,
        Code::NotLeaderForPartition
            | Code::LeaderNotAvailable
            | Code::ReplicaNotAvailable
            | Code::OffsetNotAvailable
            | Code::FencedLeaderEpoch
            | Code::UnknownLeaderEpoch
            | Code::CoordinatorLoadInProgress
    )
}

/// Whether we may not do it, or are not who we say.
pub(super) fn is_refused(code: Code) -> bool {
    matches!(
        code,
        Code::TopicAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::TransactionalIdAuthorizationFailed
            | Code::DelegationTokenAuthorizationFailed
    )
}

/// What is wrong with the connection: `code` and `reason` as librdkafka tells them.
pub(super) fn of_connection(code: Code, reason: &str, bootstrap: &str) -> String {
    let lower = reason.to_ascii_lowercase();
    let away =
        "check the address; a free cloud service may be powered off and can be powered on in its console";
    if code == Code::Resolve || lower.contains("failed to resolve") {
        return format!("Kafka's host ({bootstrap}) can't be found; {away}");
    }
    if code == Code::Authentication || lower.contains("authentication") {
        let why = if lower.contains("supported mechanism") || lower.contains("unsupported") {
            "it does not offer this way to log in; check KIRC_KAFKA_MECHANISM"
        } else {
            "check user and password"
        };
        return format!("Kafka at {bootstrap} refused the login: {why}");
    }
    if code == Code::SSL || lower.contains("ssl") && lower.contains("handshake") {
        let why = if lower.contains("certificate verify failed") || lower.contains("broker certificate") {
            "its certificate is not one that the CA file (KIRC_CA) vouches for, is made out to another host, \
             or has expired"
        } else if lower.contains("expired") {
            "a certificate has expired"
        } else if lower.contains("unknown ca") || lower.contains("bad certificate") {
            "it does not accept our certificate"
        } else {
            "the two sides don't agree on TLS; check that the port is one for TLS"
        };
        return format!("no secure connection to Kafka at {bootstrap}: {why}");
    }
    if lower.contains("connection refused") {
        return format!("nothing listens at {bootstrap}, where Kafka should be; {away}");
    }
    let protocol =
        ["requesting apiversion", "apiversion_query", "security.protocol", "invalid response size"];
    if protocol.iter().any(|p| lower.contains(p)) {
        return format!(
            "Kafka at {bootstrap} does not speak as we do: it may expect TLS or a login where we use none, or the other \
             way round; check KIRC_KAFKA_SECURITY"
        );
    }
    format!("Kafka at {bootstrap} can't be reached; {away}")
}

/// Why something about a topic failed.
pub(super) fn of_topic(topic: &str, what: &str, code: Option<Code>, error: &str) -> String {
    match code {
        Some(code) if is_missing(code) => {
            format!("topic {topic} can't be {what}: it, or this partition of it, is not there")
        }
        Some(code) if is_refused(code) => {
            format!("topic {topic} can't be {what}: this Kafka user may not do that; check the ACLs")
        }
        Some(Code::MessageTimedOut | Code::OperationTimedOut | Code::RequestTimedOut) => {
            format!("topic {topic} can't be {what}: Kafka did not answer in time")
        }
        Some(Code::QueueFull) => {
            format!("topic {topic} can't be {what}: Kafka can't keep up; try again in a moment")
        }
        Some(Code::NotEnoughReplicas | Code::NotEnoughReplicasAfterAppend) => {
            format!("topic {topic} can't be {what}: too few of Kafka's brokers are up")
        }
        Some(Code::MessageSizeTooLarge | Code::InvalidMessageSize) => {
            format!(
                "topic {topic} can't be {what}: the record is too large for this broker; raise its max.message.bytes"
            )
        }
        Some(Code::KafkaStorageError) => {
            format!("topic {topic} can't be {what}: the broker's disk is full or broken")
        }
        _ => format!("topic {topic} can't be {what}: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_connection_is_said_in_words() {
        let cases = [
            (Code::Resolve, "Failed to resolve 'x:1': Name or service not known", "powered off"),
            (
                Code::BrokerTransportFailure,
                "x:1: Connect to ipv4#127.0.0.1:1 failed: Connection refused",
                "listens",
            ),
            (
                Code::Authentication,
                "... due to invalid credentials with SASL mechanism X",
                "user and password",
            ),
            (Code::Authentication, "handshake failed: ...: broker's supported mechanisms: X", "MECHANISM"),
            (Code::SSL, "SSL handshake failed: ... certificate verify failed", "KIRC_CA"),
            (Code::BrokerTransportFailure, "Disconnected: requesting ApiVersion: might be", "SECURITY"),
            (Code::AllBrokersDown, "1/1 brokers are down", "can't be reached"),
        ];
        for (code, reason, expected) in cases {
            let text = of_connection(code, reason, "x:1");
            assert!(text.contains(expected) && text.contains("x:1"), "{text}");
        }
    }
}
