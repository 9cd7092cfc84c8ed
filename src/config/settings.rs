//! The table of settings. The doc comment of a field is its text in `.env.example` and in `kirc setup`'s file.
//!
//! It owns names, defaults and kinds. It may not know where a value came from beyond naming it in a mistake.

use std::path::PathBuf;

use kirc_core::ids::Millis;
use kirc_core::names::Nick;

use super::parse::{FromText, Span};
use super::{Mistake, Secret, Sources};

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
    /// The name that others see. Letters, digits and -_[]\`^{}| (30 at the most); it need not be unique.
    nick: Option<Nick> = "KIRC_NICK", "";
    /// The folder of the embedded grid, on which the nodes of this machine meet. Empty: the folder "grid" in the data folder.
    grid: Option<PathBuf> = "KIRC_GRID", "";
    /// The passphrase of the key file, for starts without a terminal. Who can read this file can then use the keys:
    /// better leave it empty and answer the prompt.
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
    /// What is logged: error, warn, info, debug or trace, also per part ("info,kirc::driver=debug"). Never what people say.
    log: String = "KIRC_LOG", "info", via String, |text| match text.parse::<tracing_subscriber::filter::EnvFilter>() {
        Ok(_) => Ok(text),
        Err(_) => Err(format!("\"{text}\" is no log level such as info or info,kirc=debug")),
    };
    /// How log lines of `kirc node` look: text or json.
    log_format: LogFormat = "KIRC_LOG_FORMAT", "text";
    /// How long `kirc pipe` and `kirc send` wait at the end until all they sent is settled.
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
