//! HISTORY: messages of a conversation, from this node's store.

use super::Node;
use super::channel::Channel;
use super::ctx::Origin;
use super::pending::PendingOp;
use super::start;
use crate::envelope::{Envelope, parse_ts};
use crate::ids::MsgId;
use crate::limits::HISTORY;
use crate::names::ChannelName;
use crate::numeric;
use crate::port::{Answer, Point, PortError, Query, Window};

const USAGE: &str = "HISTORY takes no params, or [\"before\", P], [\"after\", P], [\"latest\", P], \
    [\"around\", P] or [\"between\", P, P], where P is the id of a message or a time like \
    2026-01-31T12:00:00.000Z";

/// The part of a conversation that the parameters of HISTORY ask for.
fn window(params: &[String]) -> Option<Window> {
    let all: Vec<&str> = params.iter().map(String::as_str).collect();
    Some(match all[..] {
        [] => Window::before(None),
        ["before", at] => Window::Newest { after: None, before: Some(point(at)?) },
        ["after", at] => Window::Oldest { after: Some(point(at)?), before: None },
        ["latest", at] => Window::Newest { after: Some(point(at)?), before: None },
        ["around", at] => Window::Around(point(at)?),
        ["between", from, to] if time(from)? <= time(to)? => {
            Window::Oldest { after: Some(point(from)?), before: Some(point(to)?) }
        }
        // From the second one back to the first, as in IRC's CHATHISTORY.
        ["between", from, to] => Window::Newest { after: Some(point(to)?), before: Some(point(from)?) },
        _ => return None,
    })
}

fn point(text: &str) -> Option<Point> {
    match MsgId::parse(text) {
        Ok(_) => Some(Point::Message(text.to_owned())),
        Err(_) => parse_ts(text).map(Point::Time),
    }
}

fn time(text: &str) -> Option<u64> {
    MsgId::parse(text).ok().map(MsgId::millis).or_else(|| parse_ts(text))
}

impl Node {
    pub(super) fn history(&mut self, origin: &Origin, e: &Envelope) {
        let to = e.to.clone().unwrap_or_default();
        let Some(target) = self.history_target(&to) else {
            return self.cx.numeric(
                origin,
                numeric::ERR_NOSUCHCHANNEL,
                &[&to],
                "Nothing is known of it here",
            );
        };
        let Some(window) = window(&e.params) else {
            return self.cx.error(origin, USAGE);
        };
        let limit = e.meta_u64("limit").unwrap_or(50).clamp(1, u64::from(HISTORY)) as u32;
        let query = Query::History { target, window, limit };
        self.cx.query(query, PendingOp::History(origin.clone(), to));
    }

    /// The name of a conversation in the store.
    pub(super) fn history_target(&self, to: &str) -> Option<String> {
        if to.starts_with('#') {
            let key = ChannelName::parse(to).ok()?.folded();
            let joined = self.channels.get(&key).filter(|c| c.replica.is_some()).map(Channel::target);
            return joined.or_else(|| self.cx.contacts.known_channel(&key));
        }
        self.find(to).map(|a| start::direct_target(&a))
    }

    pub(super) fn on_history(&mut self, origin: &Origin, to: &str, result: Result<Answer, PortError>) {
        match result {
            Ok(Answer::History { rows, more, trimmed }) => {
                // What was refused was never said.
                let said = rows.iter().filter(|r| !matches!(r.state.as_str(), "held" | "failed"));
                let rows = said.filter_map(|r| self.unseal(r));
                let list = rows.filter_map(|e| serde_json::to_value(e).ok()).collect();
                let mut e = Envelope::new("HISTORY").to(to).meta("more", more);
                if trimmed {
                    e = e.meta("trimmed", true);
                }
                e.body = Some(crate::Body::Array(list));
                self.cx.reply(origin, e);
            }
            Ok(_) => {}
            Err(why) => self.cx.error(origin, format!("The history of {to} can't be read: {why}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_what_its_params_say_or_nothing() {
        let (old, new) = ("019abc00-0000-7000-8000-000000000000", "019abc00-0001-7000-8000-000000000000");
        let day = "2026-01-31T12:00:00.000Z";
        let of = |params: &[&str]| window(&params.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>());
        let id = |text: &str| Some(Point::Message(text.to_owned()));
        let at = Some(Point::Time(parse_ts(day).unwrap()));
        assert_eq!(of(&[]), Some(Window::Newest { after: None, before: None }));
        assert_eq!(of(&["before", old]), Some(Window::Newest { after: None, before: id(old) }));
        assert_eq!(of(&["after", day]), Some(Window::Oldest { after: at.clone(), before: None }));
        assert_eq!(of(&["latest", old]), Some(Window::Newest { after: id(old), before: None }));
        assert_eq!(of(&["around", day]), Some(Window::Around(at.clone().unwrap())));
        assert_eq!(of(&["between", old, new]), Some(Window::Oldest { after: id(old), before: id(new) }));
        assert_eq!(of(&["between", new, old]), Some(Window::Newest { after: id(old), before: id(new) }));
        assert_eq!(of(&["between", old, day]), Some(Window::Oldest { after: id(old), before: at }));
        let bad: [&[&str]; 7] = [
            &["before"],
            &["before", "x"],
            &["before", old, new],
            &["between", old],
            &["between", old, "yesterday"],
            &["since", old],
            &["after", "2026-01-31"],
        ];
        for params in bad {
            assert_eq!(of(params), None, "{params:?}");
        }
    }
}
