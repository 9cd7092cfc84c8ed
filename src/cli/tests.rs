//! Tests the definition of the command line: it is valid, everything has a help text, and every
//! example in the help can be parsed.

use clap::CommandFactory;

use super::*;

/// Every command, with its full name.
fn all(command: &clap::Command, found: &mut Vec<clap::Command>) {
    found.push(command.clone());
    for sub in command.get_subcommands().filter(|c| c.get_name() != "help") {
        all(sub, found);
    }
}

fn commands() -> Vec<clap::Command> {
    let mut root = Cli::command();
    root.build();
    let mut found = Vec::new();
    all(&root, &mut found);
    found
}

#[test]
fn the_definition_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_and_flag_has_a_text_and_every_command_examples() {
    for command in commands() {
        let name = command.get_bin_name().unwrap_or_default().to_owned();
        assert!(command.get_about().is_some(), "{name} has no text");
        let examples = command.get_after_help().map(ToString::to_string);
        assert!(examples.is_some_and(|e| e.starts_with("Examples:\n  ")), "{name} has no examples");
        for arg in command.get_arguments() {
            assert!(arg.get_help().is_some(), "{name} {} has no text", arg.get_id());
        }
    }
}

#[test]
fn every_example_of_the_help_can_be_parsed() {
    let mut count = 0;
    for command in commands() {
        let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        for line in text.lines().filter(|l| l.starts_with("  ")) {
            let Some(at) = line.find("kirc") else {
                continue;
            };
            let line = line[at..].split(" | ").next().unwrap_or("");
            let line = line.split(" > ").next().unwrap_or("");
            let line = line.split(" 2>> ").next().unwrap_or("");
            let line = line.split(" < ").next().unwrap_or("");
            // Behind several blanks stands an explanation.
            let line = line.split("    ").next().unwrap_or("");
            let words = words(line);
            if let Err(error) = Cli::try_parse_from(&words) {
                panic!("{words:?}: {error}");
            }
            count += 1;
        }
    }
    assert!(count > 40, "{count}");
}

/// Splits at blanks outside quotes.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '\'' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ' ' if !quoted => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[test]
fn no_secret_can_be_given_on_the_command_line() {
    for command in commands() {
        for arg in command.get_arguments() {
            let name = arg.get_id().as_str();
            assert!(!name.contains("password") && name != "passphrase", "{name}");
        }
    }
}

#[test]
fn completions_for_every_shell_name_every_subcommand() {
    use clap::ValueEnum;
    for shell in clap_complete::Shell::value_variants() {
        let mut script = Vec::new();
        clap_complete::generate(*shell, &mut definition(), "kirc", &mut script);
        let script = String::from_utf8(script).unwrap();
        for name in ["setup", "pipe", "doctor", "completions"] {
            assert!(script.contains(name), "{shell}: {name}");
        }
    }
}

#[test]
fn the_man_page_has_every_subcommand() {
    let mut page = Vec::new();
    man::render(&mut page).unwrap();
    let page = String::from_utf8(page).unwrap();
    assert!(page.contains(".TH kirc 1"));
    for command in commands() {
        let name = command.get_bin_name().unwrap_or("kirc").to_uppercase();
        if name != "KIRC" {
            assert!(page.contains(&format!(".SH \"{name}\"")), "{name}");
        }
    }
}
