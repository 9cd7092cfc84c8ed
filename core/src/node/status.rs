//! STATUS and LIST: the node's knowledge of itself and of the grid. It changes nothing.

use serde_json::json;

use super::*;
use crate::envelope::format_ts;
use crate::numeric;
use crate::port::{Figures, SignalOp};

/// The minimum interval between pushed STATUS messages, ms.
const EVERY: Millis = 200;

impl Node {
    pub(super) fn status(&self) -> Envelope {
        let service = |s: Service| {
            let state = self.cx.services.get(&s);
            json!({
                "up": state.is_none_or(|s| s.up),
                "reason": state.map(|s| s.reason.as_str()).unwrap_or_default(),
                "since": state.and_then(|s| s.since).map(format_ts),
            })
        };
        let mut mailbox = service(Service::Mailbox);
        if let Some(mailbox) = mailbox.as_object_mut() {
            mailbox.insert("refused".into(), self.cx.refused.to_json());
            mailbox.extend(self.cx.traffic.map(|t| ("traffic".to_owned(), json!(t))));
        }
        let mut store = service(Service::Store);
        if let Some(store) = store.as_object_mut() {
            store.extend(self.cx.room.map(|r| ("room".to_owned(), json!(r))));
        }
        let channels: Map<String, Value> =
            self.channels.values().map(|c| (c.name.as_str().to_owned(), c.status(&self.cx))).collect();
        let waiting: usize = self.channels.values().map(|c| c.outbox.len()).sum::<usize>()
            + self.directs.values().map(Direct::waiting).sum::<usize>();
        Envelope::new("STATUS")
            .field(
                "node",
                json!({
                    "nick": self.cx.nick().as_str(),
                    "actor": self.cx.me().to_string(),
                    "away": self.away,
                    "fingerprint": self.cx.id.public().fingerprint(),
                }),
            )
            .field(
                "services",
                json!({
                    "mailbox": mailbox,
                    "signals": service(Service::Signals),
                    "store": store,
                }),
            )
            .field("channels", Value::Object(channels))
            .field("outbox", waiting)
            .field("caught_up", self.caught_up)
    }

    /// Pushes a STATUS to the sessions that requested it, if something changed, and not too often.
    pub(super) fn show_status(&mut self) {
        if !self.cx.status_dirty || self.cx.now.mono < self.status_at {
            return;
        }
        self.cx.status_dirty = false;
        self.status_at = self.cx.now.mono + EVERY;
        if self.cx.sessions.values().any(|s| s.has("status")) {
            let status = self.status();
            self.cx.broadcast_cap("status", &status);
        }
    }

    /// Records the resource usage.
    pub(super) fn on_figures(&mut self, figures: Figures) {
        match figures {
            Figures::Traffic(traffic) => self.cx.traffic = Some(traffic),
            Figures::Room(room) => self.cx.room = Some(room),
        }
        self.cx.status_dirty = true;
    }

    pub(super) fn on_list_names(&mut self, origin: &ctx::Origin, result: Result<SignalReply, PortError>) {
        let mut found: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        let mut names: Vec<String> = Vec::new();
        match result {
            Ok(SignalReply::Members(keys)) => {
                let keys = keys.iter().filter_map(|k| k.strip_prefix("channel:")?.strip_suffix(":status"));
                names.extend(keys.map(str::to_owned));
            }
            Ok(_) => {}
            Err(why) => {
                let text = format!(
                    "The signal service can't be asked now ({why}): only your own channels are shown"
                );
                self.cx.error(origin, text);
            }
        }
        for channel in self.channels.values() {
            let Some(replica) = &channel.replica else {
                continue;
            };
            let topic = replica.state.topic().map(|t| t.0.to_owned()).unwrap_or_default();
            let fields = [
                ("name", channel.name.as_str().to_owned()),
                ("topic", topic),
                ("members", replica.state.members.len().to_string()),
            ];
            let fields = fields.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
            found.insert(channel.key.clone(), fields);
            names.retain(|n| *n != channel.key);
        }
        let id = self.cx.random();
        let left = names.len();
        self.cx.sent_by(Some(origin));
        self.listings.insert(id, Listing { origin: origin.clone(), left, found });
        if left == 0 {
            self.finish_list(id);
        }
        for name in names {
            let op = SignalOp::HashGet { key: channel::status_key(&name) };
            self.cx.signal(op, PendingOp::ListEntry(id, name));
        }
    }

    pub(super) fn on_list_entry(&mut self, id: u64, name: String, result: Result<SignalReply, PortError>) {
        let Some(listing) = self.listings.get_mut(&id) else {
            return;
        };
        listing.left = listing.left.saturating_sub(1);
        if let Ok(SignalReply::Hash(fields)) = result
            && fields.get("hidden").is_none_or(String::is_empty)
            && fields.contains_key("name")
        {
            listing.found.insert(name, fields);
        }
        if listing.left == 0 {
            self.finish_list(id);
        }
    }

    fn finish_list(&mut self, id: u64) {
        let Some(listing) = self.listings.remove(&id) else {
            return;
        };
        let origin = listing.origin;
        self.cx.numeric(&origin, numeric::RPL_LISTSTART, &["Channel"], "");
        for fields in listing.found.values() {
            let get = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
            // Hints from a service that anybody may write to: shown only if they are of their form.
            let named = crate::names::ChannelName::parse(get("name"));
            let members: Result<u32, _> = get("members").parse();
            if let (Ok(name), Ok(members)) = (named, members) {
                let topic = channel::cut(get("topic"), crate::limits::TOPIC);
                self.cx.numeric(&origin, numeric::RPL_LIST, &[name.as_str(), &members.to_string()], &topic);
            }
        }
        self.cx.numeric(&origin, numeric::RPL_LISTEND, &[], "");
        self.cx.settled_by(Some(&origin));
    }
}
