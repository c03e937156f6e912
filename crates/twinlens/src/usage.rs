//! Mistakes on the command line, told in the words in which wrong settings are told.

use std::ffi::OsString;
use std::num::{ParseFloatError, ParseIntError};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command as Clap};
use twinlens_config::{nearest, reference};
use twinlens_ssl::Settings;
use twinlens_ssl::finetune::FinetuneSettings;

use crate::exit::{Exit, Failure};

/// What other programs call flags and settings of this one.
const ALSO_CALLED: [(&str, &str); 21] = [
    ("amp", "precision"),
    ("arch", "encoder"),
    ("backbone", "encoder"),
    ("batch-size", "batch"),
    ("data-dir", "data"),
    ("data-path", "data"),
    ("dataset", "data"),
    ("force", "overwrite"),
    ("gpu", "device"),
    ("gpus", "device"),
    ("image-size", "size"),
    ("img-size", "size"),
    ("imgsz", "size"),
    ("learning-rate", "lr"),
    ("max-epochs", "epochs"),
    ("model", "encoder"),
    ("num-workers", "workers"),
    ("out-dir", "out"),
    ("output", "out"),
    ("output-dir", "out"),
    ("threads", "workers"),
];

/// What other programs call verbs of this one.
const OTHER_VERBS: [(&str, &str); 9] = [
    ("classify", "predict"),
    ("download", "data fetch"),
    ("eval", "judge"),
    ("evaluate", "judge"),
    ("fetch", "data fetch"),
    ("fine-tune", "finetune"),
    ("inspect", "data inspect"),
    ("train", "pretrain"),
    ("version", "--version"),
];

/// A command line that could not be read, and the program that it was meant for.
pub struct Mistake<'a> {
    error: &'a clap::Error,
    arguments: Vec<String>,
    /// The verbs that were named, as one text.
    path: String,
    verb: &'a Clap,
}

impl Mistake<'_> {
    /// What is wrong with the `arguments` of `command`, of which clap says `error`.
    pub fn of<'a>(error: &'a clap::Error, command: &'a Clap, arguments: &[OsString]) -> Mistake<'a> {
        let arguments: Vec<String> =
            arguments.iter().map(|argument| argument.to_string_lossy().into_owned()).collect();
        let (mut verb, mut path) = (command, command.get_name().to_owned());
        for word in arguments.iter().skip(1) {
            if let Some(inner) = verb.find_subcommand(word) {
                verb = inner;
                path = format!("{path} {}", inner.get_name());
            }
        }
        Mistake { error, arguments, path, verb }
    }

    /// The same in words.
    pub fn told(&self) -> Failure {
        match self.error.kind() {
            ErrorKind::UnknownArgument => self.unknown(),
            ErrorKind::InvalidValue => self.no_choice(),
            ErrorKind::ValueValidation => self.no_value(),
            ErrorKind::InvalidSubcommand => self.no_verb(),
            ErrorKind::MissingRequiredArgument => self.missing(),
            ErrorKind::ArgumentConflict => self.conflict(),
            ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
                self.without_verb()
            }
            _ => self.as_it_is(),
        }
    }

    fn failure(&self, message: String) -> Failure {
        Failure::message(Exit::Usage, message).hint(format!("`{} --help` tells more", self.path))
    }

    fn as_it_is(&self) -> Failure {
        let text = self.error.render().to_string();
        let text = text.strip_prefix("error: ").unwrap_or(&text);
        let message =
            text.split("\n\nFor more information").next().unwrap_or(text).split("\n\nUsage:").next();
        self.failure(message.unwrap_or(text).to_owned())
    }

    /// Texts that the error carries.
    fn texts(&self, kind: ContextKind) -> Vec<&str> {
        match self.error.get(kind) {
            Some(ContextValue::String(text)) => vec![text],
            Some(ContextValue::Strings(texts)) => texts.iter().map(String::as_str).collect(),
            _ => vec![],
        }
    }

    fn text(&self, kind: ContextKind) -> &str {
        self.texts(kind).first().copied().unwrap_or_default()
    }

    /// The flag or argument that is meant: `--epochs` of `--epochs <N>`, `PATH` of `[PATH]...`.
    fn meant(&self) -> &str {
        let shown = self.text(ContextKind::InvalidArg).split(' ').next().unwrap_or_default();
        shown.trim_matches(['[', ']', '<', '>', '.'])
    }

    /// An argument that the verb does not have.
    fn unknown(&self) -> Failure {
        let given = self.meant();
        let Some(name) = given.strip_prefix("--") else {
            let failure = self.failure(format!("`{}` takes no `{given}`", self.path));
            return failure.advised(self.instead_of_word(given));
        };
        let failure = self.failure(format!("`{}` has no flag `{given}`", self.path));
        failure.advised(self.instead_of(name))
    }

    /// What a word is probably meant as that the verb does not take.
    fn instead_of_word(&self, given: &str) -> Option<String> {
        let is_flag =
            |name: &str| self.verb.get_arguments().any(|argument| argument.get_long() == Some(name));
        if let Some(short) = given.strip_prefix('-') {
            let typed = self.arguments.iter().find(|word| word.starts_with(given) && !word.starts_with("--"));
            let name = typed.map_or(short, |word| word.trim_start_matches('-'));
            return is_flag(name).then(|| format!("did you mean `--{name}`?"));
        }
        if std::path::Path::new(given).exists() && is_flag("data") {
            return Some(format!("images are named with --data {given}"));
        }
        // The shell took the two halves of a name with a space apart.
        let at = self.arguments.iter().position(|word| word == given)?;
        let whole = format!("{} {given}", self.arguments.get(at.checked_sub(1)?)?);
        std::path::Path::new(&whole)
            .exists()
            .then(|| format!("a name with a space stands in quotation marks: '{whole}'"))
    }

    /// What does what a flag called `name` is expected to do.
    fn instead_of(&self, name: &str) -> Option<String> {
        let name = ALSO_CALLED.iter().find(|(other, _)| *other == name).map_or(name, |(_, own)| own);
        let flags: Vec<&str> = self.verb.get_arguments().filter_map(Arg::get_long).collect();
        let keys = self.keys();
        let last = |key: &str| key.rsplit('.').next().unwrap_or(key).replace('_', "-");
        let find = |name: &str| {
            let key = || keys.iter().filter(|key| last(key) == name).min_by_key(|key| key.len());
            match flags.contains(&name) {
                true => Some(format!("did you mean `--{name}`?")),
                false => key().map(|key| {
                    let value = self.value().unwrap_or("VALUE");
                    format!(
                        "write `{key}={value}`: settings without a flag of their own are given as KEY=VALUE"
                    )
                }),
            }
        };
        let near = || {
            let names: Vec<String> = keys.iter().map(|key| last(key)).collect();
            let all = flags.iter().copied().chain(names.iter().map(String::as_str));
            nearest(name, all).and_then(find)
        };
        find(name).or_else(near)
    }

    /// The keys of the settings that the verb takes.
    fn keys(&self) -> Vec<String> {
        if !self.verb.get_arguments().any(|argument| argument.get_id() == OVERRIDES) {
            return Vec::new();
        }
        keys(self.verb.get_name())
    }

    /// What was given behind the flag that is meant.
    fn value(&self) -> Option<&str> {
        let flag = self.meant();
        let mut words = self.arguments.iter().map(String::as_str);
        let found = words.find(|word| word.split('=').next() == Some(flag))?;
        match found.split_once('=') {
            Some((_, value)) => Some(value),
            None => words.next().filter(|word| !word.starts_with('-')),
        }
    }

    /// A value that is none of the choices.
    fn no_choice(&self) -> Failure {
        let (flag, got) = (self.meant(), self.text(ContextKind::InvalidValue));
        let choices = self.texts(ContextKind::ValidValue);
        let expected =
            if choices.is_empty() { "a value".to_owned() } else { format!("one of {}", choices.join(", ")) };
        if got.is_empty() {
            return self.failure(format!("`{flag}` is given without a value, expected {expected}"));
        }
        let near = nearest(got, choices.into_iter()).map(|near| format!("did you mean `{near}`?"));
        self.failure(format!("`{flag}` is `{got}`, expected {expected}")).advised(near)
    }

    /// A value that cannot be understood.
    fn no_value(&self) -> Failure {
        use std::error::Error;
        let (flag, got) = (self.meant(), self.text(ContextKind::InvalidValue));
        let reason = self.error.source().map(|source| {
            if source.is::<ParseIntError>() {
                return "expected a whole number".to_owned();
            }
            if source.is::<ParseFloatError>() {
                return "expected a number".to_owned();
            }
            range_in_words(&source.to_string())
        });
        self.failure(format!("`{flag}` is `{got}`, {}", reason.unwrap_or_default()))
    }

    fn no_verb(&self) -> Failure {
        let got = self.text(ContextKind::InvalidSubcommand);
        let verbs = self.verb.get_subcommands().map(Clap::get_name);
        let known = OTHER_VERBS.iter().find(|(other, _)| *other == got).map(|(_, own)| *own);
        let near = known.or_else(|| nearest(got, verbs)).map(|near| format!("did you mean `{near}`?"));
        self.failure(format!("`{}` has no verb `{got}`", self.path)).advised(near)
    }

    fn without_verb(&self) -> Failure {
        let verbs: Vec<&str> = self.verb.get_subcommands().map(Clap::get_name).collect();
        self.failure(format!("`{}` needs one of {}", self.path, verbs.join(", ")))
    }

    fn missing(&self) -> Failure {
        let missing = self.texts(ContextKind::InvalidArg);
        let mut verb = self.verb.clone();
        verb.build();
        let what = |shown: &&str| {
            let of = verb.get_arguments().find(|argument| argument.to_string() == **shown);
            let help = of.and_then(Arg::get_help).map(|help| format!(" ({help})")).unwrap_or_default();
            format!("`{shown}`{help}")
        };
        let missing: Vec<String> = missing.iter().map(what).collect();
        self.failure(format!("`{}` needs {}", self.path, missing.join(" and ")))
    }

    fn conflict(&self) -> Failure {
        let others = self.texts(ContextKind::PriorArg).join("`, `");
        let given = self.text(ContextKind::InvalidArg);
        if others.is_empty() || others == given {
            return self.as_it_is();
        }
        self.failure(format!("`{given}` does not go together with `{others}`"))
    }
}

/// The arguments that are settings, as KEY=VALUE.
pub const OVERRIDES: &str = "overrides";

/// The keys of the settings that `verb` takes, but for those of elements of arrays.
pub fn keys(verb: &str) -> Vec<String> {
    let settings = match verb {
        "finetune" => reference::<FinetuneSettings>(),
        _ => reference::<Settings>(),
    };
    let mut keys: Vec<String> = settings.into_iter().map(|setting| setting.key).collect();
    keys.retain(|key| !key.split('.').any(|part| part == "N"));
    keys.sort();
    keys.dedup();
    keys
}

/// `0 is not in 1..=9`, as clap has it, in words; any other reason as it is.
fn range_in_words(reason: &str) -> String {
    let bounds = reason.split_once(" is not in ").and_then(|(_, bounds)| bounds.split_once("..="));
    let bounds = bounds.and_then(|(low, high)| Some((low, high.parse::<u64>().ok()?)));
    match bounds {
        Some((low, high)) if high >= u64::from(u16::MAX) => {
            format!("expected a whole number, at least {low}")
        }
        Some((low, high)) => format!("expected a whole number from {low} to {high}"),
        None => reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli;

    /// What is said of a command line that cannot be read.
    fn told(line: &str) -> String {
        let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        let command = cli::command();
        let error = command.clone().try_get_matches_from(&words).unwrap_err();
        Mistake::of(&error, &command, &words).told().render(false)
    }

    #[test]
    fn flags_that_are_settings_are_answered_with_the_setting() {
        for (line, said) in [
            ("twinlens pretrain --policy simclr", "hint: write `policy=simclr`: "),
            ("twinlens pretrain --policy=simclr", "hint: write `policy=simclr`: "),
            ("twinlens pretrain --stem imagenet", "hint: write `encoder.stem=imagenet`: "),
            ("twinlens pretrain --weight-decay 0.1", "hint: write `optim.weight_decay=0.1`: "),
            ("twinlens pretrain --polcy simclr", "hint: write `policy=simclr`: "),
            ("twinlens finetune --head linear", "hint: write `head=linear`: "),
            ("twinlens config show --policy simclr", "hint: write `policy=simclr`: "),
            ("twinlens pretrain --epoch 3", "hint: did you mean `--epochs`?"),
            ("twinlens pretrain --batch-size 3", "hint: did you mean `--batch`?"),
            ("twinlens pretrain --learning-rate 3", "hint: did you mean `--lr`?"),
            ("twinlens pretrain --num-workers 3", "hint: did you mean `--workers`?"),
            ("twinlens finetune x --precision bf16", "hint: write `precision=bf16`: "),
            ("twinlens doctor --policy x", "hint: `twinlens doctor --help` tells more"),
            ("twinlens doctor here", "error: `twinlens doctor` takes no `here`\n"),
        ] {
            assert!(told(line).contains(said), "{line}: {}", told(line));
        }
    }

    #[test]
    fn values_are_refused_in_words() {
        for (line, said) in [
            (
                "twinlens pretrain --encoder resnet19",
                "error: `--encoder` is `resnet19`, expected one of resnet18, ",
            ),
            ("twinlens pretrain --encoder resnet19", "hint: did you mean `resnet18`?"),
            ("twinlens pretrain --method simclrr", "hint: did you mean `simclr`?"),
            ("twinlens pretrain --epochs five", "error: `--epochs` is `five`, expected a whole number\n"),
            ("twinlens pretrain --epochs 99999999999", "expected a whole number, at least 0\n"),
            ("twinlens pretrain --lr fast", "error: `--lr` is `fast`, expected a number above 0\n"),
            (
                "twinlens pretrain --device tpu",
                "error: `--device` is `tpu`, expected auto, cpu, gpu or gpu:N\n",
            ),
            ("twinlens pretrain --encoder", "`--encoder` is given without a value, expected "),
            ("twinlens views --rows 0", "error: `--rows` is `0`, expected a whole number from 1 to 1000\n"),
            ("twinlens knn runs/a -k 0", "expected a whole number, at least 1\n"),
            (
                "twinlens pretrain photos/",
                "error: `KEY=VALUE` is `photos/`, expected KEY=VALUE, such as epochs=50",
            ),
        ] {
            assert!(told(line).contains(said), "{line}: {}", told(line));
        }
    }

    #[test]
    fn missing_and_conflicting_arguments_are_told_with_what_they_are() {
        for (line, said) in [
            (
                "twinlens pretrain --data x",
                "error: `twinlens pretrain` needs `--out <PATH>` (Where to write)\n",
            ),
            ("twinlens pretrain --resume a --out b", "does not go together with"),
            ("twinlens train", "hint: did you mean `pretrain`?"),
            ("twinlens data", "error: `twinlens data` needs one of list, fetch, inspect, crop\n"),
            ("twinlens doctr", "hint: did you mean `doctor`?"),
            (
                "twinlens data inspekt",
                "error: `twinlens data` has no verb `inspekt`\n  hint: did you mean `inspect`?",
            ),
            (
                "twinlens doctor --json --json-lines",
                "error: `--json` does not go together with `--json-lines`\n",
            ),
        ] {
            assert!(told(line).contains(said), "{line}: {}", told(line));
        }
    }
}
