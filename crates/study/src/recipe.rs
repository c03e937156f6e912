//! A study as it is written: one TOML file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;
use toml::{Table, Value};
use twinlens_eval::clustering::CLUSTER_MEASURES;
use twinlens_eval::health::HEALTH_MEASURES;
use twinlens_eval::metrics::{MEASURES, TAG_MEASURES};
use twinlens_eval::retrieval::RETRIEVAL_MEASURES;

use crate::analyses::AnalysisUse;
use crate::axes::{AxisSpec, Cell, cells};
use crate::budget::Budget;
use crate::expect::Expectation;
use crate::page::PageSpec;
use crate::published::{Published, PublishedGrid, Rival};
use crate::{StudyError, recipes};

/// What a study varies, what it learns and judges, what its source found, and what is expected.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Its name.
    pub id: String,
    /// What it shows, in one line.
    pub title: String,
    /// The rows of the list of tables and figures that it makes.
    #[serde(default)]
    pub rows: Vec<String>,
    /// Documents, with table or figure.
    #[serde(default)]
    pub source: Vec<String>,
    /// What the source states of its own set-up, as dotted keys.
    #[serde(default)]
    pub setup: Table,
    /// Keys of what the source does not state.
    #[serde(default)]
    pub ours: Vec<String>,
    /// What is learned from and judged on.
    pub data: DataSpec,
    /// The training that axes vary: `preset`, and settings. None where only files are judged.
    #[serde(default)]
    pub base: Option<Table>,
    /// What is varied.
    #[serde(default)]
    pub axes: Vec<AxisSpec>,
    /// Cells that the source does not have.
    #[serde(default)]
    pub skip: Vec<At>,
    /// How encoders are judged.
    #[serde(default)]
    pub protocols: Vec<ProtocolUse>,
    /// What is made of the numbers of protocols.
    #[serde(default)]
    pub analyses: Vec<AnalysisUse>,
    /// What is drawn.
    #[serde(default)]
    pub pages: Vec<PageSpec>,
    /// What the source found.
    #[serde(default)]
    pub published: Vec<Published>,
    /// The same as tables; read into the list above.
    #[serde(default)]
    pub published_grid: Vec<PublishedGrid>,
    /// What others found, whom the study does not train, by the same measure.
    #[serde(default)]
    pub rivals: Vec<Rival>,
    /// Shapes that are tested.
    #[serde(default)]
    pub expect: Vec<Expectation>,
    /// Smaller forms of the study, by name; `paper` is the study as it stands.
    #[serde(default)]
    pub budget: BTreeMap<String, Budget>,
}

/// `data`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSpec {
    /// The data set that is learned from, by name; several are learned from as one.
    pub learn: Vec<String>,
    /// The one that is judged on, where it is another than the first.
    #[serde(default)]
    pub judge: Option<String>,
    /// How data sets are read: the keys of `data_options`.
    #[serde(default)]
    pub options: Table,
}

impl DataSpec {
    /// The data set that is judged on.
    pub fn judged(&self) -> &str {
        self.judge.as_deref().or(self.learn.first().map(String::as_str)).unwrap_or_default()
    }
}

/// `protocols`: one way in which encoders are judged.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct ProtocolUse {
    /// What measures and axes call it.
    pub name: String,
    /// A protocol of `list protocols`, `probe` for the linear one, `finetune`, or `import` for numbers from outside.
    pub kind: String,
    /// What it judges: `base`, or the encoders of another protocol that fine-tunes.
    #[serde(default = "of_base")]
    pub from: String,
    /// What it judges on, where it is another data set than that of the study.
    #[serde(default)]
    pub data: Option<String>,
    /// How it reads what it judges on, where that is another way: keys of `data_options` over those of the study.
    #[serde(default)]
    pub options: Table,
    /// The only cells in which it is used.
    #[serde(default)]
    pub at: At,
    /// Its settings, and how many labels it learns from.
    #[serde(flatten)]
    pub settings: Table,
}

/// What [`ProtocolUse::from`] calls the pre-training.
pub const BASE: &str = "base";

/// What [`ProtocolUse::kind`] calls fine-tuning.
pub const FINETUNE: &str = "finetune";

/// What [`ProtocolUse::kind`] calls numbers that another program measures and `study import` brings.
const IMPORT: &str = "import";

fn of_base() -> String {
    BASE.to_owned()
}

impl ProtocolUse {
    /// Whether it trains.
    pub fn tunes(&self) -> bool {
        self.kind == FINETUNE
    }

    /// Whether its numbers come from outside.
    pub fn imports(&self) -> bool {
        self.kind == IMPORT
    }

    /// The name of its protocol among those that judge.
    pub fn protocol(&self) -> &str {
        if self.kind == "probe" { "linear-probe" } else { &self.kind }
    }
}

/// Some cells: values of axes, one or several each.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(transparent)]
pub struct At(pub BTreeMap<String, Value>);

impl At {
    /// Whether a cell with these labels of axes is among them. An axis that the cell does not have fits no value.
    pub fn has(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|(axis, wanted)| {
            let is = |value: &Value| labels.get(axis).is_some_and(|label| *label == label_of(value));
            match wanted {
                Value::Array(any) => any.iter().any(is),
                one => is(one),
            }
        })
    }
}

/// What a value is called in tables.
pub fn label_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Float(number) => number.to_string(),
        Value::Table(table) => match table.get("op").or_else(|| table.get("name")) {
            Some(name) => label_of(name),
            None => value.to_string(),
        },
        Value::Array(values) => values.iter().map(label_of).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

impl Recipe {
    /// The recipe in the text of a file called `name`.
    ///
    /// # Errors
    /// [`StudyError::Recipe`] with the line that is wrong; names that are used twice or by nothing.
    pub fn parse(name: &str, text: &str) -> Result<Recipe, StudyError> {
        let wrong = |reason: String| StudyError::Recipe { recipe: name.to_owned(), problems: vec![reason] };
        let mut recipe: Recipe = toml::from_str(text).map_err(|error| wrong(error.to_string()))?;
        for grid in std::mem::take(&mut recipe.published_grid) {
            recipe.published.extend(grid.entries().map_err(wrong)?);
        }
        match recipe.problems() {
            problems if problems.is_empty() => Ok(recipe),
            problems => Err(StudyError::Recipe { recipe: name.to_owned(), problems }),
        }
    }

    /// The recipe called `name` and its text: one of the program's, or a file.
    ///
    /// # Errors
    /// A name that no recipe has; a file that cannot be read; as [`Recipe::parse`].
    pub fn find(name: &str) -> Result<(Recipe, String), StudyError> {
        let own = recipes::RECIPES.iter().find(|(id, _)| *id == name);
        let text = match own {
            Some((_, text)) => (*text).to_owned(),
            None if Path::new(name).is_file() => {
                std::fs::read_to_string(name).map_err(|error| StudyError::io(name, error))?
            }
            None => {
                let known = || recipes::RECIPES.iter().map(|(id, _)| *id);
                let near = twinlens_config::nearest(name, known()).map(str::to_owned);
                return Err(StudyError::NoRecipe { name: name.to_owned(), near });
            }
        };
        Ok((Recipe::parse(name, &text)?, text))
    }

    /// The protocol called `name`.
    pub fn protocol(&self, name: &str) -> Option<&ProtocolUse> {
        self.protocols.iter().find(|protocol| protocol.name == name)
    }

    /// The protocol and those that it judges the encoders of, itself first.
    pub fn chain<'a>(&'a self, protocol: &'a ProtocolUse) -> Vec<&'a ProtocolUse> {
        let mut chain = vec![protocol];
        let mut from = protocol.from.as_str();
        while let Some(next) =
            self.protocol(from).filter(|next| chain.iter().all(|one| one.name != next.name))
        {
            chain.push(next);
            from = &next.from;
        }
        chain
    }

    /// What is wrong with it that no line shows.
    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.data.learn.is_empty() {
            problems.push("`data.learn` names no data set".to_owned());
        }
        let axes: Vec<&AxisSpec> = self.axes.iter().flat_map(AxisSpec::all).collect();
        let names: Vec<&str> = axes.iter().map(|axis| axis.name.as_str()).collect();
        problems.extend(repeated(&names).map(|name| format!("two axes are called `{name}`")));
        let protocols: Vec<&str> = self.protocols.iter().map(|protocol| protocol.name.as_str()).collect();
        problems.extend(repeated(&protocols).map(|name| format!("two protocols are called `{name}`")));
        problems.extend(axes.iter().flat_map(|axis| axis.problems()));
        problems.extend(self.wrong_analyses(&names));
        let unknown = |what: &str, name: &str, known: &[&str]| {
            let near = twinlens_config::nearest(name, known.iter().copied());
            let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            format!("{what} `{name}`, which does not exist{near}")
        };
        for axis in &axes {
            if let Some(of) = axis.of.as_deref().filter(|of| !protocols.contains(of)) {
                problems.push(unknown(&format!("axis `{}` is of", axis.name), of, &protocols));
            }
        }
        for protocol in &self.protocols {
            if protocol.from != BASE && !protocols.contains(&protocol.from.as_str()) {
                problems.push(unknown(&format!("`{}` judges", protocol.name), &protocol.from, &protocols));
            }
        }
        let restricted = self.protocols.iter().map(|one| ("protocols", &one.at));
        let restricted = restricted.chain(self.analyses.iter().map(|one| ("analyses", &one.at)));
        let restricted = restricted.chain(self.skip.iter().map(|one| ("skip", one)));
        let restricted = restricted.chain(axes.iter().map(|axis| ("only", &axis.only)));
        for (what, at) in restricted {
            let missing = at.0.keys().filter(|name| !names.contains(&name.as_str()));
            problems.extend(missing.map(|name| unknown(&format!("`{what}` names the axis"), name, &names)));
        }
        let mut keys: Vec<(Option<&str>, &str)> = Vec::new();
        for axis in &self.axes {
            let own: BTreeSet<(Option<&str>, &str)> =
                axis.all().iter().flat_map(|axis| axis.keys()).collect();
            for (of, key) in own {
                if keys.contains(&(of, key)) {
                    problems.push(format!("two axes change `{key}`: what one says the other would undo"));
                }
                keys.push((of, key));
            }
        }
        problems.extend(self.measures().filter_map(|(place, measure)| {
            let reason = self.wrong_measure(measure)?;
            Some(format!("{place} names the measure `{measure}`: {reason}"))
        }));
        problems.extend(self.protocols.iter().flat_map(|protocol| self.unmatched(protocol)));
        if self.base.is_none() && self.protocols.is_empty() {
            problems.push("there is neither a `base` to train nor a protocol to judge by".to_owned());
        }
        problems
    }
}

impl Recipe {
    /// Every measure that it names, and where.
    fn measures(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let pages = self.pages.iter().flat_map(|page| page.measure.iter().chain(&page.beside));
        let pages = pages.map(|measure| ("`pages`", measure.as_str()));
        let expected = self.expect.iter().filter_map(|one| Some(("`expect`", one.measure.as_deref()?)));
        let chosen = self.axes.iter().flat_map(AxisSpec::all).filter_map(|axis| axis.choose.as_ref());
        let chosen = chosen.map(|choose| ("`choose`", choose.measure.as_str()));
        let published = self.published.iter().map(|one| ("`published`", one.measure.as_str()));
        let rivals = self.rivals.iter().map(|one| ("`rivals`", one.measure.as_str()));
        let analysed = self.analyses.iter().flat_map(|one| one.kind.sources());
        let analysed = analysed.map(|measure| ("`analyses`", measure));
        pages.chain(expected).chain(chosen).chain(published).chain(rivals).chain(analysed)
    }

    /// What is wrong with analyses but for their measures: names that come twice, axes and other analyses that are not there.
    fn wrong_analyses(&self, axes: &[&str]) -> Vec<String> {
        let names: Vec<&str> = self.analyses.iter().map(|one| one.name.as_str()).collect();
        let all: Vec<&str> =
            self.protocols.iter().map(|one| one.name.as_str()).chain(names.iter().copied()).collect();
        let mut problems: Vec<String> = repeated(&all)
            .filter(|name| names.contains(name))
            .map(|name| format!("`{name}` names an analysis and something else"))
            .collect();
        for (at, one) in self.analyses.iter().enumerate() {
            let missing = one.kind.axes().into_iter().filter(|axis| !axes.contains(axis));
            problems.extend(
                missing
                    .map(|axis| format!("the analysis `{}` is along `{axis}`, which is no axis", one.name)),
            );
            let missing = one.kind.builds_on().into_iter().filter(|of| !names[..at].contains(of));
            problems.extend(missing.map(|of| {
                format!("the analysis `{}` is of `{of}`, which is no analysis before it", one.name)
            }));
            let properties = one.kind.protocols().into_iter().filter(|name| self.protocol(name).is_none());
            problems.extend(properties.map(|name| {
                format!("the analysis `{}` needs the protocol `{name}`, which does not exist", one.name)
            }));
        }
        problems
    }

    /// Why there is no measure of that name.
    fn wrong_measure(&self, measure: &str) -> Option<String> {
        let Some((protocol, split, id)) = crate::table::parts(measure) else {
            return Some("expected PROTOCOL.SPLIT.MEASURE, such as linear.test.accuracy".to_owned());
        };
        let known = || self.protocols.iter().map(|one| one.name.as_str());
        if let Some(analysis) = self.analyses.iter().find(|one| one.name == protocol) {
            let own = id.split('.').next().unwrap_or_default();
            let known: Vec<&str> = analysis.kind.measures().collect();
            return (!known.contains(&own)).then(|| format!("it measures {}", known.join(", ")));
        }
        let Some(used) = self.protocol(protocol) else {
            let near = twinlens_config::nearest(protocol, known());
            let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            return Some(format!("there is no protocol `{protocol}`{near}"));
        };
        const SPLITS: [&str; 4] = ["train", "val", "test", "all"];
        if !SPLITS.contains(&split) {
            return Some(format!("there is no split `{split}`; there are {}", SPLITS.join(", ")));
        }
        let id = id.split('.').next().unwrap_or_default();
        let known = known_measures();
        if used.imports() || known.contains(&id) {
            return None;
        }
        let near = twinlens_config::nearest(id, known.iter().copied());
        let near = near.map_or_else(
            || format!("; there are {}", known.join(", ")),
            |near| format!("; did you mean `{near}`?"),
        );
        Some(format!("nothing measures `{id}`{near}"))
    }

    /// The published numbers of a protocol that can stand beside no cell.
    fn unmatched(&self, protocol: &ProtocolUse) -> Vec<String> {
        let is_of = |number: &&Published| {
            crate::table::parts(&number.measure).is_some_and(|(name, ..)| name == protocol.name)
        };
        // An axis that cannot be is told by itself.
        let Ok(cells) = cells(self, Some(protocol), usize::MAX) else { return Vec::new() };
        let repeats = self.repeats();
        let without_repeats = |cell: Cell| {
            let mut at = cell.labels;
            repeats.iter().for_each(|axis| drop(at.remove(axis)));
            at
        };
        let places: BTreeSet<BTreeMap<String, String>> = cells.into_iter().map(without_repeats).collect();
        let lost =
            self.published.iter().filter(is_of).filter(|number| !places.iter().any(|at| number.is_of(at)));
        let told = |number: &Published| {
            let at: Vec<String> =
                number.at.0.iter().map(|(axis, value)| format!("{axis} = {}", label_of(value))).collect();
            format!("the published {} at {} fits no cell of the study", number.measure, at.join(", "))
        };
        lost.map(told).collect()
    }
}

/// What protocols measure.
fn known_measures() -> Vec<&'static str> {
    let of_predictions = MEASURES.iter().map(|one| one.id);
    let of_tags = TAG_MEASURES.iter().map(|one| one.id);
    let of_retrieval = RETRIEVAL_MEASURES.iter().map(|one| one.id);
    let of_clusters = CLUSTER_MEASURES.iter().map(|one| one.id);
    let of_health = HEALTH_MEASURES.iter().map(|one| one.id);
    let of_images = of_predictions.chain(["recall", "confusion"]).chain(of_tags).chain(of_retrieval);
    of_images.chain(of_clusters).chain(of_health).collect()
}

/// Names that come more than once, each once.
fn repeated<'a>(names: &'a [&'a str]) -> impl Iterator<Item = &'a str> {
    let first = |at: usize| names.iter().position(|name| *name == names[at]);
    (0..names.len())
        .filter(move |&at| first(at) == Some(at) && names[at + 1..].contains(&names[at]))
        .map(|at| names[at])
}
