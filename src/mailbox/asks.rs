//! The requests to the two threads of the embedded mailbox, and their replies.
//!
//! This module only defines these types.

use kirc_core::ids::Offset;
use kirc_core::port::{PortError, ReadFrom, Topic};
use tokio::sync::mpsc;

use super::Delivery;
use crate::ports::Reply;

/// What the writer is asked to do.
#[derive(Debug)]
pub enum Write {
    /// Append a record.
    Append { topic: Topic, key: Vec<u8>, value: Vec<u8>, reply: Reply<Offset> },
    /// Make topics.
    Create { names: Vec<String>, partitions: u32, reply: Reply<()> },
    /// Give up old records.
    Trim { topic: Topic, keep: Offset, reply: Reply<()> },
    /// End.
    Close { reply: Reply<()> },
    /// Allow the file so many pages.
    #[cfg(test)]
    Limit { pages: u32 },
    /// Delete a topic, as an administrator does.
    #[cfg(test)]
    Delete { name: String, reply: Reply<()> },
}

impl Write {
    /// Bytes that it puts into the file.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Append { key, value, .. } => key.len() + value.len(),
            _ => 0,
        }
    }
}

/// What came of an [`Write`].
pub type Outcome = Result<Offset, PortError>;

/// What the reading thread is asked to do.
#[derive(Debug)]
pub enum Look {
    /// Begin to read a partition.
    Read { topic: Topic, from: ReadFrom, reply: Reply<mpsc::Receiver<Delivery>> },
    /// Say where a partition ends.
    End { topic: Topic, reply: Reply<Offset> },
    /// End.
    Close { reply: Reply<()> },
}

/// What is said about a topic that is not there.
pub fn no_topic(topic: &Topic) -> PortError {
    PortError(format!(
        "there is no topic {} with a partition {} on grid {}",
        topic.name, topic.partition, topic.cluster
    ))
}

impl Write {
    /// Says what came of it.
    pub fn answer(self, outcome: Outcome) {
        match self {
            Self::Append { reply, .. } => drop(reply.send(outcome)),
            Self::Create { reply, .. } | Self::Trim { reply, .. } | Self::Close { reply } => {
                drop(reply.send(outcome.map(|_| ())));
            }
            #[cfg(test)]
            Self::Limit { .. } => {}
            #[cfg(test)]
            Self::Delete { reply, .. } => drop(reply.send(outcome.map(|_| ()))),
        }
    }
}
