//! The table of IRCv3 capabilities, and the set of them that a client has asked for.

/// A capability.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Cap {
    /// `CAP NEW` and `CAP DEL`.
    Notify,
    /// Login before registration.
    Sasl,
    /// `time` on every line.
    ServerTime,
    /// Tags, `TAGMSG` and `msgid`.
    MessageTags,
    /// One's own messages come back.
    EchoMessage,
    /// Lines that belong together.
    Batch,
    /// Answers carry the label of their command.
    LabeledResponse,
    /// `nick!user@host` in NAMES.
    UserhostInNames,
    /// Account and real name in JOIN.
    ExtendedJoin,
    /// Who says it, as an account.
    AccountTag,
    /// Others' AWAY.
    AwayNotify,
    /// Others' INVITE.
    InviteNotify,
    /// All ranks of a member in NAMES and WHO, not only the highest.
    MultiPrefix,
    /// `SETNAME`.
    Setname,
    /// `FAIL`, `WARN`, `NOTE`.
    StandardReplies,
    /// `CHATHISTORY`.
    ChatHistory,
    /// `MARKREAD`.
    ReadMarker,
    /// No NAMES after one's own JOIN.
    NoImplicitNames,
    /// Messages of several lines.
    Multiline,
}

/// All of them: capability, name, value for `CAP LS 302`.
pub const ALL: &[(Cap, &str, &str)] = &[
    (Cap::Notify, "cap-notify", ""),
    (Cap::Sasl, "sasl", "PLAIN"),
    (Cap::ServerTime, "server-time", ""),
    (Cap::MessageTags, "message-tags", ""),
    (Cap::EchoMessage, "echo-message", ""),
    (Cap::Batch, "batch", ""),
    (Cap::LabeledResponse, "labeled-response", ""),
    (Cap::MultiPrefix, "multi-prefix", ""),
    (Cap::UserhostInNames, "userhost-in-names", ""),
    (Cap::ExtendedJoin, "extended-join", ""),
    (Cap::AccountTag, "account-tag", ""),
    (Cap::AwayNotify, "away-notify", ""),
    (Cap::InviteNotify, "invite-notify", ""),
    (Cap::Setname, "setname", ""),
    (Cap::StandardReplies, "standard-replies", ""),
    (Cap::ChatHistory, "draft/chathistory", ""),
    (Cap::ReadMarker, "draft/read-marker", ""),
    (Cap::NoImplicitNames, "draft/no-implicit-names", ""),
    (Cap::Multiline, "draft/multiline", "max-bytes=49152,max-lines=64"),
];

/// What a client has asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Caps(u32);

impl Caps {
    /// Whether it is in the set.
    pub fn has(self, cap: Cap) -> bool {
        self.0 & (1 << cap as u8) != 0
    }

    /// The set with one more, or one less.
    #[must_use]
    pub fn with(self, cap: Cap, on: bool) -> Self {
        let bit = 1 << cap as u8;
        Self(if on { self.0 | bit } else { self.0 & !bit })
    }

    /// Whether a line may carry this tag.
    pub fn allows_tag(self, name: &str) -> bool {
        match name {
            "time" => self.has(Cap::ServerTime),
            "account" => self.has(Cap::AccountTag),
            "batch" => self.has(Cap::Batch),
            "label" => self.has(Cap::LabeledResponse),
            _ => self.has(Cap::MessageTags),
        }
    }

    /// The set after `CAP REQ`; `None` if something in it is unknown: then nothing changes.
    pub fn requested(self, list: &str) -> Option<Self> {
        let mut caps = self;
        for word in list.split(' ').filter(|w| !w.is_empty()) {
            let (name, on) = word.strip_prefix('-').map_or((word, true), |name| (name, false));
            let (cap, ..) = ALL.iter().find(|(_, n, _)| *n == name)?;
            caps = caps.with(*cap, on);
        }
        Some(caps)
    }

    /// The names in the set.
    pub fn names(self) -> String {
        let names: Vec<&str> = ALL.iter().filter(|(cap, ..)| self.has(*cap)).map(|(_, n, _)| *n).collect();
        names.join(" ")
    }
}

/// What `CAP LS` answers: with values for version 302 and later.
pub fn offered(version: u32) -> Vec<String> {
    let one = |(_, name, value): &(Cap, &str, &str)| match *value {
        "" => (*name).to_owned(),
        _ if version < 302 => (*name).to_owned(),
        value => format!("{name}={value}"),
    };
    ALL.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_taken_whole_or_not_at_all() {
        let none = Caps::default();
        let caps = none.requested("batch server-time ").unwrap();
        assert!(caps.has(Cap::Batch) && caps.has(Cap::ServerTime) && !caps.has(Cap::Sasl));
        assert_eq!(caps.requested("-batch sasl").map(Caps::names).as_deref(), Some("sasl server-time"));
        assert_eq!(caps.requested("batch nonsense"), None);
        assert_eq!(caps.requested("sasl=PLAIN"), None);
    }

    #[test]
    fn values_are_for_those_who_understand_them() {
        assert!(offered(302).contains(&"sasl=PLAIN".to_owned()));
        assert!(offered(301).contains(&"sasl".to_owned()));
        assert!(offered(302).join(" ").len() < 400, "it fits into one line");
    }

    #[test]
    fn tags_go_to_those_who_asked_for_them() {
        let caps = Caps::default().with(Cap::ServerTime, true);
        assert!(caps.allows_tag("time") && !caps.allows_tag("msgid") && !caps.allows_tag("+typing"));
    }
}
