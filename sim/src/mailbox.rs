//! The model of the mailbox service: append-only partitions with log-append timestamps, and a hook
//! that observes every appended record.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use kirc_core::Envelope;
use kirc_core::ids::{Millis, Offset};
use kirc_core::port::{RawRecord, Topic};
use serde_json::Value;

use crate::host::CLUSTERS;

/// One partition.
pub struct Partition {
    /// The id of this life of the log.
    pub incarnation: String,
    /// The first offset that is still held.
    pub start: Offset,
    records: Vec<RawRecord>,
    time: Millis,
}

impl Partition {
    fn new(name: &str) -> Self {
        Self { incarnation: format!("life-of-{name}"), start: 0, records: Vec::new(), time: 0 }
    }

    /// The offset behind the last record.
    pub fn end(&self) -> Offset {
        self.start + self.records.len() as u64
    }

    /// The record at an offset.
    pub fn get(&self, offset: Offset) -> Option<&RawRecord> {
        self.records.get(usize::try_from(offset.checked_sub(self.start)?).ok()?)
    }

    /// All records that are held.
    pub fn records(&self) -> &[RawRecord] {
        &self.records
    }
}

/// All partitions of all clusters.
#[derive(Default)]
pub struct Mailbox {
    partitions: BTreeMap<Topic, Partition>,
}

impl Mailbox {
    /// The partition of this name; it comes to be when it is first asked for.
    pub fn partition(&mut self, topic: &Topic) -> &mut Partition {
        if !self.partitions.contains_key(topic) {
            let name = match topic.cluster == CLUSTERS[0] {
                true => format!("{}-{}", topic.name, topic.partition),
                false => format!("{}-{}-{}", topic.cluster, topic.name, topic.partition),
            };
            self.partitions.insert(topic.clone(), Partition::new(&name));
        }
        self.partitions.get_mut(topic).expect("it was put there")
    }

    /// Whether somebody has asked for it.
    pub fn holds(&self, topic: &Topic) -> bool {
        self.partitions.contains_key(topic)
    }

    /// All records of a cluster are gone, and every topic begins a new life: a service that was off
    /// and came back.
    pub fn vanish(&mut self, cluster: &str) {
        for (_, partition) in self.partitions.iter_mut().filter(|(t, _)| t.cluster == cluster) {
            partition.records.clear();
            partition.incarnation.push('+');
        }
    }

    /// Of the records in the logs of a cluster the oldest go, and so many stay: a service keeps
    /// them for a time only.
    pub fn trim(&mut self, cluster: &str, left: usize) {
        let logs = |t: &Topic| t.cluster == cluster && crate::host::is_log(&t.name);
        for (_, partition) in self.partitions.iter_mut().filter(|(t, _)| logs(t)) {
            let old = partition.records.len().saturating_sub(left);
            partition.records.drain(..old);
            partition.start += old as u64;
        }
    }

    /// Takes a record in. The log's time never runs backwards.
    pub fn land(&mut self, topic: &Topic, key: Vec<u8>, value: Vec<u8>, clock: Millis) -> Offset {
        let partition = self.partition(topic);
        partition.time = partition.time.max(clock);
        let record = RawRecord { offset: partition.end(), key, value, time: partition.time };
        let offset = record.offset;
        partition.records.push(record);
        offset
    }

    /// All partitions.
    pub fn partitions(&self) -> impl Iterator<Item = (&Topic, &Partition)> {
        self.partitions.iter()
    }
}

/// Looks for a secret word in bytes, as it is and in base64.
pub struct Needles(Vec<String>);

impl Needles {
    /// The forms in which a word of lower-case letters could stand in a record.
    pub fn new(word: &str) -> Self {
        let mut forms = vec![word.to_owned()];
        for shift in 0..3 {
            let mut bytes = vec![0u8; shift];
            bytes.extend_from_slice(word.as_bytes());
            let whole = bytes.len() / 3 * 4;
            let text = STANDARD_NO_PAD.encode(&bytes);
            let head = if shift == 0 { 0 } else { 4 };
            forms.push(text[head..whole].to_owned());
        }
        Self(forms)
    }

    /// Whether the word stands in there.
    pub fn found(&self, bytes: &[u8]) -> bool {
        match std::str::from_utf8(bytes) {
            Ok(text) => self.0.iter().any(|n| text.contains(n.as_str())),
            Err(_) => self.0.iter().any(|n| bytes.windows(n.len()).any(|window| window == n.as_bytes())),
        }
    }
}

/// The message ids that stand in the clear in a record (`"id":"…"`).
pub fn ids(value: &[u8]) -> Vec<String> {
    const MARK: &str = "\"id\":\"";
    let Ok(text) = std::str::from_utf8(value) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for (at, _) in text.match_indices(MARK) {
        let from = at + MARK.len();
        if let Some(id) = text.get(from..from + 36) {
            found.push(id.to_owned());
        }
    }
    // Those of a record that holds several acts stand in their places: author, id, ciphertext.
    if let Ok(Some(kirc_core::Body::Object(body))) = Envelope::from_canonical(value).map(|e| e.body) {
        let acts = body.get("acts").and_then(Value::as_array).into_iter().flatten();
        found.extend(acts.filter_map(|act| act.get(1)?.as_str().map(str::to_owned)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_found_in_base64_at_every_alignment() {
        let needles = Needles::new("abcdefghijkl");
        for pad in 0..6 {
            let text = format!("{}abcdefghijkl and more", "x".repeat(pad));
            assert!(needles.found(text.as_bytes()));
            assert!(needles.found(STANDARD_NO_PAD.encode(&text).as_bytes()));
        }
        assert!(!needles.found(b"nothing of that kind"));
    }

    #[test]
    fn the_log_never_runs_backwards() {
        let mut mailbox = Mailbox::default();
        let topic = Topic { cluster: "c".into(), name: "t".into(), partition: 0 };
        mailbox.land(&topic, vec![], vec![1], 50);
        mailbox.land(&topic, vec![], vec![2], 40);
        let times: Vec<u64> = mailbox.partition(&topic).records().iter().map(|r| r.time).collect();
        assert_eq!(times, [50, 50]);
        assert_eq!(mailbox.partition(&topic).end(), 2);
    }

    #[test]
    fn ids_in_the_clear_are_found() {
        let id = "01234567-89ab-7def-8123-456789abcdef";
        assert_eq!(ids(format!(r#"{{"a":1,"id":"{id}"}}"#).as_bytes()), [id]);
    }
}
