//! All limits, in one place. Front ends announce them; checks read them here.

/// Maximum bytes of one record; larger data travels in parts.
pub const RECORD: usize = 256 * 1024;
/// Maximum bytes of an answer between nodes, after assembly and decryption: it travels in parts.
/// The largest answer is a channel's whole state, with a card of each member (at most 8 KiB).
pub const ANSWER: usize = 64 * 1024 * 1024;
/// Maximum number of acts in one log record.
pub const BATCH: usize = 64;
/// Encrypted bytes after which a batch takes no more acts.
pub const BATCH_BYTES: usize = 48 * 1024;
/// Bytes of an envelope that a session may hand in.
pub const ENVELOPE: usize = 64 * 1024;
/// Bytes of one line of a body.
pub const LINE: usize = 4096;
/// Lines of a body.
pub const LINES: usize = 64;
/// Bytes of a nick.
pub const NICK: usize = 30;
/// Bytes of the `user` in `nick!user@host` of a hosted user.
pub const USER: usize = 32;
/// Bytes of the `host` there.
pub const HOST: usize = 64;
/// Bytes of a hosted user's real name.
pub const REALNAME: usize = 128;
/// Bytes of a channel's name, with its `#`.
pub const CHANNEL: usize = 64;
/// Bytes of a topic.
pub const TOPIC: usize = 390;
/// Bytes of a reason (KICK, PART, AWAY).
pub const REASON: usize = 390;
/// Bytes of a channel key (+k).
pub const KEY: usize = 32;
/// Members of a channel.
pub const MEMBERS: usize = 5000;
/// Former members that a channel remembers individually.
pub const GONE: usize = 1024;
/// Pending invites of a channel.
pub const INVITES: usize = 100;
/// Bytes of a card.
pub const CARD: usize = 8 * 1024;
/// Bytes of an invite before its encoding as text.
pub const INVITE: usize = 32 * 1024;
/// Entries of a mask list.
pub const MASKS: usize = 100;
/// Bytes of a mask.
pub const MASK: usize = 128;
/// Modes with a parameter in one MODE.
pub const MODES: usize = 6;
/// Letters of one MODE, with or without a parameter.
pub const MODE_LETTERS: usize = 24;
/// Channels that a node may be in.
pub const CHANNELS: usize = 1_000;
/// Messages to one channel or person that may wait to be sent.
pub const WAITING: usize = 100_000;
/// Messages of one page of history.
pub const HISTORY: u32 = 500;
/// Targets of one PRIVMSG.
pub const TARGETS: usize = 8;
/// How far an author's clock may be from the leader's, in milliseconds.
pub const CLOCK_SKEW: u64 = 15 * 60 * 1000;
