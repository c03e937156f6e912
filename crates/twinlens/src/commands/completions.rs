//! `completions`: scripts for shells.

use clap::builder::PossibleValuesParser;
use clap::{Arg, Command};
use clap_complete::Shell;
use twinlens_lab::catalogue::{self, PublicSet};
use twinlens_lab::{BUNDLED, choices};
use twinlens_views::presets;

use super::bench;
use crate::exit::{Exit, Failure, Outcome};
use crate::terminal::Terminal;
use crate::usage::{OVERRIDES, keys};

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
pub fn run(args: &CompletionsArgs, command: Command, terminal: &Terminal) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut with_choices(command), "twinlens", &mut script);
    let script = String::from_utf8(script).map_err(|error| Failure::new(Exit::Failed, error))?;
    terminal.print(&sets_beside_files(&script, args.shell))
}

/// The command with what may be chosen by name where its parser takes any text: presets, policies, public data sets, settings,
/// cases.
fn with_choices(command: Command) -> Command {
    let verb = command.get_name().to_owned();
    let settings = || keys(&verb).into_iter().map(|key| key + "=");
    let with = |arg: Arg| match arg.get_long() {
        Some("preset") => chosen(arg, choices::all_recipes().iter().map(|(name, _)| (*name).to_owned())),
        Some("policy") => chosen(arg, presets::PRESETS.iter().map(|(name, _)| (*name).to_owned())),
        Some("case") => chosen(arg, bench::cases().iter().map(|case| case.name().to_owned())),
        Some("data") => chosen(arg, sets().into_iter()),
        Some("set") => chosen(arg, settings()),
        None if arg.get_id() == OVERRIDES => chosen(arg, settings()),
        _ => arg,
    };
    command.mut_args(with).mut_subcommands(with_choices)
}

fn chosen(arg: Arg, names: impl Iterator<Item = String>) -> Arg {
    // They live as long as the program, which ends once the script is printed.
    arg.value_parser(PossibleValuesParser::new(names.map(|name| &*name.leak())))
}

/// The names of data sets that need no path.
fn sets() -> Vec<String> {
    let public = catalogue::sets().iter().flat_map(PublicSet::editions).map(|edition| edition.name());
    std::iter::once(BUNDLED.to_owned()).chain(public).collect()
}

/// `--data` takes files too, which the script of a flag with choices does not offer.
fn sets_beside_files(script: &str, shell: Shell) -> String {
    let (sets, spaced) = (sets(), sets().join(" "));
    match shell {
        Shell::Bash => {
            let names = format!("$(compgen -W \"{spaced}\" -- \"${{cur}}\")");
            script.replace(&names, &format!("{names} $(compgen -f -- \"${{cur}}\")"))
        }
        Shell::Zsh => {
            let start = "autoload -U is-at-least\n";
            let both = format!(
                "{start}\n_twinlens_data() {{\n    _alternative 'sets:public data set:({spaced})' 'files:file:_files'\n}}\n"
            );
            script.replace(&format!(":({spaced})"), ":_twinlens_data").replacen(start, &both, 1)
        }
        Shell::Fish => {
            let names: Vec<String> = sets.iter().map(|name| format!("{name}\\t''")).collect();
            let names = format!("-a \"{}\"", names.join("\n"));
            script.replace(&format!("-r -f {names}"), &format!("-r -F {names}"))
        }
        // The scripts of the others offer no values.
        _ => script.to_owned(),
    }
}
