//! The command line: verbs, help, and how an invocation is run.

use std::ffi::OsString;

use clap::builder::PossibleValuesParser;
use clap::error::ErrorKind;
use clap::{Arg, ColorChoice, Command as Clap, CommandFactory, FromArgMatches, Parser, Subcommand};
use twinlens_nn::encoders::ENCODERS;
use twinlens_ssl::methods::METHODS;

use crate::commands::settings::{USUAL, USUAL_TUNED};
use crate::commands::{
    bench, cluster, completions, config, data, doctor, embed, finetune, health, judge, knn, list, man,
    predict, pretrain, probe, quickstart, report, runs, spec, study, transfer, tsne, views, weights,
};
use crate::exit::{Exit, Outcome, show_backtraces};
use crate::invocation::Invocation;
use crate::terminal::{OutputArgs, Surroundings, Terminal, When};
use crate::usage::Mistake;

/// Learn image encoders without labels, and see what they learned.
#[derive(Debug, Parser)]
#[command(name = "twinlens", version = VERSION)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
    /// How to speak.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Learn from bundled blood cells, judge the result, write a report: the whole path in minutes
    Quickstart(quickstart::QuickstartArgs),
    /// Learn an encoder from images without labels
    Pretrain(Box<pretrain::PretrainArgs>),
    /// Teach an encoder classes, from many labels or few, and draw the curve
    Finetune(Box<finetune::FinetuneArgs>),
    /// Tell the classes of new images
    Predict(predict::PredictArgs),
    /// Judge an encoder by any protocol
    Judge(judge::JudgeVerbArgs),
    /// Judge an encoder by its nearest neighbours
    Knn(knn::KnnArgs),
    /// Judge an encoder by a linear classifier on frozen features
    Probe(probe::ProbeArgs),
    /// Judge an encoder on other data sets than it learned from
    Transfer(transfer::TransferArgs),
    /// Cluster features without labels, and see what the clusters hold
    Cluster(cluster::ClusterArgs),
    /// Measure the features themselves: rank, spectrum, alignment, uniformity, dimension
    Health(health::HealthArgs),
    /// Write the features of images to a file
    Embed(embed::EmbedArgs),
    /// Show what the encoder will see
    Views(Box<views::ViewsArgs>),
    /// Lay features out in the plane: t-SNE or PCA, through epochs, interactive
    Tsne(tsne::TsneArgs),
    /// Write the report of a run, or of several side by side
    Report(report::ReportArgs),
    /// Fetch public data sets, and look into any
    Data(data::DataArgs),
    /// Find past runs and how they went
    Runs(runs::RunsArgs),
    /// Make tables and figures: vary, repeat, judge, draw
    Study(study::StudyArgs),
    /// List what there is to choose from: methods, encoders, presets, formats and more
    List(list::ListArgs),
    /// Take encoders from other programs, and give them back
    Weights(weights::WeightsArgs),
    /// Show, check and describe settings
    Config(config::ConfigArgs),
    /// Time training steps, epochs, views and judging
    Bench(bench::BenchArgs),
    /// Tell what this machine can do, and how to begin with your images on it
    Doctor(doctor::DoctorArgs),
    /// Print a completion script for a shell
    Completions(completions::CompletionsArgs),
    /// Print a manual page
    Man(man::ManArgs),
}

/// The verbs in the order and under the headings of the help text.
const SECTIONS: &[(&str, &[&str])] = &[
    ("Learn", &["quickstart", "pretrain", "finetune"]),
    ("Judge", &["judge", "knn", "probe", "transfer", "cluster", "health", "embed", "predict"]),
    ("See", &["views", "tsne", "report", "data", "runs"]),
    ("Compare", &["study"]),
    ("Set up", &["list", "weights", "config", "bench", "doctor", "completions", "man"]),
];

const EXAMPLES: &str = "\
Examples:
  twinlens quickstart --out runs/quickstart                             The whole path in minutes
  twinlens pretrain --data cells.npz --method simclr --out runs/a       Learn from your images
  twinlens probe runs/a --data cells.npz                                Judge what was learned";

/// What `--version` tells.
const VERSION: &str =
    concat!(env!("CARGO_PKG_VERSION"), " (commit ", env!("BUILD_COMMIT"), ", ", env!("BUILD_TARGET"), ")");

/// The whole command tree, with grouped verbs, examples first, and exit codes.
pub fn command() -> Clap {
    let mut command = with_usual(with_names(with_examples_first(Cli::command())));
    let sections = sections(&command);
    let codes: Vec<String> =
        Exit::MEANINGS.iter().map(|(exit, meaning)| format!("  {:<4}{meaning}", exit.code())).collect();
    let codes = format!("Exit codes:\n{}", codes.join("\n"));
    command = command.before_help(EXAMPLES).after_help(codes);
    let template = format!(
        "{{about}}\n\n{{before-help}}{{usage-heading}} {{usage}}\n\n{sections}Options:\n{{options}}{{after-help}}"
    );
    command.help_template(template)
}

/// The short help of an invocation without arguments.
pub fn short_help() -> String {
    let command = command();
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let sections = sections(&command);
    format!("{about}\n\n{EXAMPLES}\n\n{sections}`twinlens --help` and `twinlens VERB --help` tell more.\n")
}

fn with_examples_first(command: Clap) -> Clap {
    let template = "{about}\n\n{before-help}{usage-heading} {usage}\n\n{all-args}{after-help}";
    command.help_template(template).mut_subcommands(with_examples_first)
}

/// The defaults of flags that are settings: presets and files may change them, so that the flags themselves have none.
fn with_usual(command: Clap) -> Clap {
    let told = |usual: &str| {
        format!(
            "Unless said otherwise:\n  {usual}\n  A preset may say otherwise. `twinlens config show` tells every setting, and where \
             it comes from."
        )
    };
    command
        .mut_subcommand("pretrain", |verb| verb.after_help(told(USUAL)))
        .mut_subcommand("finetune", |verb| verb.after_help(told(USUAL_TUNED)))
}

/// Methods and encoders by name, for completions and for mistakes.
fn with_names(command: Clap) -> Clap {
    let named = |arg: Arg| match arg.get_long() {
        Some("method") => arg.value_parser(names(METHODS.iter().map(|spec| spec.id))),
        Some("encoder") => arg.value_parser(names(ENCODERS.iter().map(|spec| spec.id))),
        _ => arg,
    };
    command.mut_args(named).mut_subcommands(with_names)
}

fn names(ids: impl Iterator<Item = &'static str>) -> PossibleValuesParser {
    PossibleValuesParser::new(ids)
}

fn sections(command: &Clap) -> String {
    let mut text = String::new();
    for (heading, verbs) in SECTIONS {
        text += &format!("{heading}:\n");
        for verb in command.get_subcommands().filter(|verb| verbs.contains(&verb.get_name())) {
            let about = verb.get_about().map(ToString::to_string).unwrap_or_default();
            text += &format!("  {:<13}{about}\n", verb.get_name());
        }
        text.push('\n');
    }
    text
}

/// Runs one invocation and says how it ended.
pub fn run(invocation: &Invocation) -> Exit {
    let arguments = &invocation.arguments;
    let surroundings = Surroundings::of_process();
    let output = output_asked(arguments);
    let plain = Terminal::new(&output, &surroundings);
    if arguments.len() <= 1 {
        return ended(plain.print(&short_help()), &plain);
    }
    let when = output.color;
    let color =
        |terminal| if surroundings.color(when, terminal) { ColorChoice::Always } else { ColorChoice::Never };
    let parsed = command().color(color(surroundings.stderr_terminal)).try_get_matches_from(arguments);
    match parsed.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => {
            let terminal = Terminal::new(&cli.output, &surroundings);
            if cli.output.verbose > 1 {
                show_backtraces();
            }
            terminal.start_log();
            ended(execute(cli.verb, invocation, &terminal), &terminal)
        }
        Err(error) => refused(&error, arguments, &plain, (&surroundings, when)),
    }
}

/// Help and the version go to stdout, mistakes to stderr.
fn refused(
    error: &clap::Error,
    arguments: &[OsString],
    terminal: &Terminal,
    (surroundings, when): (&Surroundings, When),
) -> Exit {
    let page = |terminal: bool| {
        let text = error.render();
        if surroundings.color(when, terminal) { text.ansi().to_string() } else { text.to_string() }
    };
    if !error.use_stderr() {
        return ended(terminal.print(&page(surroundings.stdout_terminal)), terminal);
    }
    let command = command();
    let failure = Mistake::of(error, &command, arguments).told();
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        terminal.complain(&page(surroundings.stderr_terminal));
        terminal.fail(&failure);
    } else {
        terminal.failure(&failure);
    }
    Exit::Usage
}

/// How to speak, looked for before the command line is parsed, because mistakes in it are spoken of too.
fn output_asked(arguments: &[OsString]) -> OutputArgs {
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let color = color_asked(arguments);
    OutputArgs { color, json: has("--json"), json_lines: has("--json-lines"), ..OutputArgs::default() }
}

/// The value of `--color`.
fn color_asked(arguments: &[OsString]) -> When {
    let texts: Vec<&str> = arguments.iter().filter_map(|argument| argument.to_str()).collect();
    let apart = texts.windows(2).filter(|pair| pair[0] == "--color").map(|pair| pair[1]);
    let joined = texts.iter().filter_map(|text| text.strip_prefix("--color="));
    match apart.chain(joined).last() {
        Some("always") => When::Always,
        Some("never") => When::Never,
        _ => When::Auto,
    }
}

fn ended(outcome: Outcome, terminal: &Terminal) -> Exit {
    match outcome {
        Ok(()) => Exit::Success,
        Err(failure) => {
            terminal.failure(&failure);
            failure.exit()
        }
    }
}

fn execute(verb: Verb, invocation: &Invocation, terminal: &Terminal) -> Outcome {
    match verb {
        Verb::Quickstart(args) => quickstart::run(&args, invocation, terminal),
        Verb::Pretrain(args) => pretrain::run(&args, invocation, terminal),
        Verb::Finetune(args) => finetune::run(&args, invocation, terminal),
        Verb::Predict(args) => predict::run(&args, invocation, terminal),
        Verb::Judge(args) => judge::run(&args, terminal),
        Verb::Knn(args) => knn::run(&args, terminal),
        Verb::Probe(args) => probe::run(&args, terminal),
        Verb::Transfer(args) => transfer::run(&args, terminal),
        Verb::Cluster(args) => cluster::run(&args, terminal),
        Verb::Health(args) => health::run(&args, terminal),
        Verb::Embed(args) => embed::run(&args, terminal),
        Verb::Views(args) => views::run(&args, terminal),
        Verb::Tsne(args) => tsne::run(&args, terminal),
        Verb::Report(args) => report::run(&args, terminal),
        Verb::List(args) => list::run(&args, &list::all, terminal),
        Verb::Config(args) if args.is_of_finetuning() => config::run(&args, &spec::finetune_spec(), terminal),
        Verb::Config(args) => config::run(&args, &spec::spec(), terminal),
        Verb::Bench(args) => bench::run(&args, terminal),
        Verb::Data(args) => data::run(&args, terminal),
        Verb::Runs(args) => runs::run(&args, terminal),
        Verb::Study(args) => study::run(&args, invocation, terminal),
        Verb::Weights(args) => weights::run(&args, terminal),
        Verb::Doctor(args) => doctor::run(&args, invocation, terminal),
        Verb::Completions(args) => completions::run(&args, command(), terminal),
        Verb::Man(args) => man::run(&args, command(), terminal),
    }
}

#[cfg(test)]
mod tests {
    use twinlens_config::Request;

    use super::*;

    #[test]
    fn the_command_tree_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn every_verb_stands_under_one_heading() {
        let command = command();
        for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
            let headings = SECTIONS.iter().filter(|(_, verbs)| verbs.contains(&verb.get_name())).count();
            assert_eq!(headings, 1, "{}", verb.get_name());
        }
        for name in SECTIONS.iter().flat_map(|(_, verbs)| *verbs) {
            assert!(command.find_subcommand(name).is_some(), "{name}");
        }
    }

    /// The examples of all help texts.
    fn examples(command: &Clap, lines: &mut Vec<String>) {
        let text = command.get_before_help().map(ToString::to_string).unwrap_or_default();
        let lines_of = text.lines().filter_map(|line| line.trim().strip_prefix("twinlens "));
        // What a command does stands after two spaces or more.
        let lines_of = lines_of.map(|line| line.split("  ").next().unwrap_or_default());
        lines.extend(lines_of.map(|line| line.split(" > ").next().unwrap_or_default().to_owned()));
        command.get_subcommands().for_each(|command| examples(command, lines));
    }

    fn words(line: &str) -> impl Iterator<Item = &str> + Clone {
        std::iter::once("twinlens").chain(line.split_whitespace())
    }

    #[test]
    fn every_example_is_a_valid_command_line() {
        let mut lines = Vec::new();
        examples(&command(), &mut lines);
        assert!(lines.len() >= 3);
        for line in lines {
            assert!(command().try_get_matches_from(words(&line)).is_ok(), "{line}");
        }
    }

    #[test]
    fn the_settings_of_every_example_exist() {
        let mut lines = Vec::new();
        examples(&command(), &mut lines);
        let mut resolved = 0;
        for line in lines {
            let cli = Cli::try_parse_from(words(&line)).unwrap();
            // Files of settings and encoders are the reader's own.
            let own = |request: Request| Request { files: vec![], environment: vec![], ..request };
            let refused = match cli.verb {
                Verb::Pretrain(args) => spec::spec().resolve(&own(args.settings.request())).err(),
                Verb::Views(args) => spec::spec().resolve(&own(args.settings.request())).err(),
                Verb::Finetune(args) => {
                    let request = Request { sets: vec![], ..args.common.request() };
                    spec::finetune_spec().resolve(&own(request)).err()
                }
                Verb::Config(config::ConfigArgs { verb: config::ConfigVerb::Show(args) }) => {
                    spec::spec().resolve(&own(args.request())).err()
                }
                _ => continue,
            };
            assert!(refused.is_none(), "{line}: {}", refused.unwrap_or_default());
            resolved += 1;
        }
        assert!(resolved > 10, "{resolved}");
    }

    #[test]
    fn the_defaults_that_help_tells_are_those_of_the_settings() {
        let usual = |table: &toml::Table, request: Request| {
            assert!(request.flags.len() > 3);
            for flag in request.flags {
                let value = flag
                    .key
                    .split('.')
                    .try_fold(toml::Value::from(table.clone()), |value, key| value.get(key).cloned());
                assert_eq!(value, Some(flag.value), "{}", flag.name);
            }
        };
        let line = format!("pretrain --dry-run {USUAL}");
        let Verb::Pretrain(args) = Cli::try_parse_from(words(&line)).unwrap().verb else { panic!("{line}") };
        usual(&spec::spec().resolve(&Request::default()).unwrap().table, args.settings.request());
        let line = format!("finetune scratch --dry-run {USUAL_TUNED}");
        let Verb::Finetune(args) = Cli::try_parse_from(words(&line)).unwrap().verb else { panic!("{line}") };
        let preset = args.common.preset.clone();
        assert_eq!(preset.as_deref(), Some(twinlens_ssl::finetune::recipes::DEFAULT));
        let request = Request { preset, ..Request::default() };
        usual(&spec::finetune_spec().resolve(&request).unwrap().table, args.common.request());
    }

    #[test]
    fn a_flag_has_one_meaning_everywhere() {
        fn collect(command: &Clap, found: &mut std::collections::BTreeMap<String, String>) {
            for argument in command.get_arguments() {
                let Some(long) = argument.get_long() else { continue };
                let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
                let known = found.entry(long.to_owned()).or_insert_with(|| help.clone());
                assert_eq!(*known, help, "--{long} of {}", command.get_name());
            }
            command.get_subcommands().for_each(|command| collect(command, found));
        }
        collect(&command(), &mut std::collections::BTreeMap::new());
    }

    #[test]
    fn the_colour_flag_is_found_anywhere() {
        let asked = |line: &str| color_asked(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        assert_eq!(asked("twinlens doctor"), When::Auto);
        assert_eq!(asked("twinlens doctor --color never"), When::Never);
        assert_eq!(asked("twinlens --color=always doctor"), When::Always);
    }
}
