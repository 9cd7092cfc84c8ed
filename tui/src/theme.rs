//! Style roles and their appearance, as tables.
//!
//! Owns: every style. Must not: be the only carrier of a meaning; the mono table has no colours at
//! all.
use ratatui::style::{Color, Modifier, Style};

/// What a piece of the screen is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // Named after what they are.
pub enum Role {
    Text,
    Dim,
    Bar,
    BarName,
    BarDim,
    BarWarn,
    Alarm,
    Frame,
    Event,
    Error,
    OwnNick,
    Mention,
    Pending,
    Settled,
    Failed,
    Marker,
    Day,
    Link,
    Unread,
    UnreadMention,
    Current,
    Rank,
    Prompt,
    Placeholder,
    LayerFrame,
    LayerTitle,
    Head,
    Key,
    Chosen,
}

/// How everything looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Theme {
    mono: bool,
}

const NONE: Modifier = Modifier::empty();
const BOLD: Modifier = Modifier::BOLD;
const DIM: Modifier = Modifier::DIM;
const REVERSED: Modifier = Modifier::REVERSED;
const UNDERLINED: Modifier = Modifier::UNDERLINED;
const NO: Color = Color::Reset;

/// Colours that read on dark and on light ground.
const NICKS: [Color; 12] = [
    Color::Indexed(33),
    Color::Indexed(71),
    Color::Indexed(172),
    Color::Indexed(134),
    Color::Indexed(37),
    Color::Indexed(168),
    Color::Indexed(101),
    Color::Indexed(68),
    Color::Indexed(136),
    Color::Indexed(30),
    Color::Indexed(140),
    Color::Indexed(167),
];

const GREY: Color = Color::Indexed(244);
const BAR: Color = Color::Indexed(236);
const LIGHT: Color = Color::Indexed(252);
const ACCENT: Color = Color::Indexed(37);
const GOLD: Color = Color::Indexed(172);
const RED: Color = Color::Indexed(167);

impl Theme {
    /// The theme in colours, or the one of modifiers only.
    pub fn new(mono: bool) -> Self {
        Self { mono }
    }

    /// How a role looks.
    pub fn style(self, role: Role) -> Style {
        let (fg, bg, modifier) = if self.mono { (NO, NO, mono(role)) } else { colour(role) };
        let mut style = Style::new().add_modifier(modifier);
        if fg != NO {
            style = style.fg(fg);
        }
        if bg != NO {
            style = style.bg(bg);
        }
        style
    }

    /// How a nick looks: always the same for the same name.
    pub fn nick(self, nick: &str) -> Style {
        if self.mono {
            return Style::new().add_modifier(BOLD);
        }
        let hash = crate::names::fold(nick)
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
        let at = usize::try_from((hash >> 32) % 12).unwrap_or(0);
        Style::new().fg(NICKS[at])
    }
}

fn colour(role: Role) -> (Color, Color, Modifier) {
    match role {
        Role::Text => (NO, NO, NONE),
        Role::Dim | Role::Placeholder | Role::Settled => (GREY, NO, NONE),
        Role::Bar => (LIGHT, BAR, NONE),
        Role::BarName => (Color::Indexed(80), BAR, BOLD),
        Role::BarDim => (Color::Indexed(246), BAR, NONE),
        Role::BarWarn => (Color::Indexed(215), BAR, BOLD),
        Role::Alarm => (Color::Indexed(231), Color::Indexed(160), BOLD),
        Role::Frame => (Color::Indexed(240), NO, NONE),
        Role::Event => (GREY, NO, NONE),
        Role::Error | Role::Failed => (RED, NO, BOLD),
        Role::OwnNick => (ACCENT, NO, BOLD),
        Role::Mention => (GOLD, NO, BOLD),
        Role::Pending => (GOLD, NO, NONE),
        Role::Marker => (RED, NO, NONE),
        Role::Day => (GREY, NO, NONE),
        Role::Link => (Color::Indexed(68), NO, UNDERLINED),
        Role::Unread => (NO, NO, BOLD),
        Role::UnreadMention => (GOLD, NO, BOLD),
        Role::Current => (LIGHT, BAR, BOLD),
        Role::Rank => (Color::Indexed(71), NO, NONE),
        Role::Prompt => (ACCENT, NO, BOLD),
        Role::LayerFrame => (ACCENT, NO, NONE),
        Role::LayerTitle => (ACCENT, NO, BOLD),
        Role::Head => (GOLD, NO, BOLD),
        Role::Key => (ACCENT, NO, NONE),
        Role::Chosen => (LIGHT, BAR, BOLD),
    }
}

fn mono(role: Role) -> Modifier {
    match role {
        Role::Bar | Role::BarDim | Role::Chosen | Role::Current => REVERSED,
        Role::BarName | Role::BarWarn => REVERSED.union(BOLD),
        Role::Alarm => REVERSED.union(BOLD).union(UNDERLINED),
        Role::Dim | Role::Placeholder | Role::Frame | Role::Event | Role::Settled | Role::Day => DIM,
        Role::Error | Role::Failed | Role::OwnNick | Role::Head | Role::LayerTitle => BOLD,
        Role::Mention | Role::UnreadMention => BOLD.union(UNDERLINED),
        Role::Unread | Role::Prompt | Role::Key | Role::Marker | Role::Rank | Role::Pending => BOLD,
        Role::Link => UNDERLINED,
        Role::Text | Role::LayerFrame => NONE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mono_has_no_colours() {
        let theme = Theme::new(true);
        for role in [Role::Bar, Role::Alarm, Role::Link, Role::Mention, Role::Current, Role::Failed] {
            let style = theme.style(role);
            assert_eq!((style.fg, style.bg), (None, None));
            assert!(!style.add_modifier.is_empty());
        }
        assert_eq!(theme.nick("alice").fg, None);
    }

    #[test]
    fn a_nick_keeps_its_colour() {
        let theme = Theme::new(false);
        assert_eq!(theme.nick("Alice"), theme.nick("alice"));
    }
}
