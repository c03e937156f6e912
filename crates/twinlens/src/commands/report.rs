//! `report`: write the report of a run again.

use std::path::{Path, PathBuf};

use clap::ValueHint;
use serde_json::{Value, json};
use twinlens_data::{DataSet, ImageSource, Split, SplitOrigin, class_counts};
use twinlens_eval::maps::Tsne;
use twinlens_eval::{EvalError, Scores, SplitVerdict, Verdict};
use twinlens_report::{
    Bar, ClassRow, ClassTable, Comparison, Confusion, CurveOptions, Fact, Group, Map, Picture, Plate,
    ReportError, ReportInput, ResultRow, ResultTable, Skipped, comparison, confusion_matrix, map,
    report_html, training_curves, training_panels,
};
use twinlens_run::{RunFolder, RunRecord, write_atomically};
use twinlens_ssl::Settings;

use super::features::{Computing, Subject, features};
use super::judge::protocol;
use super::spec::is_finetuning;
use super::training::{BUNDLED, open_data, read_encoder};
use super::views::Gallery;
use crate::exit::{Exit, Failure, Outcome};
use crate::terminal::Terminal;

/// Arguments of `report`.
#[derive(Clone, Debug, clap::Args)]
#[command(before_help = "\
Examples:
  twinlens report runs/a
  twinlens report runs/a --out a.html")]
pub struct ReportArgs {
    /// The run's folder
    #[arg(value_name = "RUN", value_hint = ValueHint::DirPath)]
    pub run: PathBuf,
    /// Where to write
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub out: Option<PathBuf>,
}

/// Runs `report`. The run's folder must not be in use, unless the report goes elsewhere.
///
/// # Errors
/// A folder that is no run or in use, or a file or stdout that cannot be written.
pub fn run(args: &ReportArgs, terminal: &Terminal) -> Outcome {
    let settings = settings_of(&RunRecord::read(&args.run)?)?;
    let data = open_data(&settings, terminal);
    let computing = Computing {
        batch: settings.batch,
        workers: twinlens_ssl::workers(settings.workers),
        device: settings.device.clone(),
        cached: true,
    };
    let page = |path: &Path| Report::of(path, data.as_ref(), &settings, &computing, terminal);
    let file = match &args.out {
        Some(file) => {
            write_atomically(file, page(&args.run)?.html()?.as_bytes())?;
            file.clone()
        }
        None => {
            let folder = RunFolder::open(&args.run)?;
            page(folder.path())?.keep(&folder)?
        }
    };
    terminal.result(&json!({ "report": file }), || format!("{}\n", file.display()))
}

/// Writes `plots` and `report.html` of a run; returns where the page is.
///
/// # Errors
/// A run that cannot be read, or a folder that cannot be written. What else is missing is told on the page.
pub fn write(
    folder: &RunFolder,
    data: &DataSet,
    settings: &Settings,
    computing: &Computing,
    terminal: &Terminal,
) -> Outcome<PathBuf> {
    Report::of(folder.path(), Ok(data), settings, computing, terminal)?.keep(folder)
}

fn settings_of(record: &RunRecord) -> Outcome<Settings> {
    if is_finetuning(&record.config) {
        let failure = Failure::message(Exit::Usage, "a fine-tuning has no report of its own");
        let failure = failure.at(record.path.display());
        return Err(failure.hint("`twinlens runs show` tells its numbers, and plots/ has its pictures"));
    }
    toml::from_str(&record.config).map_err(|error| {
        let failure = Failure::new(Exit::Data, error).at(record.path.join("config.toml").display());
        failure.hint("was it written by another version of this program, or changed by hand?")
    })
}

/// A page and the pictures that are also kept as files.
struct Report {
    input: ReportInput,
    plots: Vec<(String, Picture)>,
}

impl Report {
    fn of(
        run: &Path,
        data: Result<&DataSet, &Failure>,
        settings: &Settings,
        computing: &Computing,
        terminal: &Terminal,
    ) -> Outcome<Report> {
        let record = RunRecord::read(run)?;
        let mut report = Report { input: ReportInput::default(), plots: Vec::new() };
        report.add_run(&record, settings);
        report.add_verdicts(&record)?;
        report.add_curves(&record, settings, data.ok())?;
        match data {
            Ok(data) => {
                report.add_data(&record, data, settings);
                report.add_sheet(settings, data)?;
                report.add_map(run, data, computing, terminal)?;
            }
            Err(failure) => report.warn(format!(
                "The data could not be opened again, so there is no contact sheet and no map: {}",
                reason(failure)
            )),
        }
        Ok(report)
    }

    fn html(&self) -> Outcome<String> {
        report_html(&self.input).map_err(undrawn)
    }

    fn keep(&self, folder: &RunFolder) -> Outcome<PathBuf> {
        for (name, picture) in &self.plots {
            folder.write_plot(&format!("{name}.{}", picture.extension()), picture.bytes())?;
        }
        Ok(folder.write_report(&self.html()?)?)
    }

    fn warn(&mut self, warning: impl Into<String>) {
        let warning = warning.into();
        if !self.input.warnings.contains(&warning) {
            self.input.warnings.push(warning);
        }
    }

    /// Keeps a picture as a file too.
    fn plot(&mut self, name: &str, picture: &Picture) {
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
        self.plots.push((name.chars().map(plain).collect(), picture.clone()));
    }

    fn add_run(&mut self, record: &RunRecord, settings: &Settings) {
        let input = &mut self.input;
        let data =
            if settings.data == BUNDLED { "the bundled images" } else { &file_name_of(&settings.data) };
        input.title = format!("{} with {} on {data}", settings.encoder, settings.method);
        input.state = record.status.state.to_string();
        input.message = record.status.message.clone();
        let last = |key: &str| record.metrics.iter().rev().find_map(|row| row.get(key)?.as_u64());
        let size = if settings.size > 0 {
            format!("{0} x {0} pixels", settings.size)
        } else {
            "as the images".into()
        };
        input.about = vec![
            Fact::new("Method", &settings.method),
            Fact::new("Encoder", format!("{}, {} stem", settings.encoder, settings.stem.name())),
            Fact::new("Data", &settings.data),
            Fact::new("Views", format!("policy {}, size {size}", settings.policy)),
            Fact::new(
                "Training",
                format!(
                    "{} of {} epochs ({} steps) in batches of {}, seed {}",
                    last("epoch").unwrap_or(0),
                    settings.epochs,
                    last("step").unwrap_or(0),
                    settings.batch,
                    settings.seed
                ),
            ),
        ];
        input.settings = match record.config.parse::<toml::Table>().map(serde_json::to_value) {
            Ok(Ok(table)) => flat(&table),
            _ => vec![Fact::new("config.toml", "cannot be read")],
        };
        input.environment = flat(&record.environment);
        input.may_differ = MAY_DIFFER.map(str::to_owned).into();
        input.commands = vec![record.command.clone()];
    }

    fn add_data(&mut self, record: &RunRecord, data: &DataSet, settings: &Settings) {
        let recorded = record.environment["data"]["sha256"].as_str();
        if recorded.is_some_and(|recorded| recorded != data.fingerprint) {
            self.warn(format!(
                "The data at {} are no longer those of the run: SHA-256 {} then, {} now. Contact sheet and map show \
                 what is there now.",
                settings.data,
                recorded.unwrap_or_default(),
                data.fingerprint
            ));
        }
        let splits = Split::ALL.into_iter().filter_map(|split| Some((split, data.splits.get(split)?.len())));
        let told = splits.map(|(split, images)| match split {
            Split::Train if settings.limit > 0 && settings.limit < images => {
                format!("{} of {images} {}", settings.limit, split.name())
            }
            _ => format!("{images} {}", split.name()),
        });
        let origin = match data.split_origin {
            SplitOrigin::Defined => "splits as the data define them".to_owned(),
            SplitOrigin::ValFromTrain => {
                format!("val drawn from the training images with seed {}", settings.data_options.split_seed)
            }
            SplitOrigin::Drawn => format!("all splits drawn with seed {}", settings.data_options.split_seed),
        };
        let images = format!("{} ({origin})", told.collect::<Vec<_>>().join(", "));
        self.input.about.push(Fact::new("Images", images));
        let classes = match data.classes.len() {
            0 => "no labels".to_owned(),
            count => format!("{count}: {}", data.classes.join(", ")),
        };
        self.input.about.push(Fact::new("Classes (never used in training)", classes));
        let used: usize =
            Split::ALL.iter().filter_map(|split| data.splits.get(*split)).map(|part| part.len()).sum();
        // Arrays hold no files that could be left out.
        self.input.skipped = (data.format == "folder" || data.skipped.count > 0).then(|| Skipped {
            count: data.skipped.count,
            of: used + data.skipped.count,
            examples: data.skipped.first.iter().map(|bad| format!("{}: {}", bad.path, bad.reason)).collect(),
        });
    }

    fn add_verdicts(&mut self, record: &RunRecord) -> Outcome {
        let mut verdicts = Vec::new();
        // Clusters are no predictions: they have a picture of their own.
        let judged = record.verdicts.iter().filter(|(_, value)| value["protocol"] != "cluster");
        for (name, value) in judged {
            match serde_json::from_value::<Verdict>(value.clone()) {
                Ok(verdict) => verdicts.push(verdict),
                Err(error) => self.warn(format!("eval/{name}.json is no verdict and was left out: {error}")),
            }
        }
        for verdict in &verdicts {
            for warning in &verdict.warnings {
                self.warn(format!("{}, {}: {warning}", protocol(verdict), Kind::of(verdict).name()));
            }
        }
        let own = record.environment["data"]["sha256"].as_str();
        let conditions = Condition::gather(verdicts, own);
        if conditions.is_empty() {
            self.warn("Nothing was evaluated in this run; the commands under “To repeat this” do it.");
        } else {
            self.input.results.push(result_table(&conditions));
        }
        let kinds: Vec<Kind> = conditions.iter().map(|condition| condition.kind).collect();
        if kinds.iter().any(|kind| *kind != kinds[0]) {
            self.add_comparison(&conditions)?;
        }
        for protocol in PROTOCOLS {
            let trained = |one: &&Condition| {
                one.kind == Kind::Trained && one.own_data && one.first().protocol == *protocol
            };
            // The choice must not look at the test part.
            let better = |best: Option<&'_ Condition>, one: &Condition| {
                best.is_none_or(|best| one.accuracy("val") > best.accuracy("val"))
            };
            let mut chosen = None;
            for condition in conditions.iter().filter(trained) {
                if better(chosen, condition) {
                    chosen = Some(condition);
                }
            }
            let count = conditions.iter().filter(trained).count();
            if let Some(condition) = chosen {
                self.add_classes(condition, count)?;
            }
        }
        let run = quoted(&record.path.to_string_lossy());
        let data =
            settings_of(record).map(|settings| quoted(&settings.data)).unwrap_or_else(|_| "DATA".into());
        self.input.commands.extend(judging_commands(&conditions, &run, &data));
        self.input.commands.push(format!("twinlens report {run}"));
        Ok(())
    }

    fn add_comparison(&mut self, conditions: &[Condition]) -> Outcome {
        let mut groups: Vec<Group> = Vec::new();
        for condition in conditions {
            let values = condition.values("test", |scores| Some(scores.accuracy));
            let bar = Bar { name: condition.kind.name().to_owned(), values };
            match groups.iter_mut().find(|group| group.name == condition.protocol) {
                Some(group) => group.bars.push(bar),
                None => groups.push(Group { name: condition.protocol.clone(), bars: vec![bar] }),
            }
        }
        let majority = conditions.iter().find_map(|one| one.first().split("test").and_then(most_frequent));
        let drawn = Comparison {
            measure: "Accuracy on the test images".to_owned(),
            groups,
            reference: majority.map(|share| (share, "always the most frequent class".to_owned())),
        };
        let picture = comparison(&drawn).map_err(undrawn)?;
        self.plot("comparison", &picture);
        self.input.comparisons.push(Plate {
            title: "Features compared".to_owned(),
            caption: "Each protocol is the same for all features: the same training labels, the same test images. \
                      Untrained: the same network with random weights. Raw pixels: what any encoder has to beat."
                .to_owned(),
            alt: "Bars of the test accuracy by protocol and kind of features; the numbers are in the table above."
                .to_owned(),
            picture,
        });
        Ok(())
    }

    /// The confusion matrix and class table of the trained encoder under one protocol.
    fn add_classes(&mut self, condition: &Condition, of: usize) -> Outcome {
        let verdict = condition.first();
        let Some(test) = verdict.split("test") else { return Ok(()) };
        let drawn =
            Confusion { counts: test.scores.confusion.counts().to_vec(), classes: verdict.classes.clone() };
        let picture = confusion_matrix(&drawn).map_err(undrawn)?;
        self.plot(&format!("confusion-{}", verdict.protocol), &picture);
        let mut caption = format!(
            "{}, {}, {} test images.",
            condition.protocol,
            condition.kind.name(),
            test.scores.samples
        );
        if of > 1 {
            caption += " Of the variants above, the one with the best validation accuracy.";
        }
        if condition.verdicts.len() > 1 {
            caption += &format!(" The first of {} seeds.", condition.verdicts.len());
        }
        self.input.confusions.push(Plate {
            title: format!("Confusion matrix: {}", verdict.protocol),
            caption: format!("{caption} Rows are true classes, in per cent of the row."),
            alt: format!(
                "Confusion matrix of {} classes; accuracy {:.3}.",
                verdict.classes.len(),
                test.scores.accuracy
            ),
            picture,
        });
        let row = |(name, scores): (&String, &twinlens_eval::metrics::ClassScores)| ClassRow {
            name: name.clone(),
            samples: scores.support,
            precision: scores.precision,
            recall: scores.recall,
            f1: scores.f1,
        };
        let rows = verdict.classes.iter().zip(&test.scores.per_class).map(row).collect();
        self.input.classes.push(ClassTable { caption, rows });
        Ok(())
    }

    fn add_curves(&mut self, record: &RunRecord, settings: &Settings, data: Option<&DataSet>) -> Outcome {
        let options = CurveOptions {
            embedding_width: Some(settings.projector.output_dim),
            chance: data.and_then(|data| data.splits.val.as_deref().and_then(most_frequent_label)),
        };
        self.input.curves = training_panels(&record.metrics, &options).map_err(undrawn)?;
        let all = training_curves(&record.metrics, &options).map_err(undrawn)?;
        self.plot("training-curves", &all);
        Ok(())
    }

    fn add_sheet(&mut self, settings: &Settings, data: &DataSet) -> Outcome {
        let sheet =
            Gallery::new(settings, data).and_then(|gallery| gallery.sheet(&gallery.samples(SHEET_ROWS)));
        let sheet = match sheet {
            Ok(sheet) => sheet,
            Err(failure) => {
                self.warn(format!("There is no contact sheet: {}", reason(&failure)));
                return Ok(());
            }
        };
        let picture = Picture::png(&sheet).map_err(undrawn)?;
        self.plot("views", &picture);
        self.input.views = Some(Plate {
            title: "Originals and views".to_owned(),
            caption: format!(
                "Each row: a training image, then its views as the first epoch with seed {} draws them, before \
                 normalisation. What the encoder is to learn must survive in the views. Images of 8 bits are shown as \
                 they are; others from their darkest to their brightest value.",
                settings.seed
            ),
            alt: "A table of pictures: training images on the left, their random views to the right."
                .to_owned(),
            picture,
        });
        Ok(())
    }

    fn add_map(&mut self, run: &Path, data: &DataSet, computing: &Computing, terminal: &Terminal) -> Outcome {
        let absent = |reason: String| format!("There is no map of the features: {reason}");
        let Some(test) = data.splits.test.as_deref() else {
            self.warn(absent("the data have no test images.".to_owned()));
            return Ok(());
        };
        if test.len() < MAP_LEAST {
            self.warn(absent(format!("{} test images are too few, it takes {MAP_LEAST}.", test.len())));
            return Ok(());
        }
        match lay_out(run, data, test, computing, terminal) {
            Ok((drawn, perplexity)) => {
                let picture = map(&drawn).map_err(undrawn)?;
                self.plot("map", &picture);
                let shown = drawn.points.len();
                let which =
                    if shown < test.len() { format!("{shown} of {}", test.len()) } else { "all".to_owned() };
                self.input.maps.push(Plate {
                    title: "Test images by the trained encoder".to_owned(),
                    caption: format!(
                        "t-SNE of the features of {which} test images (perplexity {perplexity:.0}, start from the \
                         principal components). Near points have similar features; distances between groups and \
                         their sizes mean little. Labels colour the points and had no part in it."
                    ),
                    alt: format!("A scatter plot of {shown} test images by their features, coloured by class."),
                    picture,
                });
            }
            Err(failure) => self.warn(absent(reason(&failure))),
        }
        Ok(())
    }
}

/// Training images on the contact sheet.
const SHEET_ROWS: usize = 8;
/// Test images on the map, at least and at most.
const MAP_LEAST: usize = 16;
const MAP_MOST: usize = 1500;

/// What every report says about repeating a run elsewhere.
const MAY_DIFFER: [&str; 3] = [
    "On a CPU of another kind: the last bits of weights and features, because its instruction sets (see “Environment”) \
     decide which matrix kernels compute, and these add in different orders. Such differences grow over many steps, so \
     accuracies may differ too. On a GPU, the order of sums is up to its driver.",
    "On a CPU of the same kind, with the same version of the program: no bit of the weights. Seeds decide everything; \
     the number of threads and interruptions do not matter.",
    "The speed, and with it images_per_second and data_wait_share.",
];

/// The map of at most [`MAP_MOST`] test images, spread evenly, and its perplexity.
fn lay_out(
    run: &Path,
    data: &DataSet,
    test: &dyn ImageSource,
    computing: &Computing,
    terminal: &Terminal,
) -> Outcome<(Map, f64)> {
    let subject = Subject::Encoder(read_encoder(run)?);
    let all = features(&subject, data, Split::Test, computing, terminal)?;
    let count = all.rows().min(MAP_MOST);
    let indices: Vec<usize> = (0..count).map(|at| at * all.rows() / count).collect();
    let perplexity = (((count - 1) / 3) as f64).min(30.0);
    let tsne = Tsne { perplexity, ..Tsne::default() };
    let laid =
        all.subset(&indices).and_then(|features| tsne.run(&features)).map_err(|error| match error {
            EvalError::NoSpread { .. } => {
                Failure::message(Exit::Failed, "all test images have the same features")
            }
            other => Failure::from(other),
        })?;
    let labels: Vec<Option<usize>> = indices.iter().map(|index| test.label(*index)).collect();
    Ok((Map { points: laid.points, labels, classes: data.classes.clone() }, perplexity))
}

/// Kinds of features, in the order of tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Pixels,
    Untrained,
    Trained,
}

impl Kind {
    /// A verdict that does not say judges the encoder.
    fn of(verdict: &Verdict) -> Kind {
        match verdict.settings.get("features").and_then(Value::as_str) {
            Some("pixels") => Kind::Pixels,
            Some("untrained") => Kind::Untrained,
            _ => Kind::Trained,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Kind::Pixels => "raw pixels",
            Kind::Untrained => "untrained encoder",
            Kind::Trained => "pre-trained encoder",
        }
    }
}

/// Protocols in the order of tables.
const PROTOCOLS: &[&str] = &["knn", "linear-probe"];
/// Settings of a verdict that are outcomes, and the place of the data, which are the same wherever they lie.
const NO_CONDITIONS: [&str; 4] = ["c", "iterations", "converged", "data"];

/// Verdicts that differ in their seeds alone.
struct Condition {
    protocol: String,
    kind: Kind,
    /// Whether it was judged on the data that the encoder was trained on.
    own_data: bool,
    /// One per set of seeds; never empty.
    verdicts: Vec<Verdict>,
}

impl Condition {
    /// Groups verdicts of a run on the data whose SHA-256 is `own`.
    fn gather(verdicts: Vec<Verdict>, own: Option<&str>) -> Vec<Condition> {
        let chosen = |verdict: &Verdict| {
            let mut settings = verdict.settings.clone();
            settings.retain(|key, _| !NO_CONDITIONS.contains(&key.as_str()));
            (verdict.protocol.clone(), settings)
        };
        let mut conditions: Vec<Condition> = Vec::new();
        for verdict in verdicts {
            let same = |condition: &&mut Condition| chosen(condition.first()) == chosen(&verdict);
            match conditions.iter_mut().find(same) {
                Some(condition) => condition.verdicts.push(verdict),
                None => conditions.push(Condition::new(verdict, own)),
            }
        }
        let number =
            |verdict: &Verdict, key: &str| verdict.settings.get(key).and_then(Value::as_f64).unwrap_or(0.0);
        conditions.sort_by(|a, b| {
            let place = |one: &Condition| PROTOCOLS.iter().position(|name| *name == one.first().protocol);
            let known = |one: &Condition| place(one).unwrap_or(PROTOCOLS.len());
            let numbers = |one: &Condition| ["k", "label_share"].map(|key| number(one.first(), key));
            let first = known(a).cmp(&known(b));
            let second = numbers(a).partial_cmp(&numbers(b)).unwrap_or(std::cmp::Ordering::Equal);
            first.then(second).then_with(|| (&a.protocol, a.kind).cmp(&(&b.protocol, b.kind)))
        });
        conditions
    }

    fn new(verdict: Verdict, own: Option<&str>) -> Condition {
        let judged_on = |key: &str| verdict.settings.get(key).and_then(Value::as_str);
        let own_data = judged_on("data_sha256").is_none_or(|sha256| own.is_none_or(|own| own == sha256));
        let mut protocol = protocol(&verdict);
        if let Some(data) = judged_on("data").filter(|_| !own_data) {
            protocol += &format!(" on {}", file_name_of(data));
        }
        Condition { protocol, kind: Kind::of(&verdict), own_data, verdicts: vec![verdict] }
    }

    fn first(&self) -> &Verdict {
        &self.verdicts[0]
    }

    /// One value per seed, of those that are defined.
    fn values(&self, split: &str, measure: impl Fn(&Scores) -> Option<f64>) -> Vec<f64> {
        let splits = self.verdicts.iter().filter_map(|verdict| verdict.split(split));
        splits.filter_map(|split| measure(&split.scores)).collect()
    }

    /// The mean accuracy over seeds; below all others where there is none.
    fn accuracy(&self, split: &str) -> f64 {
        let values = self.values(split, |scores| Some(scores.accuracy));
        if values.is_empty() { -1.0 } else { values.iter().sum::<f64>() / values.len() as f64 }
    }
}

type Measure = fn(&Scores) -> Option<f64>;

fn result_table(conditions: &[Condition]) -> ResultTable {
    const COLUMNS: [(&str, &str, Measure); 5] = [
        ("val accuracy", "val", |scores| Some(scores.accuracy)),
        ("test accuracy", "test", |scores| Some(scores.accuracy)),
        ("test balanced accuracy", "test", |scores| Some(scores.balanced_accuracy)),
        ("test macro F1", "test", |scores| Some(scores.macro_f1)),
        ("test macro AUC", "test", |scores| scores.macro_auc),
    ];
    let row = |condition: &Condition| ResultRow {
        protocol: condition.protocol.clone(),
        features: condition.kind.name().to_owned(),
        ours: condition.kind == Kind::Trained,
        cells: COLUMNS.map(|(_, split, measure)| condition.values(split, measure)).into(),
    };
    ResultTable {
        caption: "Features of the trained encoder beside those it is compared with; within a protocol, everything but \
                  the features is the same."
            .to_owned(),
        columns: COLUMNS.map(|(name, _, _)| name.to_owned()).into(),
        rows: conditions.iter().map(row).collect(),
    }
}

/// The commands that repeat the verdicts.
fn judging_commands(conditions: &[Condition], run: &str, data: &str) -> Vec<String> {
    let mut commands = Vec::new();
    for verdict in conditions.iter().flat_map(|condition| &condition.verdicts) {
        let setting = |key: &str| verdict.settings.get(key);
        let data = &setting("data").and_then(Value::as_str).map_or(data.to_owned(), quoted);
        let mut command = match verdict.protocol.as_str() {
            "knn" => format!("twinlens knn {run} --data {data}"),
            "linear-probe" => format!("twinlens probe {run} --data {data}"),
            _ => continue,
        };
        if let Some(features) = setting("features").and_then(Value::as_str) {
            command += &format!(" --features {features}");
        }
        if let Some(seed) = verdict.seeds.get("untrained") {
            command += &format!(" --untrained-seed {seed}");
        }
        if let Some(k) = setting("k") {
            command += &format!(" -k {k}");
        }
        match setting("vote").and_then(Value::as_str) {
            Some("majority") => command += " --vote plain",
            Some(vote) => command += &format!(" --vote {vote}"),
            None => {}
        }
        for (flag, value) in [
            ("distance", setting("distance").filter(|distance| *distance != "cosine")),
            ("temperature", setting("temperature")),
            ("label-share", setting("label_share")),
            ("label-choice", setting("label_choice")),
        ] {
            if let Some(value) = value {
                command += &format!(" --{flag} {}", plain(value));
            }
        }
        if let Some(seed) = verdict.seeds.get("labels").filter(|_| verdict.protocol == "linear-probe") {
            command += &format!(" --seed {seed}");
        }
        commands.push(command);
    }
    if conditions.is_empty() {
        commands.push(format!("twinlens knn {run} --data {data}"));
        commands.push(format!("twinlens probe {run} --data {data}"));
    }
    commands
}

/// The accuracy of always naming the most frequent class of a split.
fn most_frequent(split: &SplitVerdict) -> Option<f64> {
    let largest = split.scores.per_class.iter().map(|class| class.support).max()?;
    Some(largest as f64 / split.scores.samples.max(1) as f64)
}

fn most_frequent_label(source: &dyn ImageSource) -> Option<f64> {
    let counts = class_counts(source);
    let labelled: usize = counts.values().sum();
    Some(*counts.values().max()? as f64 / labelled as f64)
}

/// The last part of a path; the path itself where it has none.
fn file_name_of(path: &str) -> String {
    Path::new(path).file_name().map_or(path.to_owned(), |name| name.to_string_lossy().into_owned())
}

/// A tree of values as a list of dotted keys.
fn flat(value: &Value) -> Vec<Fact> {
    fn collect(name: &str, value: &Value, facts: &mut Vec<Fact>) {
        let within = |key: &str| if name.is_empty() { key.to_owned() } else { format!("{name}.{key}") };
        match value {
            Value::Object(fields) => {
                fields.iter().for_each(|(key, value)| collect(&within(key), value, facts));
            }
            Value::Array(list) if list.iter().any(|item| item.is_object() || item.is_array()) => {
                list.iter().enumerate().for_each(|(at, item)| collect(&within(&at.to_string()), item, facts));
            }
            Value::Array(list) => {
                facts.push(Fact::new(name, list.iter().map(plain).collect::<Vec<_>>().join(", ")));
            }
            other => facts.push(Fact::new(name, plain(other))),
        }
    }
    let mut facts = Vec::new();
    collect("", value, &mut facts);
    facts
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "unknown".to_owned(),
        other => other.to_string(),
    }
}

/// A word as a POSIX shell reads it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// The first line of what a failure says.
fn reason(failure: &Failure) -> String {
    let text = failure.render(false);
    text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

fn undrawn(error: ReportError) -> Failure {
    Failure::new(Exit::Failed, error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::parse;

    #[test]
    fn the_run_is_enough() {
        assert_eq!(parse::<ReportArgs>("runs/a").unwrap().run, PathBuf::from("runs/a"));
        assert!(parse::<ReportArgs>("").is_err());
    }
    fn verdict(protocol: &str, settings: Value, seed: u64, accuracy: f64) -> Verdict {
        let scores = json!({
            "samples": 4, "accuracy": accuracy, "top5_accuracy": null, "balanced_accuracy": 0.5, "macro_f1": 0.5,
            "macro_auc": null, "confusion": [[1, 0], [0, 3]],
            "per_class": [{"support": 1, "recall": 1.0, "precision": 1.0, "f1": 1.0, "auc": null},
                          {"support": 3, "recall": 1.0, "precision": 1.0, "f1": 1.0, "auc": null}],
        });
        let split = |name: &str| json!({"split": name, "scores": scores, "labels": [], "predictions": []});
        let verdict = json!({
            "schema_version": 1, "protocol": protocol, "settings": settings, "seeds": {"labels": seed},
            "classes": ["a", "b"], "training_labels": 10, "splits": [split("val"), split("test")], "warnings": [],
        });
        serde_json::from_value(verdict).unwrap()
    }

    fn probe(features: &str, seed: u64, c: f64, accuracy: f64) -> Verdict {
        verdict("linear-probe", json!({"features": features, "label_share": 0.1, "c": c}), seed, accuracy)
    }

    #[test]
    fn seeds_share_a_row_and_everything_else_has_its_own() {
        let knn = |k: u64| verdict("knn", json!({"features": "trained", "k": k, "vote": "majority"}), 0, 0.5);
        let verdicts = vec![
            probe("trained", 1, 0.1, 0.75),
            probe("pixels", 1, 0.1, 0.5),
            knn(200),
            probe("trained", 2, 1.0, 0.25),
            knn(20),
        ];
        let conditions = Condition::gather(verdicts, None);
        let table = result_table(&conditions);
        let rows: Vec<_> =
            table.rows.iter().map(|row| (row.features.as_str(), row.ours, row.cells[1].clone())).collect();
        let trained = "pre-trained encoder";
        let expected = [
            (trained, true, vec![0.5]),
            (trained, true, vec![0.5]),
            ("raw pixels", false, vec![0.5]),
            (trained, true, vec![0.75, 0.25]),
        ];
        assert_eq!(rows, expected);
        assert!(table.rows[0].protocol.contains("20") && table.rows[1].protocol.contains("200"));
        assert!(table.rows.iter().all(|row| row.cells[4].is_empty()), "an undefined AUC is not a number");
        assert_eq!(conditions[3].accuracy("test"), 0.5);
        assert_eq!(conditions[0].first().split("test").and_then(most_frequent), Some(0.75));
    }

    #[test]
    fn the_commands_are_those_that_the_program_takes() {
        let knn = verdict("knn", json!({"features": "pixels", "k": 20, "vote": "majority"}), 0, 0.5);
        let conditions = Condition::gather(vec![knn, probe("trained", 3, 0.1, 0.5)], None);
        let commands = judging_commands(&conditions, "runs/a", &quoted("my data/it's.npz"));
        let data = r"--data 'my data/it'\''s.npz'";
        let expected = [
            format!("twinlens knn runs/a {data} --features pixels -k 20 --vote plain"),
            format!("twinlens probe runs/a {data} --features trained --label-share 0.1 --seed 3"),
        ];
        assert_eq!(commands, expected);
    }

    #[test]
    fn other_data_have_rows_and_commands_of_their_own() {
        let on = |sha256: &str, data: &str| {
            let settings = json!({"features": "untrained", "k": 20, "data": data, "data_sha256": sha256});
            let mut verdict = verdict("knn", settings, 0, 0.5);
            verdict.seeds = [("untrained".to_owned(), 7)].into();
            verdict
        };
        let verdicts = vec![on("aa", "blood.npz"), on("aa", "elsewhere/blood.npz"), on("bb", "x/other.npz")];
        let conditions = Condition::gather(verdicts, Some("aa"));
        let told: Vec<_> = conditions.iter().map(|one| (one.own_data, one.verdicts.len())).collect();
        assert_eq!(told, [(true, 2), (false, 1)]);
        assert!(
            !conditions[0].protocol.contains("blood") && conditions[1].protocol.ends_with(" on other.npz")
        );
        let command = judging_commands(&conditions, "runs/a", "blood.npz").pop();
        let expected = "twinlens knn runs/a --data x/other.npz --features untrained --untrained-seed 7 -k 20";
        assert_eq!(command.as_deref(), Some(expected));
    }

    #[test]
    fn settings_become_dotted_keys() {
        let tree =
            json!({"optim": {"lr": 0.1, "betas": [0.9, 0.99]}, "views": [{"op": "rot90"}], "commit": null});
        let facts: Vec<String> =
            flat(&tree).iter().map(|fact| format!("{}={}", fact.name, fact.value)).collect();
        let expected = ["commit=unknown", "optim.betas=0.9, 0.99", "optim.lr=0.1", "views.0.op=rot90"];
        let mut sorted = facts.clone();
        sorted.sort();
        assert_eq!(sorted, expected);
    }
}
