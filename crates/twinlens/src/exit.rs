//! How a command ends: exit codes, errors for people, and bugs.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::panic::UnwindSafe;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use twinlens_cells::CellsError;
use twinlens_config::Report;
use twinlens_data::DataError;
use twinlens_lab::catalogue::FetchError;
use twinlens_report::ReportError;
use twinlens_run::RunError;

/// Exit codes. Scripts may rely on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done. A reader of stdout that went away (`| head`) is no error.
    Success = 0,
    /// The run or the evaluation failed, or the program has a bug.
    Failed = 1,
    /// The command line or the configuration is wrong.
    Usage = 2,
    /// The data are wrong.
    Data = 3,
    /// The device, the driver, the disk, the network, or a feature of this build is missing.
    Environment = 4,
    /// Stopped by Ctrl-C.
    Interrupted = 130,
    /// Stopped by SIGTERM.
    Terminated = 143,
}

impl Exit {
    /// The codes with their meaning, for the help text.
    pub const MEANINGS: [(Exit, &'static str); 7] = [
        (Exit::Success, "success"),
        (Exit::Failed, "the run or the evaluation failed"),
        (Exit::Usage, "wrong command line or configuration"),
        (Exit::Data, "wrong data"),
        (
            Exit::Environment,
            "something is missing: device, driver, disk space, network, a feature of this build",
        ),
        (Exit::Interrupted, "stopped by Ctrl-C"),
        (Exit::Terminated, "stopped by SIGTERM"),
    ];

    /// The number.
    pub fn code(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

/// Why a command failed: what, where, why, and what to do.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    error: anyhow::Error,
    place: Option<String>,
    hint: Option<String>,
    backtrace: Backtrace,
}

/// What a command returns.
pub type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    /// A failure with its exit code.
    pub fn new(exit: Exit, error: impl Into<anyhow::Error>) -> Failure {
        Failure { exit, error: error.into(), place: None, hint: None, backtrace: capture() }
    }

    /// A failure that is only a message.
    pub fn message(exit: Exit, message: impl fmt::Display) -> Failure {
        Failure::new(exit, anyhow::anyhow!("{message}"))
    }

    /// The reader of stdout went away: the end of the program, but no error.
    pub fn broken_pipe() -> Failure {
        Failure::message(Exit::Success, "the reader of the output went away")
    }

    /// Ends with another exit code.
    pub fn ending(self, exit: Exit) -> Failure {
        Failure { exit, ..self }
    }

    /// Says where: a path, a key, a shape.
    pub fn at(self, place: impl fmt::Display) -> Failure {
        Failure { place: Some(place.to_string()), ..self }
    }

    /// Says what to do.
    pub fn hint(self, hint: impl fmt::Display) -> Failure {
        Failure { hint: Some(hint.to_string()), ..self }
    }

    /// Says what to do, if there is something.
    pub fn advised(self, hint: Option<String>) -> Failure {
        Failure { hint: hint.or(self.hint), ..self }
    }

    /// The exit code.
    pub fn exit(&self) -> Exit {
        self.exit
    }

    /// What failed, and what led to it.
    fn told(&self) -> String {
        let mut text = self.error.to_string().trim_end().to_owned();
        for cause in self.error.chain().skip(1).map(ToString::to_string) {
            if !text.contains(&cause) {
                text += &format!("\n  caused by: {cause}");
            }
        }
        text
    }

    /// The same for programs.
    pub fn document(&self) -> Value {
        json!({
            "error": {
                "message": self.told(),
                "place": self.place,
                "hint": self.hint,
                "exit_code": self.exit.code(),
            }
        })
    }

    /// The text for people, ending in a line break; `error:` in red if `color`.
    pub fn render(&self, color: bool) -> String {
        let label = if color { "\x1b[1;31merror\x1b[0m" } else { "error" };
        let mut text = format!("{label}: {}\n", self.told());
        // Writing to a string cannot fail.
        if let Some(place) = &self.place {
            let _ = writeln!(text, "  where: {place}");
        }
        if let Some(hint) = &self.hint {
            let _ = writeln!(text, "  hint: {hint}");
        }
        if self.backtrace.status() == BacktraceStatus::Captured {
            let _ = writeln!(text, "{}", self.backtrace);
        }
        text
    }
}

impl From<Report> for Failure {
    fn from(report: Report) -> Failure {
        Failure::new(Exit::Usage, report)
    }
}

impl From<DataError> for Failure {
    fn from(error: DataError) -> Failure {
        let exit = match error {
            DataError::BadOption { .. } => Exit::Usage,
            DataError::Cache { .. } | DataError::TooLarge { .. } => Exit::Environment,
            _ => Exit::Data,
        };
        let hint = spelled(error.hint());
        Failure::new(exit, error).hint(hint)
    }
}

impl From<CellsError> for Failure {
    fn from(error: CellsError) -> Failure {
        fn exit(error: &CellsError) -> Exit {
            match error {
                CellsError::Data(DataError::BadOption { .. })
                | CellsError::Setting { .. }
                | CellsError::NoChannel { .. }
                | CellsError::Exists { .. }
                | CellsError::NotOurs { .. }
                | CellsError::NotKept { .. } => Exit::Usage,
                CellsError::Data(DataError::Cache { .. } | DataError::TooLarge { .. })
                | CellsError::Write { .. } => Exit::Environment,
                CellsError::Field { source, .. } => exit(source),
                _ => Exit::Data,
            }
        }
        let hint = spelled(error.hint());
        Failure::new(exit(&error), error).hint(hint)
    }
}

impl From<ReportError> for Failure {
    fn from(error: ReportError) -> Failure {
        let hint = spelled(error.hint());
        Failure::new(Exit::Failed, error).hint(hint)
    }
}

impl From<FetchError> for Failure {
    fn from(error: FetchError) -> Failure {
        let exit = match error {
            FetchError::Checksum { .. } => Exit::Data,
            _ => Exit::Environment,
        };
        let (hint, place) = (spelled(error.hint()), error.place());
        Failure::new(exit, error).at(place).hint(hint)
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Failure {
        let exit = match error {
            RunError::PathIsFile { .. }
            | RunError::NotEmpty { .. }
            | RunError::NotARun { .. }
            | RunError::Locked { .. }
            | RunError::NewerLayout { .. }
            | RunError::BadName { .. } => Exit::Usage,
            RunError::DiskFull { .. } | RunError::ReadOnly { .. } => Exit::Environment,
            _ => Exit::Failed,
        };
        let hint = spelled(error.hint());
        Failure::new(exit, error).hint(hint)
    }
}

/// The hint of a library as the command line spells it: `{name}` is a verb of this program, a variable, or else a flag; doubled braces
/// are single ones.
pub fn spelled(hint: &str) -> String {
    let mut spelled = String::new();
    let mut rest = hint;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, brace) = rest.split_at(at);
        let (name, behind) = match brace.as_bytes() {
            [b'{', b'{', ..] | [b'}', b'}', ..] => (brace[..1].to_owned(), &brace[2..]),
            [b'{', ..] => match brace[1..].split_once('}') {
                Some((name, behind)) => (spelled_name(name), behind),
                None => (brace.to_owned(), ""),
            },
            _ => (brace[..1].to_owned(), &brace[1..]),
        };
        spelled += before;
        spelled += &name;
        rest = behind;
    }
    spelled + rest
}

fn spelled_name(name: &str) -> String {
    const VERBS: [(&str, &str); 14] = [
        ("encoders", "twinlens list encoders"),
        ("import", "twinlens weights import"),
        ("inspect", "twinlens data inspect"),
        ("embed", "twinlens embed"),
        ("protocols", "twinlens list protocols"),
        ("sets", "twinlens data list"),
        ("fetch", "twinlens data fetch"),
        ("data_folder", "TWINLENS_DATA_DIR"),
        ("probe", "twinlens probe"),
        ("finetune", "twinlens finetune"),
        ("studies", "twinlens study list"),
        ("plan_study", "twinlens study plan ID --out DIR"),
        ("status", "twinlens study status DIR"),
        ("retry", "twinlens study retry DIR"),
    ];
    let verb = VERBS.iter().find(|(known, _)| *known == name).map(|(_, verb)| (*verb).to_owned());
    verb.unwrap_or_else(|| format!("--{}", name.replace('_', "-")))
}

static BACKTRACES: AtomicBool = AtomicBool::new(false);

/// From now on failures carry a backtrace (`-vv`), as they do with `RUST_BACKTRACE=1`.
pub fn show_backtraces() {
    BACKTRACES.store(true, Ordering::Relaxed);
}

fn capture() -> Backtrace {
    if BACKTRACES.load(Ordering::Relaxed) { Backtrace::force_capture() } else { Backtrace::capture() }
}

/// Runs the program; a panic, which is always a bug, is told as one and ends in [`Exit::Failed`].
pub fn guard(run: impl FnOnce() -> Exit + UnwindSafe) -> Exit {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let text = bug_report(panic.payload_as_str().unwrap_or("no message"), &place, &capture());
        // Nobody is left to be told when stderr is gone.
        let _ = std::io::stderr().write_all(text.as_bytes());
    }));
    std::panic::catch_unwind(run).unwrap_or(Exit::Failed)
}

fn bug_report(message: &str, place: &str, backtrace: &Backtrace) -> String {
    let mut text = format!(
        "error: this is a bug in twinlens, not a mistake of yours: {message}\n  where: {place}\n  \
         version: twinlens {} (commit {}, {})\n  hint: please report it to the authors, with these lines and \
         the command that led here; RUST_BACKTRACE=1 tells more\n",
        crate::VERSION,
        crate::COMMIT,
        crate::TARGET
    );
    if backtrace.status() == BacktraceStatus::Captured {
        let _ = writeln!(text, "{backtrace}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_told_as_a_bug_and_ends_in_code_1() {
        assert_eq!(guard(|| panic!("index out of bounds")), Exit::Failed);
        let _ = std::panic::take_hook();
        let text = bug_report("index out of bounds", "src/x.rs:1:2", &Backtrace::disabled());
        for part in [
            "a bug in twinlens",
            "index out of bounds",
            "src/x.rs:1:2",
            crate::VERSION,
            crate::COMMIT,
            "report",
        ] {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn a_failure_says_what_where_why_and_what_to_do() {
        let cause = std::io::Error::other("unexpected end of file");
        let error = anyhow::Error::new(cause).context("cannot read the images");
        let failure = Failure::new(Exit::Data, error).at("blood.npz: train_images").hint("fetch it again");
        assert_eq!(failure.exit(), Exit::Data);
        let expected = "error: cannot read the images\n  caused by: unexpected end of file\n  where: blood.npz: \
                        train_images\n  hint: fetch it again\n";
        assert!(failure.render(false).starts_with(expected), "{}", failure.render(false));
        assert!(failure.render(true).starts_with("\x1b[1;31merror\x1b[0m: cannot"));
    }

    #[test]
    fn library_errors_bring_their_hint_and_their_code() {
        let failure = Failure::from(DataError::Empty { place: "blood.npz".to_owned() });
        assert_eq!(failure.exit(), Exit::Data);
        let text = failure.render(false);
        assert!(text.starts_with("error: blood.npz is empty\n  hint: the download"), "{text}");
        let failure = Failure::from(RunError::BadName { name: "/".to_owned() });
        assert_eq!(failure.exit(), Exit::Usage);
    }

    #[test]
    fn a_cause_that_the_message_already_tells_is_not_repeated() {
        let source = std::io::Error::other("permission denied");
        let failure = Failure::from(DataError::Read { place: "x".to_owned(), source });
        assert_eq!(failure.render(false).matches("permission denied").count(), 1);
    }

    #[test]
    fn hints_of_libraries_are_spelled_as_flags_and_verbs() {
        assert_eq!(spelled("{label_share} 1, or `{inspect}`"), "--label-share 1, or `twinlens data inspect`");
        assert_eq!(spelled("try again"), "try again");
        assert_eq!(spelled("{member} {{a}}{b_c}"), "--member {a}--b-c");
        assert_eq!(spelled("a } b {c"), "a } b {c");
    }

    #[test]
    fn the_codes_are_those_that_scripts_know() {
        let codes: Vec<u8> = Exit::MEANINGS.iter().map(|(exit, _)| exit.code()).collect();
        assert_eq!(codes, [0, 1, 2, 3, 4, 130, 143]);
    }
}
