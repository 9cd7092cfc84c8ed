//! The table of commands.
//!
//! Owns: names, arguments, help. Must not: implement commands; the module of each group does.
use super::{Allowed, Arg, ArgKind, Args, Command, Completer, Context};
use super::{channel, people, screen, talk};

const CHANNEL: Arg = arg("#CHANNEL", ArgKind::Channel, Completer::Channel);
const NICK: Arg = arg("NICK", ArgKind::Word, Completer::Nick);
const NICKS: Arg = arg("NICK", ArgKind::Words, Completer::Nick);
const REASON: Arg = arg("REASON", ArgKind::Rest, Completer::None);
const TEXT: Arg = arg("TEXT", ArgKind::Text, Completer::Nick);

const fn arg(name: &'static str, kind: ArgKind, completer: Completer) -> Arg {
    Arg { name, kind, completer }
}

type Run = fn(&mut Context<'_>, Args) -> Result<(), String>;

const fn command(name: &'static str, args: &'static [Arg], help: &'static str, run: Run) -> Command {
    Command { name, aliases: &[], args, help, allowed: Allowed::Anywhere, run }
}

const fn alias(aliases: &'static [&'static str], mut command: Command) -> Command {
    command.aliases = aliases;
    command
}

const fn talk_only(mut command: Command) -> Command {
    command.allowed = Allowed::Talk;
    command
}

static TABLE: &[Command] = &[
    alias(
        &["j"],
        command(
            "join",
            &[
                arg("#CHANNEL", ArgKind::Word, Completer::Channel),
                arg("KEY", ArgKind::Maybe, Completer::None),
            ],
            "enter a channel; it is founded if there is none",
            channel::join,
        ),
    ),
    alias(
        &["leave"],
        command("part", &[CHANNEL, REASON], "leave a channel; its buffer stays", channel::part),
    ),
    command("msg", &[NICK, TEXT], "say something to somebody, without going there", talk::msg),
    alias(
        &["q"],
        command(
            "query",
            &[NICK, arg("TEXT", ArgKind::Rest, Completer::Nick)],
            "open a conversation",
            talk::query,
        ),
    ),
    talk_only(command("me", &[TEXT], "say what you do", talk::me)),
    command("nick", &[arg("NICK", ArgKind::Word, Completer::None)], "take another nick", people::nick),
    alias(
        &["t"],
        command(
            "topic",
            &[CHANNEL, arg("TEXT", ArgKind::Rest, Completer::None)],
            "show the topic, set it, or clear it (-clear)",
            channel::topic,
        ),
    ),
    command(
        "mode",
        &[CHANNEL, arg("MODES", ArgKind::Rest, Completer::Nick)],
        "show or change modes: /mode +o bob",
        channel::mode,
    ),
    command("op", &[CHANNEL, NICKS], "make operators", channel::op),
    command("deop", &[CHANNEL, NICKS], "take operators back", channel::deop),
    command("voice", &[CHANNEL, NICKS], "give voice", channel::voice),
    command("devoice", &[CHANNEL, NICKS], "take voice back", channel::devoice),
    alias(&["k"], command("kick", &[CHANNEL, NICK, REASON], "remove somebody", channel::kick)),
    command(
        "ban",
        &[CHANNEL, arg("NICK|MASK", ArgKind::Maybe, Completer::Nick)],
        "keep somebody out; alone: show the bans",
        channel::ban,
    ),
    command(
        "unban",
        &[CHANNEL, arg("NICK|MASK", ArgKind::Word, Completer::Nick)],
        "let somebody in again",
        channel::unban,
    ),
    command(
        "invite",
        &[NICK, arg("#CHANNEL", ArgKind::Maybe, Completer::Channel)],
        "invite somebody into a channel",
        channel::invite,
    ),
    alias(&["n"], command("names", &[CHANNEL], "show who is in a channel", channel::names)),
    alias(&["wi"], command("whois", &[NICK], "show who somebody is", people::whois)),
    command("list", &[], "show the channels that there are", channel::list),
    command("away", &[arg("TEXT", ArgKind::Rest, Completer::None)], "say that you are away", people::away),
    command("back", &[], "say that you are here again", people::back),
    command("rotate", &[CHANNEL], "give a channel a new key", channel::rotate),
    command(
        "verify",
        &[NICK, arg("confirm|revoke", ArgKind::Rest, Completer::Words(&["confirm", "revoke"]))],
        "compare fingerprints; then confirm",
        people::verify,
    ),
    alias(
        &["contacts"],
        command(
            "contact",
            &[
                arg("ACTION", ArgKind::Maybe, Completer::Words(people::CONTACT_WORDS)),
                arg("NICK", ArgKind::Maybe, Completer::Nick),
            ],
            "contacts: list, show, accept, reject, remove",
            people::contact,
        ),
    ),
    command(
        "profile",
        &[
            arg("ACTION", ArgKind::Maybe, Completer::Words(people::PROFILE_WORDS)),
            arg("VALUE", ArgKind::Rest, Completer::Nick),
        ],
        "profiles: show, set FIELD TEXT, private FIELD TEXT, publish, find NICK",
        people::profile,
    ),
    command("clear", &[], "empty this buffer's screen", screen::clear),
    alias(&["wc"], command("close", &[], "close this buffer; a channel is left", screen::close)),
    alias(
        &["h"],
        command(
            "help",
            &[arg("COMMAND", ArgKind::Maybe, Completer::Command)],
            "commands, keys and signs",
            screen::help,
        ),
    ),
    alias(&["exit"], command("quit", &[REASON], "leave kirc", screen::quit)),
];

/// All commands, in the order of the help.
pub fn table() -> &'static [Command] {
    TABLE
}
