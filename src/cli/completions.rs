//! `kirc completions`: a completion script, generated from the definition of the command line.

use clap::Args;
use clap_complete::Shell;

use super::Outcome;

const EXAMPLES: &str = "\
Examples:
  kirc completions bash > ~/.local/share/bash-completion/completions/kirc
  kirc completions zsh > ~/.zfunc/_kirc
  kirc completions fish > ~/.config/fish/completions/kirc.fish";

/// Flags of `kirc completions`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

/// Runs it.
pub fn run(args: &CompletionsArgs) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::definition(), "kirc", &mut script);
    super::show::say(&String::from_utf8_lossy(&script))
}
