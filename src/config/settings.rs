//! The table of settings. The doc comment of a field is its text in `.env.example` and in the file
//! that `kirc setup` writes.
//!
//! This module owns names, defaults and types. It uses the source of a value only to name it in an
//! error.

use std::path::PathBuf;

use kirc_core::ids::Millis;
use kirc_core::names::Nick;

use super::parse::{Bytes, FromText, Span};
use super::{Mechanism, Mistake, Secret, Security, Sources};

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Its name in the environment and in `.env`.
    pub name: &'static str,
    /// What it is for.
    pub doc: &'static [&'static str],
    /// Its default, as it would be written; empty: none.
    pub default: &'static str,
    /// Whether its value may not be shown.
    pub secret: bool,
}

impl Setting {
    /// Its text, lines joined.
    pub fn comment(&self) -> String {
        let lines: Vec<&str> = self.doc.iter().map(|l| l.trim()).collect();
        lines.join("\n")
    }
}

macro_rules! settings {
    ($($(#[doc = $doc:literal])+ $field:ident: $type:ty = $name:literal, $default:literal $(($secret:ident))? $(, via $via:ty, $get:expr)? ;)+) => {
        /// What is set, resolved and checked.
        #[derive(Debug, Clone)]
        pub struct Settings {
            $($(#[doc = $doc])+ pub $field: $type,)+
        }

        /// All settings, in the order of `.env.example`.
        pub const TABLE: &[Setting] = &[
            $(Setting {
                name: $name,
                doc: &[$($doc),+],
                default: $default,
                secret: settings!(@secret $($secret)?),
            }),+
        ];

        impl Settings {
            /// Reads every setting and adds what is wrong to `mistakes`; `None` if anything was.
            pub(super) fn resolve(sources: &Sources, mistakes: &mut Vec<Mistake>) -> Option<Self> {
                $(let $field: Option<$type> =
                    settings!(@read sources, mistakes, $type, $name, $default, settings!(@secret $($secret)?) $(, $via, $get)?);)+
                Some(Self { $($field: $field?,)+ })
            }
        }
    };
    (@secret) => { false };
    (@secret secret) => { true };
    (@read $sources:ident, $mistakes:ident, $type:ty, $name:literal, $default:literal, $secret:expr) => {
        read::<$type>($sources, $mistakes, $name, $default, $secret)
    };
    (@read $sources:ident, $mistakes:ident, $type:ty, $name:literal, $default:literal, $secret:expr, $via:ty, $get:expr) => {
        read::<$via>($sources, $mistakes, $name, $default, $secret).and_then(|v| {
            let get: fn($via) -> Result<$type, String> = $get;
            get(v).map_err(|why| mistake($sources, $mistakes, $name, why)).ok()
        })
    };
}

settings! {
    /// The name that others see. Letters, digits and -_[]\`^{}| (30 at the most); it need not be
    /// unique.
    nick: Option<Nick> = "KIRC_NICK", "";
    /// The folder of the embedded grid, on which the nodes of this machine meet. Empty: the folder
    /// "grid" in the data folder.
    grid: Option<PathBuf> = "KIRC_GRID", "";
    /// Bootstrap servers of the Kafka that is the mailbox service: host:port, separated by commas.
    /// Empty: the embedded grid.
    kafka: Option<String> = "KIRC_KAFKA", "";
    /// How to speak to it: plaintext, ssl, sasl_plaintext or sasl_ssl. Empty: sasl_ssl if a user is
    /// given, ssl if a client certificate is, plaintext otherwise.
    kafka_security: Option<Security> = "KIRC_KAFKA_SECURITY", "";
    /// How to log in: SCRAM-SHA-512, SCRAM-SHA-256 or PLAIN.
    kafka_mechanism: Mechanism = "KIRC_KAFKA_MECHANISM", "SCRAM-SHA-512";
    /// The user who owns this node's mailbox.
    kafka_user: Option<String> = "KIRC_KAFKA_USER", "";
    /// Its password.
    kafka_password: Option<Secret> = "KIRC_KAFKA_PASSWORD", "" (secret);
    /// A client certificate (PEM file), where the service wants one.
    kafka_cert: Option<PathBuf> = "KIRC_KAFKA_CERT", "";
    /// Its private key (PEM file).
    kafka_key: Option<PathBuf> = "KIRC_KAFKA_KEY", "";
    /// Names of the mailbox's topics: {kind}-{user} where several people share a cluster, {kind} on
    /// one's own.
    kafka_topics: String = "KIRC_KAFKA_TOPICS", "{kind}-{user}", via String, topics;
    /// The topic of the grid that holds the channels' logs; the same for all who share the grid.
    /// data-out-{channel}: each channel has a topic of its own, made when the channel is first
    /// joined. For a grid with very many channels, on a service that allows so many topics.
    kafka_log: String = "KIRC_KAFKA_LOG", "data-out", via String, log_topic;
    /// Replicas of each topic. Empty: what the service has as its default.
    kafka_replication: Option<usize> = "KIRC_KAFKA_REPLICATION", "";
    /// How long the service keeps records.
    kafka_retention: Millis = "KIRC_KAFKA_RETENTION", "72h", via Span, |s| between(s, 3_600_000, 3650 * 86_400_000);
    /// How many bytes a second are written to it at the most, people's messages first, and at which
    /// pace history is read: 125KiB suits a cloud's free plan. 0: no limit.
    budget: u64 = "KIRC_BUDGET", "125KiB", via Bytes, |b| match b.0 {
        1..=9_999 => Err("less than 10 KB a second would hold up every key".to_owned()),
        bytes => Ok(bytes),
    };
    /// The user that contacts are given in an invite, where the service allows no user for each.
    kafka_peer_user: Option<String> = "KIRC_KAFKA_PEER_USER", "";
    /// Its password.
    kafka_peer_password: Option<Secret> = "KIRC_KAFKA_PEER_PASSWORD", "" (secret);
    /// Who may make topics, users and rights, for `kirc setup infra`. Empty: the owner.
    kafka_admin_user: Option<String> = "KIRC_KAFKA_ADMIN_USER", "";
    /// Its password.
    kafka_admin_password: Option<Secret> = "KIRC_KAFKA_ADMIN_PASSWORD", "" (secret);
    /// The Valkey (or Redis) that is the signal service: valkeys://user:password@host:port,
    /// valkey:// without TLS.
    valkey: Option<Secret> = "KIRC_VALKEY", "" (secret);
    /// The same for contacts, as it stands in invites. Empty: KIRC_VALKEY itself.
    valkey_peer: Option<Secret> = "KIRC_VALKEY_PEER", "" (secret);
    /// What the names of its keys and channels begin with.
    valkey_prefix: String = "KIRC_VALKEY_PREFIX", "kirc:";
    /// The PostgreSQL that keeps contacts and history:
    /// postgres://user:password@host:port/database?sslmode=verify-full. Empty: a file in the
    /// profile's folder.
    postgres: Option<Secret> = "KIRC_POSTGRES", "" (secret);
    /// The schema of this profile there. Empty: kirc_ and the profile's name.
    postgres_schema: Option<String> = "KIRC_POSTGRES_SCHEMA", "";
    /// How many bytes of history are kept, there or in the file, such as 700MiB; the oldest goes
    /// first. 0: all of it. Empty: 700MiB in PostgreSQL, which suits a cloud's free plan, all of it
    /// in the file.
    history_limit: Option<u64> = "KIRC_HISTORY_LIMIT", "", via Option<Bytes>, |limit| match limit.map(|b| b.0) {
        Some(1..=999_999) => Err("less than 1 MB would hold next to nothing".to_owned()),
        limit => Ok(limit),
    };
    /// The certificates (PEM file) that the services' own are signed by, trusted besides those of
    /// the system.
    ca: Option<PathBuf> = "KIRC_CA", "";
    /// The passphrase of the key file, for starts without a terminal. Who can read this file can
    /// then use the keys: better leave it empty and answer the prompt.
    passphrase: Option<Secret> = "KIRC_PASSPHRASE", "" (secret);
    /// Bits of the RSA key that is made on first run: 2048 or 3072.
    rsa_bits: usize = "KIRC_RSA_BITS", "2048", via usize, |bits| match bits {
        2048 | 3072 => Ok(bits),
        _ => Err(format!("{bits} is neither 2048 nor 3072")),
    };
    /// Whether others learn that their direct messages were read.
    read_receipts: bool = "KIRC_READ_RECEIPTS", "true";
    /// Whether others learn that you are typing.
    send_typing: bool = "KIRC_SEND_TYPING", "true";
    /// What is logged: error, warn, info, debug or trace, also per part
    /// ("info,kirc::driver=debug"). Never what people say.
    log: String = "KIRC_LOG", "info", via String, |text| match text.parse::<tracing_subscriber::filter::EnvFilter>() {
        Ok(_) => Ok(text),
        Err(_) => Err(format!("\"{text}\" is no log level such as info or info,kirc=debug")),
    };
    /// How log lines of `kirc node` look: text or json.
    log_format: LogFormat = "KIRC_LOG_FORMAT", "text";
    /// Where IRC clients connect to `kirc node`: an address of this machine's loopback, such as
    /// 127.0.0.1:6667. Empty: nowhere. Set a password for them with `kirc account passwd`.
    irc: Option<String> = "KIRC_IRC", "";
    /// How long `kirc pipe` waits at the end while nothing more is settled, and `kirc send` until
    /// what it sent is.
    settle_timeout: Millis = "KIRC_SETTLE_TIMEOUT", "30s", via Span, |s| Ok(s.0);
    /// How long a channel's leader is believed to be there without a sign of life.
    lease: Millis = "KIRC_LEASE", "30s", via Span, |s| between(s, 3_000, 300_000);
    /// How long a leader may leave a challenge unanswered before another may lead.
    challenge: Millis = "KIRC_CHALLENGE", "3s", via Span, |s| between(s, 500, 60_000);
    /// How long a message may take to come back before its author challenges the leader.
    patience: Millis = "KIRC_PATIENCE", "3s", via Span, |s| between(s, 500, 60_000);
    /// How many messages are said under one channel key at the most.
    epoch_messages: u64 = "KIRC_EPOCH_MESSAGES", "5000", via u64, |n| match n {
        1..=1_000_000 => Ok(n),
        _ => Err(format!("{n} is not between 1 and 1000000")),
    };
    /// How long one channel key is used at the most.
    epoch_age: Millis = "KIRC_EPOCH_AGE", "24h", via Span, |s| between(s, 60_000, 30 * 86_400_000);
    /// How far the clock of an author may be from one's own before its messages are refused.
    clock_skew: Millis = "KIRC_CLOCK_SKEW", "15m", via Span, |s| between(s, 10_000, 86_400_000);
}

fn topics(text: String) -> Result<String, String> {
    if !text.contains("{kind}") {
        return Err(format!("\"{text}\" lacks {{kind}}: the four topics of a mailbox would be one"));
    }
    topic(text.replace("{kind}", "data-out").replace("{user}", "user")).map(|_| text)
}

fn log_topic(text: String) -> Result<String, String> {
    use kirc_core::node::{CHANNEL, CHANNEL_LEN};
    let Some((before, after)) = text.split_once(CHANNEL) else {
        return topic(text);
    };
    if before.is_empty() || after.contains(CHANNEL) {
        let why = "has {channel} once, behind something: rights are given by how the names begin";
        return Err(format!(
            "\"{text}\" is no name for the channels' topics, which {why}, as data-out-{{channel}}"
        ));
    }
    match topic(text.replace(CHANNEL, &"x".repeat(CHANNEL_LEN))) {
        Ok(_) => Ok(text),
        Err(_) => Err(format!(
            "\"{text}\" gives no names for topics: letters, digits, dot, dash and underscore, and 249 of them at the most with the 32 of a channel"
        )),
    }
}

/// What Kafka takes as the name of a topic.
fn topic(text: String) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    match text.len() {
        1..=249 if text.chars().all(fits) => Ok(text),
        _ => Err(format!("\"{text}\" is no name for a topic: letters, digits, dot, dash and underscore")),
    }
}

fn between(span: Span, least: Millis, most: Millis) -> Result<Millis, String> {
    use super::duration_text as text;
    if (least..=most).contains(&span.0) {
        Ok(span.0)
    } else {
        Err(format!("{} is not between {} and {}", text(span.0), text(least), text(most)))
    }
}

fn read<T: FromText>(
    sources: &Sources,
    mistakes: &mut Vec<Mistake>,
    name: &'static str,
    default: &str,
    secret: bool,
) -> Option<T> {
    let text = sources.get(name).map_or(default, |(text, _)| text);
    match T::from_text(text) {
        Ok(value) => Some(value),
        Err(why) => {
            let why = if secret { "its value can't be used".to_owned() } else { why };
            mistake(sources, mistakes, name, why);
            None
        }
    }
}

fn mistake(sources: &Sources, mistakes: &mut Vec<Mistake>, name: &'static str, why: String) {
    let origin = sources.get(name).map_or(super::Origin::Default, |(_, origin)| origin);
    mistakes.push(Mistake { what: format!("{name} (from {})", origin.text()), why });
}

/// The text of `.env.example`: every setting with its doc comment and its default, commented out.
pub fn example() -> String {
    let mut out = String::from(
        "# Settings of kirc. Copy this to .env (or let `kirc setup` write one) and change what you like.\n\
         # A flag wins over the environment, the environment over this file, this file over the default shown.\n\
         # Made from src/config/settings.rs; a test compares.\n",
    );
    for setting in TABLE {
        out.push('\n');
        for line in setting.comment().lines() {
            out.push_str(&format!("# {line}\n"));
        }
        out.push_str(&format!("#{}={}\n", setting.name, setting.default));
    }
    out
}
