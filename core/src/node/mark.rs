//! The read mark of a conversation: how many messages are unread, and from which one on. It is
//! stored with the conversation.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::Node;
use super::ctx::Origin;
use crate::envelope::Envelope;
use crate::ids::MsgId;
use crate::names::ChannelName;
use crate::port::SessionId;

/// How many unread messages' ids stay in memory, so that the user can mark one in the middle as
/// read.
const RECENT: usize = 1_000;

/// The read mark of a conversation.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Mark {
    /// The last message that was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    read: Option<MsgId>,
    /// The last message that arrived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    newest: Option<MsgId>,
    #[serde(default)]
    unread: u64,
    #[serde(default)]
    mentions: u64,
    /// The newest unread messages: their ids, and whether they mention the user.
    #[serde(skip)]
    recent: VecDeque<(MsgId, bool)>,
}

impl Mark {
    /// Processes an envelope of this conversation that the sessions are shown. A user who sends a
    /// message, on any screen, has read those before it.
    pub fn shown(&mut self, e: &Envelope) {
        let said = matches!(e.command.as_str(), "PRIVMSG" | "NOTICE");
        let Some(id) = e.id.as_deref().and_then(|id| MsgId::parse(id).ok()).filter(|_| said) else {
            return;
        };
        self.newest = Some(id);
        if e.meta.contains_key("self") {
            self.read(id);
            return;
        }
        let mention = e.meta.contains_key("mention");
        self.unread += 1;
        self.mentions += u64::from(mention);
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back((id, mention));
    }

    /// Marks all messages up to this one as read. An unknown id does not affect later messages.
    pub fn read(&mut self, id: MsgId) {
        if self.newest.is_none_or(|newest| newest == id) {
            *self = Self { read: Some(id), newest: Some(id), ..Self::default() };
        } else if let Some(i) = self.recent.iter().rposition(|(recent, _)| *recent == id) {
            self.recent.drain(..=i);
            self.read = Some(id);
            self.unread = self.recent.len() as u64;
            self.mentions = self.recent.iter().filter(|(_, mention)| *mention).count() as u64;
        }
    }

    /// The stored form.
    pub fn kept(&self) -> Self {
        let Self { read, newest, unread, mentions, .. } = *self;
        Self { read, newest, unread, mentions, recent: VecDeque::new() }
    }

    /// The envelope for a new session: `MARKREAD` with the last message that was read, and how many
    /// arrived since.
    pub fn told(&self, to: &str) -> Envelope {
        let e = Envelope::new("MARKREAD").to(to).meta("replay", true);
        let e = e.meta("unread", self.unread).meta("mentions", self.mentions);
        match self.read {
            Some(id) => e.param(id.to_string()),
            None => e,
        }
    }
}

impl Node {
    /// Handles a session's read mark for a conversation.
    pub(super) fn markread(&mut self, origin: &Origin, e: &Envelope) {
        let (Some(to), Some(Ok(id))) = (e.to.as_deref(), e.params.first().map(|id| MsgId::parse(id))) else {
            return;
        };
        let known = if to.starts_with('#') { self.read_channel(to, id) } else { self.read_direct(to, id) };
        if !known {
            return;
        }
        let told = Envelope::new("MARKREAD").to(to).param(id.to_string());
        let others: Vec<SessionId> =
            self.cx.sessions.keys().copied().filter(|s| *s != origin.session).collect();
        for session in others {
            self.cx.deliver(session, told.clone());
        }
    }

    fn read_channel(&mut self, to: &str, id: MsgId) -> bool {
        let key = ChannelName::parse(to).map(|name| name.folded());
        let Some(channel) = key.ok().and_then(|key| self.channels.get_mut(&key)) else { return false };
        channel.mark.read(id);
        channel.store_head(&mut self.cx);
        true
    }

    /// Marks a direct conversation as read. It tells the peer too, unless the user disabled that.
    fn read_direct(&mut self, to: &str, id: MsgId) -> bool {
        let Some(actor) = self.find(to) else { return false };
        let Some(direct) = self.directs.get_mut(&actor) else { return false };
        direct.read(&mut self.cx, &actor, id);
        let card = self.cx.contacts.card(&actor).filter(|_| self.cx.cfg.read_receipts).cloned();
        if let Some(card) = card {
            direct.receipt(&mut self.cx, &card, "read", &[id.to_string()]);
        }
        true
    }

    /// Tells a new session about direct conversations with unread messages.
    pub(super) fn tell_marks(&mut self, session: SessionId) {
        let mut told = Vec::new();
        for (actor, direct) in self.directs.iter().filter(|(_, direct)| direct.mark().unread > 0) {
            if let Some(card) = self.cx.contacts.card(actor) {
                let mark = direct.mark().told(card.nick().as_str());
                told.push(mark.meta("actor", actor.to_string()));
            }
        }
        for e in told {
            self.cx.deliver(session, e);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u64) -> MsgId {
        MsgId::parse(&format!("{n:08x}-0000-7000-8000-000000000000")).expect("an id")
    }

    fn came(n: u64, mention: bool) -> Envelope {
        let e = Envelope { id: Some(id(n).to_string()), ..Envelope::new("PRIVMSG") };
        if mention { e.meta("mention", true) } else { e }
    }

    fn counts(mark: &Mark) -> (u64, u64) {
        (mark.unread, mark.mentions)
    }

    #[test]
    fn counts_what_came_since() {
        let mut mark = Mark::default();
        for n in 1..=4 {
            mark.shown(&came(n, n == 3));
        }
        assert_eq!(counts(&mark), (4, 1));
        mark.read(id(2));
        assert_eq!(counts(&mark), (2, 1));
        mark.read(id(4));
        assert_eq!(counts(&mark), (0, 0));
        assert_eq!(mark.told("#net").params, [id(4).to_string()]);
    }

    #[test]
    fn an_older_mark_takes_nothing_back() {
        let mut mark = Mark::default();
        mark.shown(&came(1, false));
        mark.read(id(1));
        mark.shown(&came(2, true));
        mark.read(id(1));
        mark.read(id(9));
        assert_eq!(counts(&mark), (1, 1));
    }

    #[test]
    fn who_answers_has_read() {
        let mut mark = Mark::default();
        mark.shown(&came(1, true));
        mark.shown(&came(2, false).meta("self", true));
        assert_eq!(counts(&mark), (0, 0));
        assert_eq!(mark.told("bob").params, [id(2).to_string()]);
    }

    #[test]
    fn a_restart_keeps_the_counts_and_the_place() {
        let mut mark = Mark::default();
        for n in 1..=3 {
            mark.shown(&came(n, n == 2));
        }
        let row = serde_json::to_vec(&mark).expect("a row");
        let mut again: Mark = serde_json::from_slice(&row).expect("a mark");
        assert_eq!(counts(&again), (3, 1));
        again.shown(&came(4, false));
        assert_eq!(counts(&again), (4, 1));
        again.read(id(4));
        assert_eq!(counts(&again), (0, 0));
    }
}
