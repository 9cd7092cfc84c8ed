//! The mode letters: their kind, who may set them and the form of their parameters; and the IRC
//! syntax for them.
//!
//! It knows no channel. `policy` defines how a mode affects an act; `apply` defines what setting a
//! mode changes.
use serde::{Deserialize, Serialize};

use super::Refusal;
use crate::ids::UserId;
use crate::numeric as num;
use crate::{limits, mask};

/// A change of one mode.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModeChange {
    /// Plus or minus.
    pub add: bool,
    /// The letter.
    pub letter: char,
    /// Its parameter: an actor id for ranks, a mask, a key, a limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub param: Option<String>,
}

impl ModeChange {
    /// A change; an empty parameter counts as none.
    pub fn new(add: bool, letter: char, param: &str) -> Self {
        Self { add, letter, param: (!param.is_empty()).then(|| param.to_owned()) }
    }
}

/// A rank, lowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Rank {
    /** v, `+` */
    Voice,
    /** h, `%` */
    Halfop,
    /** o, `@` */
    Op,
    /** a, `&` */
    Admin,
    /** q, `~` */
    Owner,
}

impl Rank {
    /// All ranks, highest first.
    pub const ALL: [Self; 5] = [Self::Owner, Self::Admin, Self::Op, Self::Halfop, Self::Voice];

    /// Its mode letter.
    pub fn letter(self) -> char {
        match self {
            Self::Voice => 'v',
            Self::Halfop => 'h',
            Self::Op => 'o',
            Self::Admin => 'a',
            Self::Owner => 'q',
        }
    }

    /// The sign in front of a nick.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Voice => "+",
            Self::Halfop => "%",
            Self::Op => "@",
            Self::Admin => "&",
            Self::Owner => "~",
        }
    }

    /// The rank of a mode letter.
    pub fn of_letter(letter: char) -> Option<Self> {
        Self::ALL.into_iter().find(|r| r.letter() == letter)
    }

    /// The lowest rank that may give or take this one.
    pub fn giver(self) -> Self {
        match self {
            Self::Voice => Self::Halfop,
            Self::Halfop | Self::Op => Self::Op,
            Self::Admin | Self::Owner => Self::Owner,
        }
    }
}

/// The kind of a mode letter. It decides whether the mode takes a parameter, and which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModeKind {
    /// On or off.
    Flag,
    /// `k`: text.
    Key,
    /// `l`: a number to set, no parameter to unset.
    Limit,
    /// `b`, `e`, `I`: masks.
    List,
    /// `q a o h v`: a member.
    Rank(Rank),
}

/// The modes that are on or off, in display order.
pub(super) const FLAGS: [char; 10] = ['i', 'm', 'n', 'p', 's', 't', 'r', 'E', 'R', 'Z'];
/// The lists of masks: bans, exceptions to bans, exceptions to `+i`.
pub(super) const LISTS: [char; 3] = ['b', 'e', 'I'];

impl ModeKind {
    /// The kind of a letter, if the letter is known.
    pub fn of(letter: char) -> Option<Self> {
        Some(match letter {
            'k' => Self::Key,
            'l' => Self::Limit,
            _ if FLAGS.contains(&letter) => Self::Flag,
            _ if LISTS.contains(&letter) => Self::List,
            _ => Self::Rank(Rank::of_letter(letter)?),
        })
    }

    /// Whether setting or unsetting takes a parameter.
    pub fn has_param(self, add: bool) -> bool {
        match self {
            Self::Flag => false,
            Self::Key | Self::Limit => add,
            Self::List | Self::Rank(_) => true,
        }
    }
}

/// The lowest rank that may set or unset a mode other than a rank.
pub(super) fn setter(letter: char) -> Rank {
    match letter {
        'r' => Rank::Owner,
        'p' | 's' | 'R' | 'Z' | 'E' => Rank::Op,
        _ => Rank::Halfop,
    }
}

/// Checks the form of a mode's parameter; returns what is wrong with it, if anything.
pub(super) fn param_error(kind: ModeKind, add: bool, param: Option<&str>) -> Option<String> {
    if !kind.has_param(add) {
        return None;
    }
    let Some(param) = param.filter(|p| !p.is_empty()) else {
        return Some("That mode needs a parameter".to_owned());
    };
    match kind {
        ModeKind::Flag => None,
        ModeKind::Key if param.len() > limits::KEY => {
            Some(format!("A key has at most {} bytes", limits::KEY))
        }
        ModeKind::Key => (param.starts_with(':') || !is_word(param) || param.contains(','))
            .then(|| "A key has no spaces or commas in it and does not start with a colon".to_owned()),
        ModeKind::Limit => {
            parse_limit(param).is_none().then(|| "The limit is a whole number from 1 up".to_owned())
        }
        ModeKind::List => {
            let whole = mask::normalise(param);
            if whole.len() > limits::MASK {
                Some(format!("A mask has at most {} bytes", limits::MASK))
            } else {
                // Nothing else is in what it is compared with.
                let fits = whole.bytes().all(|b| b.is_ascii_graphic()) && !whole.starts_with(':');
                (!fits)
                    .then(|| "A mask looks like nick!actor@cluster, with * and ?, without spaces".to_owned())
            }
        }
        ModeKind::Rank(_) => UserId::parse(param).err().map(|_| "That mode needs a member".to_owned()),
    }
}

/// The number of `+l`.
pub(super) fn parse_limit(param: &str) -> Option<u32> {
    param.parse().ok().filter(|limit| *limit > 0)
}

/// Whether a text is a single word that fits in an IRC line.
fn is_word(text: &str) -> bool {
    !text.chars().any(|c| c.is_whitespace() || c.is_control())
}

/// What a MODE command asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ModeRequest {
    /// The requested changes.
    pub changes: Vec<ModeChange>,
    /// The lists to show: letters of list modes without a mask.
    pub lists: Vec<char>,
}

/// Reads IRC's `+ov-b nick1 nick2 mask`. `resolve` finds the actor of a nick; an actor id resolves
/// to itself.
///
/// Only the first argument holds letters. Surplus parameters are ignored, as IRC servers do. `-k`
/// takes a parameter if there is one, because clients send one.
pub fn parse_mode_args(
    args: &[String],
    resolve: impl Fn(&str) -> Option<UserId>,
) -> Result<ModeRequest, Refusal> {
    parse_for("*", args, resolve)
}

/// Like [`parse_mode_args`], with refusals that name the channel.
pub(super) fn parse_for(
    channel: &str,
    args: &[String],
    resolve: impl Fn(&str) -> Option<UserId>,
) -> Result<ModeRequest, Refusal> {
    let mut out = ModeRequest::default();
    let Some((letters, params)) = args.split_first() else {
        return Ok(out);
    };
    let (mut params, mut add, mut with_param) = (params.iter(), true, 0);
    for letter in letters.chars() {
        if letter == '+' || letter == '-' {
            add = letter == '+';
            continue;
        }
        let kind = ModeKind::of(letter).ok_or_else(|| unknown_mode(letter))?;
        let given = match kind {
            ModeKind::Key => params.next(),
            _ if kind.has_param(add) => params.next(),
            _ => None,
        };
        if kind == ModeKind::List && given.is_none() {
            if !out.lists.contains(&letter) {
                out.lists.push(letter);
            }
            continue;
        }
        let mut change = ModeChange { add, letter, param: None };
        if kind.has_param(add) {
            with_param += 1;
            let given = given.map_or("", String::as_str);
            change.param = Some(match kind {
                ModeKind::Rank(_) if !given.is_empty() => resolve(given)
                    .or_else(|| UserId::parse(given).ok())
                    .ok_or_else(|| nobody(channel, given))?
                    .to_string(),
                // Nothing is no mask: made whole it would be everybody.
                ModeKind::List if given.trim().is_empty() => String::new(),
                ModeKind::List => mask::normalise(given),
                _ => given.to_owned(),
            });
            if let Some(why) = param_error(kind, add, change.param.as_deref()) {
                return Err(bad_param(channel, letter, given, &why));
            }
        }
        if with_param > limits::MODES || out.changes.len() == limits::MODE_LETTERS {
            let why = format!(
                "One MODE changes at most {} modes, {} of them with a parameter",
                limits::MODE_LETTERS,
                limits::MODES
            );
            return Err(bad_param(channel, letter, given.map_or("", String::as_str), &why));
        }
        out.changes.push(change);
    }
    Ok(out)
}

fn nobody(channel: &str, nick: &str) -> Refusal {
    if channel == "*" {
        Refusal::new(num::ERR_NOSUCHNICK, &[nick], "")
    } else {
        let text = format!("{nick} is not on {channel}");
        Refusal::new(num::ERR_USERNOTINCHANNEL, &[nick, channel], &text)
    }
}

/// Numeric 472: unknown mode.
pub(super) fn unknown_mode(letter: char) -> Refusal {
    let mut shown = [0; 4];
    Refusal::new(num::ERR_UNKNOWNMODE, &[letter.encode_utf8(&mut shown)], "")
}

/// Numeric 696: invalid parameter. A parameter that would break a line is shown as `*`.
pub(super) fn bad_param(channel: &str, letter: char, param: &str, why: &str) -> Refusal {
    let mut shown = [0; 4];
    let fits = !param.is_empty() && is_word(param) && !param.starts_with(':');
    Refusal::new(
        num::ERR_INVALIDMODEPARAM,
        &[channel, letter.encode_utf8(&mut shown), if fits { param } else { "*" }],
        why,
    )
}

/// Changes in IRC's notation: `+ov-b` and the parameters. `nick_of` turns an actor id into the name
/// to show.
pub fn render_modes(
    changes: &[ModeChange],
    nick_of: impl Fn(&UserId) -> Option<String>,
) -> (String, Vec<String>) {
    let (mut letters, mut params, mut sign) = (String::new(), Vec::new(), None);
    for change in changes {
        if sign != Some(change.add) {
            letters.push(if change.add { '+' } else { '-' });
            sign = Some(change.add);
        }
        letters.push(change.letter);
        let Some(param) = &change.param else { continue };
        let nick = match ModeKind::of(change.letter) {
            Some(ModeKind::Rank(_)) => UserId::parse(param).ok().and_then(|id| nick_of(&id)),
            _ => None,
        };
        params.push(nick.unwrap_or_else(|| param.clone()));
    }
    (letters, params)
}
