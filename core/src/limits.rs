//! Every limit, in one place. Doors announce them; checks read them here.

/// Bytes of one record at the most; larger things travel in parts.
pub const RECORD: usize = 256 * 1024;
/// Bytes of an answer between nodes once it is put together and opened: it travels in parts. A
/// channel's whole state is one, with a card of each member (8 KiB at the most).
pub const ANSWER: usize = 64 * 1024 * 1024;
/// Acts in one record of a log at the most.
pub const BATCH: usize = 64;
/// Bytes of what they hold, encrypted, from which on a batch takes no more.
pub const BATCH_BYTES: usize = 48 * 1024;
/// Bytes of an envelope that a session may hand in.
pub const ENVELOPE: usize = 64 * 1024;
/// Bytes of one line of a body.
pub const LINE: usize = 4096;
/// Lines of a body.
pub const LINES: usize = 64;
/// Bytes of a nick.
pub const NICK: usize = 30;
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
/// Of how many who left a channel it remembers who each was.
pub const GONE: usize = 1024;
/// Invites of a channel that wait to be used.
pub const INVITES: usize = 100;
/// Bytes of a card.
pub const CARD: usize = 8 * 1024;
/// Bytes of an invite before it is written as text.
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
/// Targets of one PRIVMSG.
pub const TARGETS: usize = 8;
/// How far an author's clock may be from the leader's, in milliseconds.
pub const CLOCK_SKEW: u64 = 15 * 60 * 1000;
