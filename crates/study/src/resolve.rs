//! From cells to nodes: settings resolved and checked against the data, before anything runs.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use toml::{Table, Value};
use twinlens_config::Request;
use twinlens_data::{DataSettings, LabelAmount, LabelChoice};
use twinlens_lab::jobs::{key_of, resolve_precision};
use twinlens_lab::protocols::{self, Needs};
use twinlens_lab::settings::{finetune_spec, recipe_of, spec};
use twinlens_lab::{FeaturesKind, LabError, Settings as ProtocolSettings, Silent};
use twinlens_run::Recipe as RunRecipe;
use twinlens_ssl::finetune::FinetuneSettings;
use twinlens_ssl::{Prepared, Settings, recipes};

use crate::axes::{Cell, Change, From, Labels, ViewsChange};
use crate::budget::merge;
use crate::data::{DataSets, Opened};
use crate::node::{Draw, Judging, Kind, Node, Training, Tuning, Weights, Work, identity};
use crate::recipe::{BASE, ProtocolUse, Recipe};
use crate::{Files, StudyError};

/// Laid below what a recipe says of a training: labels are looked at when encoders are judged, not while they learn.
const USUAL: &str = "knn.every = 0\n";

/// Makes nodes of cells.
pub(crate) struct Resolver<'a> {
    pub recipe: &'a Recipe,
    pub data: &'a DataSets<'a>,
    pub files: &'a Files,
    /// What was resolved, by what was asked for.
    trainings: RefCell<BTreeMap<String, Rc<Resolved>>>,
}

/// The nodes of one cell, each after those that it needs; the last is what the cell shows.
pub(crate) type Chain = Vec<Node>;

/// What is wrong with a cell.
pub(crate) enum Wrong {
    /// Something in the recipe, in words.
    Recipe(String),
    /// Anything else.
    Other(StudyError),
}

impl std::convert::From<StudyError> for Wrong {
    fn from(error: StudyError) -> Wrong {
        match error {
            StudyError::Recipe { problems, .. } => Wrong::Recipe(problems.join("\n")),
            error => Wrong::Other(error),
        }
    }
}

/// A training of a cell, resolved.
struct Resolved {
    settings: Settings,
    data: Rc<Opened>,
    recipe: Option<RunRecipe>,
    key: String,
}

impl<'a> Resolver<'a> {
    pub fn new(recipe: &'a Recipe, data: &'a DataSets<'a>, files: &'a Files) -> Resolver<'a> {
        Resolver { recipe, data, files, trainings: RefCell::default() }
    }

    /// The nodes of a cell: the training, and what `protocol` makes of its encoder.
    pub fn chain(&self, cell: &Cell, protocol: Option<&ProtocolUse>) -> Result<Chain, Wrong> {
        let start = cell.latest(|change| match change {
            Change::Start(start) => Some(start),
            _ => None,
        });
        let start = start.unwrap_or(&From::Base);
        let training = self.recipe.base.as_ref().map(|_| self.training(cell)).transpose()?;
        let Some(protocol) = protocol else {
            let training = training.ok_or_else(|| Wrong::Recipe("there is no `base` to train".to_owned()))?;
            return Ok(vec![self.train(cell, &training)?]);
        };
        let mut links = self.recipe.chain(protocol);
        links.reverse();
        let mut chain = Vec::new();
        if *start == From::Base {
            let training = training.as_ref().ok_or_else(|| {
                Wrong::Recipe(format!("`{}` judges `base`, which the recipe does not have", protocol.name))
            })?;
            chain.push(self.train(cell, training)?);
        }
        for link in links.into_iter().filter(|link| !link.imports()) {
            let node = if link.tunes() {
                self.tune(cell, link, (start, training.as_deref()), chain.last())?
            } else {
                self.judge(cell, link, (start, training.as_deref()), chain.last())?
            };
            chain.push(node);
        }
        Ok(chain)
    }

    /// The training of a cell. Cells that differ in protocols alone share it.
    fn training(&self, cell: &Cell) -> Result<Rc<Resolved>, Wrong> {
        let mut base = self.recipe.base.clone().unwrap_or_default();
        substitute(&mut base, &cell.labels);
        let mut request = self.request(base, "base", cell, &|of| matches!(of, None | Some(BASE)))?;
        let (name, reading) = self.learned(cell)?;
        request.sets.push(format!("data={}", Value::String(name.clone())));
        let of_views: Vec<&Change> =
            cell.changes.iter().filter(|change| matches!(change, Change::Views(_))).collect();
        let asked = format!("{request:?} {of_views:?} {reading}");
        if let Some(known) = self.trainings.borrow().get(&asked) {
            return Ok(known.clone());
        }
        let resolved = Rc::new(self.resolved(cell, request, (&name, &reading))?);
        self.trainings.borrow_mut().insert(asked, resolved.clone());
        Ok(resolved)
    }

    fn resolved(
        &self,
        cell: &Cell,
        mut request: Request,
        (name, reading): (&str, &str),
    ) -> Result<Resolved, Wrong> {
        let spec = spec();
        let resolve =
            |request: &Request| spec.resolve(request).map_err(|report| Wrong::Recipe(report.to_string()));
        let mut resolved = resolve(&request)?;
        for change in &cell.changes {
            let Change::Views(change) = change else { continue };
            request.sets.push(views(&resolved.settings, change).map_err(Wrong::Recipe)?);
            resolved = resolve(&request)?;
        }
        let usual = recipes::default_for(resolved.settings.method.name());
        let recipe = recipe_of(&request, &resolved, &usual, recipes::RECIPES);
        let mut settings = resolved.settings;
        settings.data_options = toml::from_str(reading).map_err(|error| Wrong::Recipe(error.to_string()))?;
        settings.precision = resolve_precision(settings.precision, &Silent);
        let data = self.data.open(name, reading)?;
        settings.fit(&data.set).map_err(|error| StudyError::from(LabError::from(error)))?;
        Prepared::check(&settings, &data.set).map_err(|error| Wrong::Recipe(error.to_string()))?;
        let run = twinlens_lab::run_settings::RunSettings::Pretraining(Box::new(settings.clone()));
        let key = key_of(&run, &data.record, None).map_err(StudyError::from)?;
        Ok(Resolved { settings, data, recipe, key: identity(Kind::Train, &[&key]) })
    }

    /// The data set that a cell learns from, and how it is read: with which others as one.
    fn learned(&self, cell: &Cell) -> Result<(String, String), Wrong> {
        if let Some(name) = varied(cell) {
            return Ok((name, self.reading(cell, &[], None, &Table::new())?));
        }
        let names: Vec<String> =
            self.recipe.data.learn.iter().map(|name| replaced(name, &cell.labels)).collect();
        let (first, joined) =
            names.split_first().map_or((String::new(), &[][..]), |(first, rest)| (first.clone(), rest));
        Ok((first, self.reading(cell, joined, None, &Table::new())?))
    }

    /// The data set that a protocol judges on in a cell, and how it is read.
    fn judged(&self, cell: &Cell, protocol: &ProtocolUse) -> Result<(String, String), Wrong> {
        let chain = self.recipe.chain(protocol);
        let own = cell.latest(|change| match change {
            Change::Data { of: Some(of), name } if chain.iter().any(|one| one.name == *of) => {
                Some(name.clone())
            }
            _ => None,
        });
        let own = own.or_else(|| protocol.data.as_ref().map(|name| replaced(name, &cell.labels)));
        let usual = || varied(cell).unwrap_or_else(|| replaced(self.recipe.data.judged(), &cell.labels));
        let labelled = list(cell, protocol);
        Ok((own.unwrap_or_else(usual), self.reading(cell, &[], labelled, &protocol.options)?))
    }

    /// How data sets are read in a cell, with `own` options over those of the study, which are joined, and which labels are used: all of
    /// it, so that one way of reading has one text.
    fn reading(
        &self,
        cell: &Cell,
        joined: &[String],
        labelled: Option<String>,
        own: &Table,
    ) -> Result<String, Wrong> {
        let mut options = self.recipe.data.options.clone();
        merge(&mut options, own);
        substitute(&mut options, &cell.labels);
        let options: Result<DataSettings, _> = options.try_into();
        let options = options
            .map_err(|error: toml::de::Error| Wrong::Recipe(format!("data.options: {}", error.message())))?;
        let labels_from = labelled.unwrap_or(options.labels_from);
        text(&DataSettings { join: joined.to_vec(), labels_from, ..options })
    }

    /// What the layers of a cell ask for: a preset, the settings of the recipe under `place`, and what axes change.
    fn request(
        &self,
        mut settings: Table,
        place: &str,
        cell: &Cell,
        is_own: &dyn Fn(Option<&str>) -> bool,
    ) -> Result<Request, Wrong> {
        let mut request = Request::default();
        let mut preset = settings.remove("preset");
        // A dotted key changes one setting of what the preset says; a table may be of another kind.
        let dotted: Vec<String> = settings.keys().filter(|key| key.contains('.')).cloned().collect();
        for key in dotted {
            request.sets.extend(settings.remove(&key).map(|value| format!("{key}={value}")));
        }
        for change in &cell.changes {
            let Change::Set { of, key, value } = change else { continue };
            if !is_own(of.as_deref()) {
                continue;
            }
            if key == "preset" {
                preset = Some(value.clone());
                continue;
            }
            request.sets.push(format!("{key}={value}"));
        }
        request.preset = match preset {
            Some(Value::String(name)) => Some(replaced(&name, &cell.labels)),
            Some(other) => {
                return Err(Wrong::Recipe(format!("`{place}.preset` is {other}, expected a name")));
            }
            None => None,
        };
        let name = format!("{}, {place}", self.recipe.id);
        if place == "base" {
            request.texts.push(("the usual settings of studies".to_owned(), USUAL.to_owned()));
        }
        request.texts.push((name, settings.to_string()));
        Ok(request)
    }

    fn train(&self, cell: &Cell, training: &Resolved) -> Result<Node, Wrong> {
        let keep = cell.changes.iter().filter_map(|change| match change {
            Change::Checkpoint(epoch) => Some(*epoch),
            _ => None,
        });
        let keep: Vec<u64> = keep.collect();
        let epochs = training.settings.epochs as u64;
        if let Some(late) = keep.iter().find(|epoch| **epoch > epochs) {
            return Err(Wrong::Recipe(format!(
                "the encoder after epoch {late} is asked for, of {epochs} epochs"
            )));
        }
        let keep = keep.into_iter().filter(|epoch| *epoch < epochs).collect();
        let settings = text(&training.settings)?;
        let work = Work::Train(Box::new(Training { settings, recipe: training.recipe.clone(), keep }));
        let (data, _) = self.learned(cell)?;
        Ok(Node { id: training.key.clone(), label: cell.name(), input: None, data, work })
    }

    fn tune(
        &self,
        cell: &Cell,
        protocol: &ProtocolUse,
        (start, training): (&From, Option<&Resolved>),
        input: Option<&Node>,
    ) -> Result<Node, Wrong> {
        let mut settings = protocol.settings.clone();
        substitute(&mut settings, &cell.labels);
        let mut request =
            self.request(settings, &protocol.name, cell, &|of| of == Some(protocol.name.as_str()))?;
        let (name, reading) = self.judged(cell, protocol)?;
        request.sets.push(format!("data={}", Value::String(name.clone())));
        if !request.sets.iter().any(|set| set.starts_with("seed=")) {
            request.sets.extend(shared_seed(cell).map(|seed| format!("seed={seed}")));
        }
        request.sets.extend(amount(cell, protocol).map(labels));
        let resolved =
            finetune_spec().resolve(&request).map_err(|report| Wrong::Recipe(report.to_string()))?;
        let mut settings: FinetuneSettings = resolved.settings;
        settings.data_options = toml::from_str(&reading).map_err(|error| Wrong::Recipe(error.to_string()))?;
        settings.precision = resolve_precision(settings.precision, &Silent);
        let (weights, origin) = self.weights(cell, protocol, (start, training), input)?;
        match (&weights, training) {
            (Weights::Random(_), _) => settings = settings.from_scratch(),
            (_, _) => "an input".clone_into(&mut settings.init),
        }
        if let Some(Resolved { settings: own, .. }) = training {
            (settings.common.encoder, settings.common.size) = (own.common.encoder, own.common.size);
        }
        let data = self.data.open(&name, &reading)?;
        let checked = data.set.check_for_evaluation();
        checked.map_err(|error| StudyError::from(LabError::from(error)))?;
        let run = twinlens_lab::run_settings::RunSettings::Finetuning(Box::new(settings.clone()));
        let key = key_of(&run, &data.record, None).map_err(StudyError::from)?;
        let id = identity(Kind::Finetune, &[&key, &origin]);
        let work = Work::Finetune(Box::new(Tuning { settings: text(&settings)?, weights }));
        Ok(Node { id, label: cell.name(), input: input.map(|node| node.id.clone()), data: name, work })
    }

    fn judge(
        &self,
        cell: &Cell,
        protocol: &ProtocolUse,
        (start, training): (&From, Option<&Resolved>),
        input: Option<&Node>,
    ) -> Result<Node, Wrong> {
        let wrong = |reason: String| Wrong::Recipe(format!("protocol `{}`: {reason}", protocol.name));
        let known = protocols::find(protocol.protocol()).map_err(|error| wrong(error.to_string()))?;
        let mut settings = protocol.settings.clone();
        substitute(&mut settings, &cell.labels);
        for change in &cell.changes {
            if let Change::Set { of: Some(of), key, value } = change
                && *of == protocol.name
            {
                settings.insert(key.clone(), value.clone());
            }
        }
        let split = taken(&mut settings, "split").map_err(wrong)?.unwrap_or_else(|| "test".to_owned());
        let draw = draw(&mut settings, cell, protocol).map_err(wrong)?;
        let settings: ProtocolSettings =
            settings.iter().map(|(key, value)| (key.clone(), json(value))).collect();
        known.check(&settings).map_err(|error| wrong(error.to_string()))?;
        let (weights, origin) = self.weights(cell, protocol, (start, training), input)?;
        let features = match (start, input) {
            (_, Some(node)) if node.kind() == Kind::Finetune => FeaturesKind::Trained,
            (From::Scratch | From::Untrained, _) => FeaturesKind::Untrained,
            (From::Pixels, _) => FeaturesKind::Pixels,
            (From::Base | From::File(_), _) => FeaturesKind::Trained,
        };
        let (name, reading) = self.judged(cell, protocol)?;
        let data = self.data.open(&name, &reading)?;
        if matches!(known.needs, Needs::Classes) {
            let checked = data.set.check_for_evaluation();
            checked.map_err(|error| StudyError::from(LabError::from(error)))?;
        }
        let all: ProtocolSettings = known.usual().into_iter().chain(settings.clone()).collect();
        let drawn = match known.needs {
            // Of all labels nothing is drawn; random weights are.
            Needs::Classes if draw.is_all() && features == FeaturesKind::Untrained => {
                format!("all labels {}", draw.seed)
            }
            Needs::Classes if draw.is_all() => "all labels".to_owned(),
            Needs::Classes | Needs::Tags => format!("{draw:?}"),
            Needs::Images | Needs::Views => format!("{split} {}", draw.seed),
        };
        let texts = [
            known.id.to_owned(),
            serde_json::to_string(&all).unwrap_or_default(),
            features.name().to_owned(),
            origin,
            drawn,
            data.set.fingerprint.clone(),
            data.record.splits.clone().unwrap_or_default(),
        ];
        let id = identity(Kind::Judge, &texts.each_ref().map(String::as_str));
        let judging =
            Judging { protocol: known.id.to_owned(), settings, features, weights, reading, draw, split };
        let work = Work::Judge(Box::new(judging));
        Ok(Node { id, label: cell.name(), input: input.map(|node| node.id.clone()), data: name, work })
    }

    /// Where an encoder comes from, and what tells that origin from all others.
    fn weights(
        &self,
        cell: &Cell,
        protocol: &ProtocolUse,
        (start, training): (&From, Option<&Resolved>),
        input: Option<&Node>,
    ) -> Result<(Weights, String), Wrong> {
        if let Some(node) = input {
            let epoch = cell.latest(|change| match change {
                Change::Checkpoint(epoch) if node.kind() == Kind::Train => Some(*epoch),
                _ => None,
            });
            let last = training.map(|training| training.settings.epochs as u64);
            let epoch = epoch.filter(|epoch| Some(*epoch) != last);
            return Ok((Weights::Input(epoch), format!("{} {epoch:?}", node.id)));
        }
        if let From::File(name) = start {
            let file = self.files.get(name).ok_or_else(|| StudyError::NoFile { name: name.clone() })?;
            return Ok((Weights::File(name.clone()), format!("file {}", file.sha256)));
        }
        let Some(Resolved { settings, data, .. }) = training else {
            return Err(Wrong::Recipe(format!(
                "`{}` takes random weights or pixels, and no `base` says of which network and size",
                protocol.name
            )));
        };
        let origin = format!(
            "random {:?} {:?} {} {:?} {}",
            settings.encoder, settings.size, settings.limit, settings.images, data.set.fingerprint
        );
        Ok((Weights::Random(text(settings)?), origin))
    }
}

impl Draw {
    fn is_all(&self) -> bool {
        self.label_share == 1.0 && self.labels_per_class == 0
    }

    /// How many labels.
    pub fn amount(&self) -> LabelAmount {
        match self.labels_per_class {
            0 => LabelAmount::Share(self.label_share),
            count => LabelAmount::PerClass(count),
        }
    }
}

/// The data set of a cell whose axis varies it for all.
fn varied(cell: &Cell) -> Option<String> {
    cell.latest(|change| match change {
        Change::Data { of: None, name } => Some(name.clone()),
        _ => None,
    })
}

/// The assignment that changes views.
fn views(settings: &Settings, change: &ViewsChange) -> Result<String, String> {
    let views: Value = match change {
        ViewsChange::Replace(views) => {
            let view = |operations: &Vec<Value>| {
                Value::Table(
                    [("operations".to_owned(), Value::Array(operations.clone()))].into_iter().collect(),
                )
            };
            Value::Array(views.iter().map(view).collect())
        }
        ViewsChange::Remove(names) => {
            let mut views = settings.views.clone();
            let has = |name: &String| {
                views.iter().flat_map(|view| &view.operations).any(|operation| operation.name() == name)
            };
            if let Some(missing) = names.iter().find(|name| !has(name)) {
                return Err(format!("`{missing}` is to be removed, and is no operation of the views"));
            }
            for view in &mut views {
                view.operations.retain(|operation| !names.iter().any(|name| operation.name() == name));
            }
            Value::try_from(&views).map_err(|error| error.to_string())?
        }
    };
    Ok(format!("views={views}"))
}

/// The seed of the training, for whatever a cell does with its encoder: a repeated cell repeats all of it.
fn shared_seed(cell: &Cell) -> Option<&Value> {
    cell.latest(|change| match change {
        Change::Set { of: None, key, value } if key == "seed" => Some(value),
        _ => None,
    })
}

fn amount(cell: &Cell, protocol: &ProtocolUse) -> Option<LabelAmount> {
    cell.latest(|change| match change {
        Change::Labels { of, labels: Labels::Amount(amount) } if is_of(of, protocol) => Some(*amount),
        _ => None,
    })
}

/// The list of images whose labels a protocol learns from in a cell.
fn list(cell: &Cell, protocol: &ProtocolUse) -> Option<String> {
    cell.latest(|change| match change {
        Change::Labels { of, labels: Labels::List(file) } if is_of(of, protocol) => Some(file.clone()),
        _ => None,
    })
}

fn is_of(of: &Option<String>, protocol: &ProtocolUse) -> bool {
    of.as_ref().is_none_or(|of| *of == protocol.name)
}

fn labels(amount: LabelAmount) -> String {
    let (key, value) = amount.setting();
    format!("{key}={value}")
}

/// Takes a text out of settings.
pub(crate) fn taken(settings: &mut Table, key: &str) -> Result<Option<String>, String> {
    match settings.remove(key) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(format!("{key} = {other}, expected text")),
    }
}

/// Takes what says which labels and which seed out of settings.
fn draw(settings: &mut Table, cell: &Cell, protocol: &ProtocolUse) -> Result<Draw, String> {
    #[derive(serde::Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Said {
        label_share: f64,
        labels_per_class: usize,
        label_choice: LabelChoice,
        seed: u64,
    }
    impl Default for Said {
        fn default() -> Said {
            Said { label_share: 1.0, labels_per_class: 0, label_choice: LabelChoice::Stratified, seed: 0 }
        }
    }
    let mut said = Table::new();
    said.extend(shared_seed(cell).map(|seed| ("seed".to_owned(), seed.clone())));
    for key in ["label_share", "labels_per_class", "label_choice", "seed"] {
        said.extend(settings.remove_entry(key));
    }
    let mut said: Said = said.try_into().map_err(|error: toml::de::Error| error.message().to_owned())?;
    match amount(cell, protocol) {
        Some(LabelAmount::Share(share)) => (said.label_share, said.labels_per_class) = (share, 0),
        Some(LabelAmount::PerClass(count)) => (said.label_share, said.labels_per_class) = (1.0, count),
        None => {}
    }
    let Said { label_share, labels_per_class, label_choice, seed } = said;
    if !(label_share > 0.0 && label_share <= 1.0) {
        return Err(format!("label_share = {label_share}, expected above 0, up to 1"));
    }
    Ok(Draw { label_share, labels_per_class, label_choice, seed })
}

fn text(settings: &impl serde::Serialize) -> Result<String, Wrong> {
    toml::to_string(settings).map_err(|error| Wrong::Recipe(error.to_string()))
}

fn json(value: &Value) -> serde_json::Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// Puts the labels of axes into `{axis}` in all texts of a table.
fn substitute(table: &mut Table, labels: &BTreeMap<String, String>) {
    for (_, value) in table.iter_mut() {
        in_value(value, labels);
    }
}

fn in_value(value: &mut Value, labels: &BTreeMap<String, String>) {
    match value {
        Value::String(text) => *text = replaced(text, labels),
        Value::Array(values) => values.iter_mut().for_each(|value| in_value(value, labels)),
        Value::Table(table) => substitute(table, labels),
        _ => {}
    }
}

fn replaced(text: &str, labels: &BTreeMap<String, String>) -> String {
    labels.iter().fold(text.to_owned(), |text, (axis, label)| text.replace(&format!("{{{axis}}}"), label))
}
