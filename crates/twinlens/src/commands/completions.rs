//! `completions`: scripts for shells.

use clap_complete::Shell;

use crate::exit::{Exit, Failure, Outcome};
use crate::terminal::Terminal;

/// Arguments of `completions`.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  twinlens completions bash > ~/.local/share/bash-completion/completions/twinlens
  twinlens completions zsh > ~/.zfunc/_twinlens
  twinlens completions fish > ~/.config/fish/completions/twinlens.fish")]
pub struct CompletionsArgs {
    /// The shell
    pub shell: Shell,
}

/// Prints the script that completes `command`.
///
/// # Errors
/// When stdout cannot be written.
pub fn run(args: &CompletionsArgs, mut command: clap::Command, terminal: &Terminal) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "twinlens", &mut script);
    let script = String::from_utf8(script).map_err(|error| Failure::new(Exit::Failed, error))?;
    terminal.print(&script)
}
