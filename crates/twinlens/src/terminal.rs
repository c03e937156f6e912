//! What is said, and where: stdout is data, stderr is talk.

use std::fmt;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use indicatif::{HumanDuration, ProgressStyle};
use serde::Serialize;
use serde_json::{Value, json};
use tracing::{Level, Subscriber};
use tracing_indicatif::IndicatifLayer;
use tracing_indicatif::span_ext::IndicatifSpanExt;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{Targets, filter_fn};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use crate::exit::{Exit, Failure, Outcome};

/// The version of the JSON that `--json` and `--json-lines` print. A change that breaks readers raises it.
pub const SCHEMA_VERSION: u32 = 1;

/// Spans of this target are progress bars.
const PROGRESS_TARGET: &str = "twinlens::progress";

/// A bar: what is done, and the message (which begins with the label), cut where the terminal ends.
const BAR: &str = "[{bar:16}] {pos}/{len} {wide_msg}";

/// Without bars, progress is one line at most this often.
const PLAIN_EVERY: Duration = Duration::from_secs(5);

/// Flags of every verb about what is printed, and how.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Print the result as one JSON document
    #[arg(long, global = true, conflicts_with = "json_lines")]
    pub json: bool,
    /// Print events as they happen, and the result, one JSON object a line
    #[arg(long, global = true)]
    pub json_lines: bool,
    /// Use colour: always, never, or auto, which heeds NO_COLOR and TERM=dumb
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", hide_possible_values = true)]
    pub color: When,
    /// Show no progress
    #[arg(long, global = true)]
    pub no_progress: bool,
    /// Say only warnings and errors; twice: only errors
    #[arg(short, long, global = true, action = clap::ArgAction::Count, conflicts_with = "verbose")]
    pub quiet: u8,
    /// Say more; twice: everything, with backtraces
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Say as much as error, warn, info, debug or trace, whatever -q and -v
    #[arg(long, global = true, value_name = "LEVEL", hide_possible_values = true)]
    pub log_level: Option<LogLevel>,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum When {
    /// On a terminal that has not asked for none.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How much is said on stderr.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// Only errors.
    Error,
    /// Warnings too.
    Warn,
    /// What is going on.
    Info,
    /// Details.
    Debug,
    /// Everything.
    Trace,
}

impl OutputArgs {
    fn level(&self) -> Level {
        let asked = match (self.quiet, self.verbose) {
            (0, 0) => LogLevel::Info,
            (1, _) => LogLevel::Warn,
            (0, 1) => LogLevel::Debug,
            (0, _) => LogLevel::Trace,
            _ => LogLevel::Error,
        };
        match self.log_level.unwrap_or(asked) {
            LogLevel::Error => Level::ERROR,
            LogLevel::Warn => Level::WARN,
            LogLevel::Info => Level::INFO,
            LogLevel::Debug => Level::DEBUG,
            LogLevel::Trace => Level::TRACE,
        }
    }
}

/// Where the program speaks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// stdout is a terminal.
    pub stdout_terminal: bool,
    /// stderr is a terminal.
    pub stderr_terminal: bool,
    /// `NO_COLOR` is set and not empty.
    pub no_color: bool,
    /// `TERM=dumb`
    pub dumb: bool,
    /// The locale is UTF-8.
    pub utf8: bool,
}

impl Surroundings {
    /// Those of this process.
    pub fn of_process() -> Surroundings {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(variable).unwrap_or_default();
        Surroundings {
            stdout_terminal: io::stdout().is_terminal(),
            stderr_terminal: io::stderr().is_terminal(),
            no_color: variable("NO_COLOR").is_some(),
            dumb: variable("TERM").is_some_and(|term| term == "dumb"),
            utf8: cfg!(windows) || is_utf8(&locale),
        }
    }

    /// Whether to use colour on a stream.
    pub fn color(&self, when: When, terminal: bool) -> bool {
        match when {
            When::Always => true,
            When::Never => false,
            When::Auto => terminal && !self.no_color && !self.dumb,
        }
    }

    fn bars(&self, args: &OutputArgs) -> bool {
        self.stderr_terminal && !self.dumb && !args.no_progress && args.level() >= Level::INFO
    }
}

fn is_utf8(locale: &str) -> bool {
    let locale = locale.to_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Human,
    /// One document: for the eye on several lines, for other programs on one.
    Json {
        pretty: bool,
    },
    JsonLines,
}

/// stdout, stderr and the log file of one command.
pub struct Terminal {
    format: Format,
    /// Colour on stdout.
    color: bool,
    color_errors: bool,
    unicode: bool,
    progress: bool,
    bars: bool,
    level: Level,
    out: Mutex<Box<dyn Write + Send>>,
    /// Whether the result was told.
    told: AtomicBool,
    log: LogFile,
}

impl Terminal {
    /// The terminal of this process. Nothing is said before [`Terminal::start_log`].
    pub fn new(args: &OutputArgs, surroundings: &Surroundings) -> Terminal {
        Terminal::writing_to(Box::new(io::stdout()), args, surroundings)
    }

    /// A terminal that tells nobody of results.
    pub fn silent() -> Terminal {
        Terminal::writing_to(Box::new(io::sink()), &OutputArgs::default(), &Surroundings::default())
    }

    /// A terminal whose stdout is `out`.
    pub fn writing_to(
        out: Box<dyn Write + Send>,
        args: &OutputArgs,
        surroundings: &Surroundings,
    ) -> Terminal {
        Terminal {
            format: match args {
                OutputArgs { json: true, .. } => Format::Json { pretty: surroundings.stdout_terminal },
                OutputArgs { json_lines: true, .. } => Format::JsonLines,
                _ => Format::Human,
            },
            color: surroundings.color(args.color, surroundings.stdout_terminal),
            color_errors: surroundings.color(args.color, surroundings.stderr_terminal),
            unicode: surroundings.utf8 && !surroundings.dumb,
            progress: !args.no_progress,
            bars: surroundings.bars(args),
            level: args.level(),
            out: Mutex::new(out),
            told: AtomicBool::new(false),
            log: LogFile::default(),
        }
    }

    /// Sends log events to stderr (below the progress bars, where there are any) and to the log file.
    /// Does nothing where a subscriber is set already.
    pub fn start_log(&self) {
        let others = self.level.min(Level::WARN);
        let stderr_filter = Targets::new().with_default(others).with_target("twinlens", self.level);
        let file_filter =
            Targets::new().with_default(Level::WARN).with_target("twinlens", self.level.max(Level::INFO));
        let bars = IndicatifLayer::new();
        let stderr = tracing_subscriber::fmt::layer()
            .event_format(Lines { color: self.color_errors, time: false })
            .with_writer(bars.get_stderr_writer())
            .with_filter(stderr_filter);
        let log = self.log.clone();
        let file = tracing_subscriber::fmt::layer()
            .event_format(Lines { color: false, time: true })
            .with_writer(move || log.clone())
            .with_filter(file_filter);
        let enabled = self.bars;
        let bars = bars.with_filter(filter_fn(move |event| enabled && event.target() == PROGRESS_TARGET));
        let set = tracing_subscriber::registry().with(stderr).with(file).with(bars).try_init();
        drop(set);
    }

    /// From now on, what is said is also appended to `file`, and what was said before there was one: of the data that a
    /// run learns from, for instance.
    pub fn log_to(&self, mut file: File) {
        let mut place = lock(&self.log.place);
        if let LogPlace::Memory(said) = &*place {
            let _ = file.write_all(said); // a log that cannot be written must not end a run, here as later
        }
        *place = LogPlace::File(file);
    }

    /// Whether the result is for people, not for programs.
    pub fn is_human(&self) -> bool {
        self.format == Format::Human
    }

    /// Whether characters beyond ASCII will show.
    pub fn is_unicode(&self) -> bool {
        self.unicode
    }

    /// Writes data to stdout as it is.
    ///
    /// # Errors
    /// When stdout cannot be written; a reader that went away ends the program without an error.
    pub fn print(&self, text: &str) -> Outcome {
        let mut out = lock(&self.out);
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Failure::broken_pipe()),
            Err(error) => Err(Failure::new(Exit::Environment, error).at("stdout")),
        }
    }

    /// The final result of a command: `human` for people, or `document` as JSON, which must be an object or a list of objects.
    ///
    /// # Errors
    /// As [`Terminal::print`]; a document that cannot be JSON.
    pub fn result(&self, document: &impl Serialize, human: impl FnOnce() -> String) -> Outcome {
        self.told.store(true, Ordering::Relaxed);
        match self.format {
            Format::Human => self.print(&human()),
            Format::Json { pretty: false } => self.print(&format!("{}\n", versioned(document)?)),
            Format::Json { pretty: true } => {
                let text = serde_json::to_string_pretty(&versioned(document)?);
                self.print(&(text.map_err(not_json)? + "\n"))
            }
            Format::JsonLines => self.event("result", document),
        }
    }

    /// With `--json-lines`: something that happened, as one line with the key `event`.
    ///
    /// # Errors
    /// As [`Terminal::result`].
    pub fn event(&self, name: &str, document: &impl Serialize) -> Outcome {
        if self.format != Format::JsonLines {
            return Ok(());
        }
        let mut document = versioned(document)?;
        document["event"] = json!(name);
        self.print(&format!("{document}\n"))
    }

    /// Tells why the command failed: on stderr and, for programs that were told no result, as a document on stdout.
    pub fn failure(&self, failure: &Failure) {
        if failure.exit() != Exit::Success {
            self.complain(&failure.render(self.color_errors));
            self.fail(failure);
        }
    }

    /// For programs that were told no result, tells why there is none.
    pub fn fail(&self, failure: &Failure) {
        let told = match self.format {
            Format::Human => Ok(()),
            _ if self.told.load(Ordering::Relaxed) => Ok(()),
            Format::JsonLines => self.event("error", &failure.document()),
            Format::Json { .. } => self.result(&failure.document(), String::new),
        };
        drop(told); // stderr has been told
    }

    /// Writes to stderr as it is.
    pub fn complain(&self, text: &str) {
        // Nobody is left to be told when stderr is gone.
        let _ = io::stderr().write_all(text.as_bytes());
    }

    /// Columns of text under bold headings (colour permitting), numbers to the right.
    pub fn table(&self, headings: &[&str], rows: &[Vec<String>]) -> String {
        let cell = |row: &Vec<String>, column: usize| row.get(column).cloned().unwrap_or_default();
        let widths: Vec<usize> = (0..headings.len())
            .map(|column| {
                let cells = rows.iter().map(|row| cell(row, column).chars().count());
                cells.chain([headings[column].chars().count()]).max().unwrap_or(0)
            })
            .collect();
        let numeric: Vec<bool> = (0..headings.len())
            .map(|column| !rows.is_empty() && rows.iter().all(|row| is_number(&cell(row, column))))
            .collect();
        let line = |cells: Vec<String>| {
            let padded = cells.iter().zip(&widths).zip(&numeric).map(|((text, width), numeric)| {
                if *numeric { format!("{text:>width$}") } else { format!("{text:<width$}") }
            });
            padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        let head = line(headings.iter().map(|text| (*text).to_owned()).collect());
        let mut text = if self.color { format!("\x1b[1m{head}\x1b[0m\n") } else { head + "\n" };
        for row in rows {
            text += &line((0..headings.len()).map(|column| cell(row, column)).collect());
            text.push('\n');
        }
        text
    }

    /// Progress of something that takes a while; it shows from the first [`Progress::set`] on.
    pub fn progress(&self, label: &str, total: u64) -> Progress {
        let kind = if !self.progress {
            Kind::Silent
        } else if self.bars {
            let span = tracing::info_span!(target: PROGRESS_TARGET, "progress");
            span.pb_set_style(&bar_style(self.unicode));
            Kind::Bar(span)
        } else {
            Kind::Lines(Mutex::new(Instant::now()))
        };
        Progress { label: label.to_owned(), total, kind, began: OnceLock::new() }
    }
}

fn versioned(document: &impl Serialize) -> Outcome<Value> {
    match serde_json::to_value(document).map_err(not_json)? {
        Value::Object(mut object) => {
            object.insert("schema_version".to_owned(), json!(SCHEMA_VERSION));
            Ok(Value::Object(object))
        }
        Value::Array(objects) => objects.iter().map(versioned).collect(),
        other => Err(Failure::message(Exit::Failed, format!("the result is no JSON object: {other}"))),
    }
}

fn not_json(error: serde_json::Error) -> Failure {
    Failure::new(Exit::Failed, anyhow::Error::new(error).context("the result cannot be written as JSON"))
}

fn is_number(text: &str) -> bool {
    text.is_empty() || text == "-" || text.trim_end_matches('%').replace(',', "").parse::<f64>().is_ok()
}

fn bar_style(unicode: bool) -> ProgressStyle {
    let style = ProgressStyle::with_template(BAR).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.progress_chars(if unicode { "━╸ " } else { "=> " })
}

enum Kind {
    Silent,
    Bar(tracing::Span),
    /// When the last line was written.
    Lines(Mutex<Instant>),
}

/// Progress of something: a bar on a terminal, else a line every few seconds. It ends when dropped.
pub struct Progress {
    label: String,
    total: u64,
    kind: Kind,
    /// When the first of it was done, and how much that was: what comes before, such as a look at an untrained network, has no
    /// pace.
    began: OnceLock<(Instant, u64)>,
}

impl Progress {
    /// `done` of the total is done; `message` tells what else matters.
    pub fn set(&self, done: u64, message: &str) {
        self.set_of(done, self.total, message);
    }

    /// How long the rest will take, in words.
    fn left(&self, done: u64, total: u64) -> String {
        if done == 0 {
            return String::new();
        }
        let (began, before) = *self.began.get_or_init(|| (Instant::now(), done));
        left(began.elapsed(), done.saturating_sub(before), total.saturating_sub(done))
    }

    /// `done` of a total that was not known before.
    pub fn set_of(&self, done: u64, total: u64, message: &str) {
        let left = self.left(done, total);
        let message = &format!("{}{left}{message}", self.label);
        match &self.kind {
            Kind::Silent => {}
            Kind::Bar(span) => {
                span.pb_set_message(message);
                span.pb_set_length(total);
                span.pb_start();
                span.pb_set_position(done);
            }
            Kind::Lines(last) => {
                let mut last = lock(last);
                if last.elapsed() >= PLAIN_EVERY {
                    *last = Instant::now();
                    tracing::info!("{done}/{total} {message}");
                }
            }
        }
    }
}

/// How long the rest will take at the pace so far, with everything that came in between: `, 3 minutes left`. Nothing before
/// there is a pace.
fn left(elapsed: Duration, done: u64, rest: u64) -> String {
    if done == 0 || rest == 0 || elapsed < Duration::from_secs(1) {
        return String::new();
    }
    format!(", {} left", HumanDuration(elapsed.mul_f64(rest as f64 / done as f64)))
}

/// The log file, once there is one; until then, what it is to hold.
#[derive(Clone, Default)]
struct LogFile {
    place: Arc<Mutex<LogPlace>>,
}

enum LogPlace {
    Memory(Vec<u8>),
    File(File),
}

impl Default for LogPlace {
    fn default() -> LogPlace {
        LogPlace::Memory(Vec::new())
    }
}

/// Bytes said before there is a log file that it will hold, at most.
const MOST_SAID: usize = 1 << 20;

impl Write for LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut *lock(&self.place) {
            LogPlace::File(file) => file.write(bytes),
            LogPlace::Memory(said) => {
                if said.len() + bytes.len() <= MOST_SAID {
                    said.extend_from_slice(bytes);
                }
                Ok(bytes.len())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut *lock(&self.place) {
            LogPlace::File(file) => file.flush(),
            LogPlace::Memory(_) => Ok(()),
        }
    }
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Log events as plain lines: the time where it is wanted, the level where it is not `info`, the message, the fields.
struct Lines {
    color: bool,
    time: bool,
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &tracing::Event<'_>,
    ) -> fmt::Result {
        let (name, color) = match *event.metadata().level() {
            Level::ERROR => ("error: ", "\x1b[1;31m"),
            Level::WARN => ("warning: ", "\x1b[1;33m"),
            Level::INFO => ("", ""),
            Level::DEBUG => ("debug: ", "\x1b[2m"),
            Level::TRACE => ("trace: ", "\x1b[2m"),
        };
        if self.time {
            write!(writer, "{} ", jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ"))?;
        }
        if self.color && !name.is_empty() {
            write!(writer, "{color}{name}\x1b[0m")?;
        } else {
            writer.write_str(name)?;
        }
        context.field_format().format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stdout that remembers, or breaks.
    #[derive(Clone, Default)]
    struct Sink {
        bytes: Arc<Mutex<Vec<u8>>>,
        error: Option<io::ErrorKind>,
    }

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            match self.error {
                Some(kind) => Err(kind.into()),
                None => lock(&self.bytes).write(bytes),
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn said(args: OutputArgs, speak: impl Fn(&Terminal)) -> String {
        let sink = Sink::default();
        speak(&Terminal::writing_to(Box::new(sink.clone()), &args, &Surroundings::default()));
        String::from_utf8(lock(&sink.bytes).clone()).unwrap()
    }

    #[test]
    fn the_result_is_text_or_one_document_or_one_line() {
        let speak = |terminal: &Terminal| {
            terminal.event("epoch", &json!({"epoch": 1})).unwrap();
            terminal.result(&json!({"accuracy": 0.5}), || "accuracy 0.5\n".to_owned()).unwrap();
        };
        assert_eq!(said(OutputArgs::default(), speak), "accuracy 0.5\n");
        let document = said(OutputArgs { json: true, ..Default::default() }, speak);
        assert_eq!(document.lines().count(), 1);
        let document: Value = serde_json::from_str(&document).unwrap();
        assert_eq!(document, json!({"accuracy": 0.5, "schema_version": 1}));
        let lines = said(OutputArgs { json_lines: true, ..Default::default() }, speak);
        let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines[0], json!({"event": "epoch", "epoch": 1, "schema_version": 1}));
        assert_eq!(lines[1], json!({"event": "result", "accuracy": 0.5, "schema_version": 1}));
        assert_eq!(lines.len(), 2);
    }

    #[test]
    fn a_failure_is_a_document_for_programs_unless_a_result_stands_there() {
        let failure = || Failure::message(Exit::Data, "no images").at("photos").hint("look there");
        let json_args = OutputArgs { json: true, ..Default::default() };
        let document = said(json_args.clone(), |terminal| terminal.fail(&failure()));
        let expected =
            json!({"message": "no images", "place": "photos", "hint": "look there", "exit_code": 3});
        let document: Value = serde_json::from_str(&document).unwrap();
        assert_eq!(document, json!({"schema_version": 1, "error": expected}));
        let lines = OutputArgs { json_lines: true, ..Default::default() };
        assert!(said(lines, |terminal| terminal.fail(&failure())).contains(r#""event":"error""#));
        assert_eq!(said(OutputArgs::default(), |terminal| terminal.fail(&failure())), "");
        let both = said(json_args, |terminal| {
            terminal.result(&json!({"accuracy": 0.5}), String::new).unwrap();
            terminal.fail(&failure());
        });
        assert_eq!(both.lines().count(), 1);
    }

    #[test]
    fn a_reader_that_goes_away_is_no_error_but_a_full_disk_is() {
        let print = |kind| {
            let sink = Sink { error: Some(kind), ..Sink::default() };
            let terminal =
                Terminal::writing_to(Box::new(sink), &OutputArgs::default(), &Surroundings::default());
            terminal.print("x").unwrap_err().exit()
        };
        assert_eq!(print(io::ErrorKind::BrokenPipe), Exit::Success);
        assert_eq!(print(io::ErrorKind::StorageFull), Exit::Environment);
    }

    #[test]
    fn colour_is_for_terminals_that_want_it() {
        let terminal = Surroundings { stdout_terminal: true, ..Surroundings::default() };
        assert!(terminal.color(When::Auto, true));
        assert!(!terminal.color(When::Auto, false));
        assert!(terminal.color(When::Always, false));
        assert!(!terminal.color(When::Never, true));
        assert!(!Surroundings { no_color: true, ..terminal.clone() }.color(When::Auto, true));
        assert!(!Surroundings { dumb: true, ..terminal.clone() }.color(When::Auto, true));
        assert!(Surroundings { no_color: true, ..terminal }.color(When::Always, true));
    }

    #[test]
    fn what_is_left_is_told_once_there_is_a_pace() {
        let seconds = Duration::from_secs;
        assert_eq!(left(seconds(60), 10, 30), ", 3 minutes left");
        for (elapsed, done, rest) in [(seconds(60), 0, 60), (seconds(0), 5, 5), (seconds(9), 5, 0)] {
            assert_eq!(left(elapsed, done, rest), "");
        }
    }

    #[test]
    fn bars_are_for_terminals_only() {
        let terminal = Surroundings { stderr_terminal: true, ..Surroundings::default() };
        assert!(terminal.bars(&OutputArgs::default()));
        assert!(!terminal.bars(&OutputArgs { no_progress: true, ..Default::default() }));
        assert!(!terminal.bars(&OutputArgs { quiet: 1, ..Default::default() }));
        assert!(!Surroundings { dumb: true, ..terminal }.bars(&OutputArgs::default()));
        assert!(!Surroundings::default().bars(&OutputArgs::default()));
    }

    #[test]
    fn the_locale_decides_on_ascii() {
        assert!(is_utf8("en_GB.UTF-8") && is_utf8("C.utf8"));
        assert!(!is_utf8("C") && !is_utf8("") && !is_utf8("de_DE.ISO-8859-1"));
    }

    #[test]
    fn the_bar_template_is_valid() {
        assert!(ProgressStyle::with_template(BAR).is_ok());
    }

    #[test]
    fn tables_align_text_left_and_numbers_right() {
        let args = OutputArgs::default();
        let terminal = Terminal::writing_to(Box::new(Sink::default()), &args, &Surroundings::default());
        let rows =
            [vec!["raw pixels".to_owned(), "9.5".to_owned()], vec!["ours".to_owned(), "10".to_owned()]];
        assert_eq!(
            terminal.table(&["features", "kNN"], &rows),
            "features    kNN\nraw pixels  9.5\nours         10\n"
        );
    }

    #[test]
    fn levels_follow_the_flags() {
        let level = |quiet, verbose, log_level| {
            OutputArgs { quiet, verbose, log_level, ..OutputArgs::default() }.level()
        };
        assert_eq!(level(0, 0, None), Level::INFO);
        assert_eq!(level(1, 0, None), Level::WARN);
        assert_eq!(level(2, 0, None), Level::ERROR);
        assert_eq!(level(0, 1, None), Level::DEBUG);
        assert_eq!(level(0, 3, None), Level::TRACE);
        assert_eq!(level(2, 0, Some(LogLevel::Debug)), Level::DEBUG);
    }
}
