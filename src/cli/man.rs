//! `kirc man`: the man page, generated from the definition of the command line; it covers all
//! subcommands.

use std::io::{self, Write};

use clap::Args;
use clap_mangen::Man;

use super::{Failure, Outcome};

const EXAMPLES: &str = "\
Examples:
  kirc man | man -l -
  kirc man > ~/.local/share/man/man1/kirc.1";

/// Flags of `kirc man`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ManArgs {}

/// Runs it.
pub fn run(_: &ManArgs) -> Outcome {
    let failed = |e: io::Error| Failure::failed(format!("the man page can't be made: {e}"));
    let mut page = Vec::new();
    render(&mut page).map_err(failed)?;
    super::show::say(&String::from_utf8_lossy(&page))
}

/// Writes the page.
pub fn render(out: &mut dyn Write) -> io::Result<()> {
    let mut command = super::definition().disable_help_subcommand(true);
    command.build();
    let main = Man::new(command.clone());
    main.render_title(out)?;
    main.render_name_section(out)?;
    main.render_synopsis_section(out)?;
    main.render_description_section(out)?;
    main.render_options_section(out)?;
    for sub in command.get_subcommands().filter(|c| c.get_name() != "help") {
        section(sub, out)?;
        for inner in sub.get_subcommands().filter(|c| c.get_name() != "help") {
            section(inner, out)?;
        }
    }
    main.render_extra_section(out)?;
    main.render_version_section(out)
}

/// A subcommand: its synopsis, text and options, as one section.
fn section(command: &clap::Command, out: &mut dyn Write) -> io::Result<()> {
    let name = command.get_bin_name().unwrap_or(command.get_name()).to_uppercase();
    let own = command.clone().mut_args(|arg| if arg.is_global_set() { arg.hide(true) } else { arg });
    let man = Man::new(own);
    let mut text = Vec::new();
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    man.render_extra_section(&mut text)?;
    let text = String::from_utf8_lossy(&text).replace("\n.SH ", "\n.SS ");
    let text = match text.strip_prefix(".SH ") {
        Some(rest) => format!(".SS {rest}"),
        None => text,
    };
    write!(out, ".SH \"{name}\"\n{text}")
}
