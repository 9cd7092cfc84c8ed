//! Revocation of access: when a contact is removed, the user that was created for it is removed
//! too. If that fails, the node retries and tells the owner, because until then the contact keeps
//! its access.
//!
//! This module decides nothing about contacts and knows no service: the handler of
//! [`Effect::Revoke`] removes the user.

use serde::{Deserialize, Serialize};

use super::ctx::{Origin, notice};
use super::start::of;
use super::*;
use crate::port::{StoreOp, Table};

/// How long to wait before a retry, ms: first and maximum interval.
const AGAIN: Millis = 60_000;
const AT_MOST: Millis = 3_600_000;
/// How long the request to remove a contact waits for the outcome, ms.
const PATIENCE: Millis = 5_000;

/// Users to be removed, by name.
pub(super) type Endings = BTreeMap<String, Ending>;

/// A user to be removed.
#[derive(Serialize, Deserialize)]
pub(super) struct Ending {
    /// The nick of its former contact.
    nick: String,
    /// When (monotonic) the next attempt is due; none while one is running.
    #[serde(skip)]
    at: Option<Millis>,
    #[serde(skip)]
    tries: u32,
    /// Why the last attempt failed.
    #[serde(skip)]
    why: Option<String>,
    /// The command that waits for the outcome, and until when.
    #[serde(skip)]
    asked: Option<(Asked, Millis)>,
}

/// A CONTACT command that waits for its answer.
pub(super) type Asked = (Origin, String);

impl Ending {
    /// The text for the owner after a failure.
    fn trouble(&self, name: &str) -> Option<String> {
        let (nick, why) = (&self.nick, self.why.as_ref()?);
        Some(format!(
            "what {nick} was given on your grid could not be taken away: {why}. Until that is done {nick} can still write to your mailbox and read the logs of your grid, as the user {name}. It is tried again by itself; if it goes on failing, take away that user and its rules as the administrator of your Kafka"
        ))
    }

    fn wake(&self) -> Option<Millis> {
        self.at.into_iter().chain(self.asked.as_ref().map(|(_, by)| *by)).min()
    }
}

fn row(name: &str) -> String {
    format!("ending/{name}")
}

/// Restores the removals that were unfinished when the node stopped.
pub(super) fn restore(
    values: &BTreeMap<(Table, String), Vec<u8>>,
    identity: &Identity,
    now: Millis,
) -> Endings {
    let mut out = Endings::new();
    for ((_, key), value) in of(values, Table::Setting) {
        let Some(name) = key.strip_prefix("ending/") else { continue };
        let plain = identity.open_local(value).ok();
        if let Some(mut ending) = plain.and_then(|p| serde_json::from_slice::<Ending>(&p).ok()) {
            ending.at = Some(now);
            out.insert(name.to_owned(), ending);
        }
    }
    out
}

/// The answer to the removal of a contact. A note holds further information for the user.
fn removed(what: &str, note: Option<String>) -> Envelope {
    let mut answer = Envelope::new("CONTACT").param(what);
    answer.body = Some(crate::Body::Array(Vec::new()));
    match note {
        Some(note) => answer.meta("note", note),
        None => answer,
    }
}

impl Node {
    /// Revokes the access of a removed contact, then answers the command.
    pub(super) fn end_contact(&mut self, contact: &contacts::Contact, asked: Asked) {
        let actor = contact.card.actor();
        let nick = contact.card.nick().as_str().to_owned();
        if let Some(name) = self.granted_to(&actor) {
            return self.end(name, nick, Some(asked));
        }
        let (origin, what) = asked;
        let afar = contact.card.address().cluster != self.cx.cfg.home.cluster;
        let shares = afar && self.cx.cfg.peer_way.is_some() && what == "remove";
        let note = shares.then(|| {
            format!(
                "{nick} has no user of its own on your Kafka. If {nick} knows the login that your contacts share, kirc setup infra --rotate-peer changes it; start the node again after that, and it tells the others"
            )
        });
        self.cx.reply(&origin, removed(&what, note));
    }

    /// Starts the removal of a user.
    pub(super) fn end(&mut self, name: String, nick: String, asked: Option<Asked>) {
        self.cx.sent_by(asked.as_ref().map(|(origin, _)| origin));
        let asked = asked.map(|a| (a, self.cx.now.mono + PATIENCE));
        let ending = Ending { nick, at: None, tries: 0, why: None, asked };
        self.cx.put_sealed(Table::Setting, row(&name), &ending);
        self.endings.insert(name.clone(), ending);
        self.cx.revoke(name);
    }

    /// Answers the command that waited for the removal of a user.
    fn answer_removal(&mut self, (origin, what): &Asked, note: Option<String>) {
        self.cx.reply(origin, removed(what, note));
        self.cx.settled_by(Some(origin));
    }

    /// Handles the outcome of the removal of a user.
    pub(super) fn on_revoked(&mut self, name: &str, result: Result<(), PortError>) {
        let Some(ending) = self.endings.get_mut(name) else { return };
        let told = ending.why.is_some();
        let asked = ending.asked.take();
        match result {
            Ok(()) => {
                let nick = ending.nick.clone();
                self.endings.remove(name);
                self.cx.store(StoreOp::Delete { table: Table::Setting, key: row(name) });
                if told {
                    let text = format!("what {nick} was given on your grid is taken away now");
                    let notice = notice(self.cx.nick().as_str(), text);
                    self.cx.broadcast(&notice, None);
                }
                if let Some((asked, _)) = asked {
                    self.answer_removal(&asked, None);
                }
            }
            Err(why) => {
                ending.why = Some(why.to_string());
                ending.at = Some(self.cx.now.mono + (AGAIN << ending.tries.min(6)).min(AT_MOST));
                ending.tries += 1;
                let (nick, text) = (ending.nick.clone(), ending.trouble(name).unwrap_or_default());
                self.cx
                    .out
                    .push(Effect::Warn { text: format!("the user {name} of a former contact: {why}") });
                if !told {
                    self.cx.alarm(&nick, "not-ended", text.clone());
                }
                if let Some((asked, _)) = asked {
                    self.answer_removal(&asked, Some(text));
                }
            }
        }
    }

    /// Tells a new session which access could not be revoked.
    pub(super) fn tell_endings(&mut self, origin: &Origin) {
        for (name, ending) in &self.endings {
            if let Some(text) = ending.trouble(name) {
                let alarm = Envelope::new("ALARM").to(ending.nick.as_str()).param("not-ended").line(text);
                self.cx.deliver(origin.session, alarm);
            }
        }
    }

    /// When the next retry or answer is due.
    pub(super) fn endings_wake(&self) -> Option<Millis> {
        self.endings.values().filter_map(Ending::wake).min()
    }

    /// Retries due removals, and answers commands that have waited long enough.
    pub(super) fn tick_endings(&mut self) {
        if self.cx.stopping {
            return;
        }
        let now = self.cx.now.mono;
        let mut due = Vec::new();
        let mut answers = Vec::new();
        for (name, ending) in &mut self.endings {
            if ending.at.is_some_and(|at| now >= at) {
                ending.at = None;
                due.push(name.clone());
            }
            if let Some((asked, _)) = ending.asked.take_if(|(_, by)| now >= *by) {
                let nick = &ending.nick;
                let text = format!(
                    "what {nick} was given on your grid is not taken away yet: no answer came so far. That goes on by itself, also when this node is started again"
                );
                answers.push((asked, text));
            }
        }
        for name in due {
            self.cx.revoke(name);
        }
        for (asked, text) in answers {
            self.answer_removal(&asked, Some(text));
        }
    }
}
