//! Appends in flight: started at once, and reported to the node in the order of each partition.

use std::collections::{HashMap, VecDeque};

use futures_util::stream::{FuturesUnordered, StreamExt};
use kirc_core::ids::Offset;
use kirc_core::port::{Input, PortError, RequestId, Topic};

use crate::ports::Pending;

type Answer = (Topic, RequestId, Result<Offset, PortError>);
type Front = std::pin::Pin<Box<dyn Future<Output = Answer> + Send>>;

/// The oldest append of each partition is waited for; the others stand behind it.
#[derive(Default)]
pub(super) struct Appends {
    fronts: FuturesUnordered<Front>,
    behind: HashMap<Topic, VecDeque<(RequestId, Pending<Offset>)>>,
}

impl Appends {
    /// Adds an append that was asked for.
    pub(super) fn push(&mut self, topic: Topic, request_id: RequestId, pending: Pending<Offset>) {
        match self.behind.get_mut(&topic) {
            Some(queue) => queue.push_back((request_id, pending)),
            None => {
                self.behind.insert(topic.clone(), VecDeque::new());
                self.fronts.push(front(topic, request_id, pending));
            }
        }
    }

    /// The next answer; never, if nothing is on its way.
    pub(super) async fn next(&mut self) -> Input {
        let Some((topic, request_id, result)) = self.fronts.next().await else {
            return std::future::pending().await;
        };
        match self.behind.get_mut(&topic).and_then(VecDeque::pop_front) {
            Some((request_id, pending)) => self.fronts.push(front(topic, request_id, pending)),
            None => {
                self.behind.remove(&topic);
            }
        }
        Input::Appended { request_id, result }
    }
}

fn front(topic: Topic, request_id: RequestId, pending: Pending<Offset>) -> Front {
    Box::pin(async move { (topic, request_id, pending.await) })
}
