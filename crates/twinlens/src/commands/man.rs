//! `man`: manual pages, for packagers.

use crate::exit::{Exit, Failure, Outcome};
use crate::terminal::Terminal;

/// Arguments of `man`.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  twinlens man > twinlens.1
  twinlens man doctor > twinlens-doctor.1
  twinlens man data fetch > twinlens-data-fetch.1")]
pub struct ManArgs {
    /// The verb, and the verb below it; without any, the page of the whole program
    #[arg(value_name = "VERB")]
    pub verbs: Vec<String>,
}

/// Prints the page of `command` or of a verb below it, in roff.
///
/// # Errors
/// When there is no such verb, or stdout cannot be written.
pub fn run(args: &ManArgs, mut command: clap::Command, terminal: &Terminal) -> Outcome {
    // Builds the names of the subcommands' pages.
    command.build();
    let mut command = &command;
    for verb in &args.verbs {
        command = command
            .find_subcommand(verb)
            .ok_or_else(|| Failure::message(Exit::Usage, format!("there is no verb `{verb}`")))?;
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone())
        .render(&mut page)
        .map_err(|error| Failure::new(Exit::Failed, error))?;
    terminal.print(&String::from_utf8_lossy(&page))
}
