//! The plan of a study: its nodes, its cells, and the data that they are of. It is frozen, so that every machine runs the same.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use twinlens_lab::{Lab, encoder_file, read_encoder, weights_sha256};
use twinlens_run::write_atomically;

use crate::StudyError;
use crate::axes::{Cell, cells};
use crate::data::{DataSets, Places, PlannedData};
use crate::estimate::Estimate;
use crate::node::{Node, Work};
use crate::recipe::{ProtocolUse, Recipe};
use crate::resolve::{Resolver, Wrong};
use crate::store::{Store, read_json, write_json};

/// The most nodes that a study has unless more are asked for: a typing error must not plan a month.
pub const MOST: usize = 10_000;

/// The files of a study's folder.
pub const PLAN: &str = "plan.json";
/// The recipe, as it was read.
pub const RECIPE: &str = "recipe.toml";
/// The results.
pub const STORE: &str = "store";

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The budget; `paper` where none is named.
    pub budget: Option<String>,
    /// Levels of axes that take the place of the recipe's, by axis.
    pub axes: BTreeMap<String, toml::Value>,
    /// Where data sets lie, by name.
    pub places: Places,
    /// Files of weights, by their names in the recipe.
    pub files: BTreeMap<String, PathBuf>,
    /// The most nodes; 0 for [`MOST`].
    pub most: usize,
    /// The folder of results; that of the study where none is named.
    pub store: Option<PathBuf>,
}

/// Files of weights by their names in the recipe.
pub type Files = BTreeMap<String, PlannedFile>;

/// A file of weights of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedFile {
    /// Where it lies.
    pub path: PathBuf,
    /// SHA-256 of the weights in it.
    pub sha256: String,
}

/// The plan of a study.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Version of this form.
    pub schema_version: u32,
    /// The recipe's name.
    pub study: String,
    /// The budget's.
    pub budget: String,
    /// SHA-256 of the recipe's text.
    pub recipe_sha256: String,
    /// Levels that were asked for in place of the recipe's, as TOML.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub axes: BTreeMap<String, String>,
    /// The data sets.
    pub data: Vec<PlannedData>,
    /// Where they lay when the plan was made.
    pub places: Places,
    /// Files of weights.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: Files,
    /// What trainings would take, by node, where that was asked for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub estimates: BTreeMap<String, Estimate>,
    /// The folder of results, where it is another than [`STORE`] in that of the study.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<PathBuf>,
    /// The nodes, each after its input.
    pub nodes: Vec<Node>,
    /// What is shown of which node.
    pub cells: Vec<PlannedCell>,
}

/// A cell and the node that it shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedCell {
    /// The protocol, by its name in the recipe.
    pub protocol: String,
    /// The label of each axis.
    pub at: BTreeMap<String, String>,
    /// Where it lies along axes of numbers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub numbers: BTreeMap<String, f64>,
    /// Row and column of axes that are matrices.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pairs: BTreeMap<String, (String, String)>,
    /// The operations that an axis gives its views.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operations: Vec<String>,
    /// The node.
    pub node: String,
}

/// Version of [`Plan`].
const SCHEMA_VERSION: u32 = 1;

impl Plan {
    /// Resolves every cell of a study; nothing is written.
    ///
    /// # Errors
    /// Everything that is wrong with the recipe, in one report; data or files of weights that are not there.
    pub fn make(recipe: &Recipe, text: &str, request: &Request, lab: &Lab<'_>) -> Result<Plan, StudyError> {
        let budget = request.budget.clone().unwrap_or_else(|| crate::budget::PAPER.to_owned());
        let wrong = |problems| StudyError::Recipe { recipe: recipe.id.clone(), problems };
        let mut study = recipe.clone().within(&budget).map_err(wrong)?;
        let problems: Vec<String> =
            request.axes.iter().filter_map(|(axis, levels)| study.vary(axis, levels).err()).collect();
        if !problems.is_empty() {
            return Err(wrong(problems));
        }
        let data = DataSets::new(&request.places, lab);
        let files = planned_files(&request.files)?;
        let most = if request.most == 0 { MOST } else { request.most };
        let mut drawing = Drawing { nodes: Vec::new(), at: BTreeMap::new(), cells: Vec::new() };
        drawing.draw(&study, &Resolver::new(&study, &data, &files), most)?;
        let axes = request.axes.iter().map(|(axis, levels)| (axis.clone(), levels.to_string())).collect();
        let planned = data.planned();
        let names = planned.iter().flat_map(|one| std::iter::once(&one.name).chain(&one.joined));
        let places = names.map(|name| (name.clone(), data.place(name))).collect();
        Ok(Plan {
            schema_version: SCHEMA_VERSION,
            study: study.id.clone(),
            budget,
            recipe_sha256: crate::node::sha256(text.as_bytes()),
            axes,
            data: planned,
            places,
            files,
            estimates: BTreeMap::new(),
            store: request.store.clone(),
            nodes: drawing.nodes,
            cells: drawing.cells,
        })
    }

    /// Writes the plan with its recipe into the folder `path`, which is made; what is done there stays done.
    ///
    /// # Errors
    /// A folder with other things, or that cannot be written.
    pub fn write(&self, path: &Path, recipe: &str) -> Result<(), StudyError> {
        let failed = |error| StudyError::io(path, error);
        let empty = !path.exists() || std::fs::read_dir(path).map_err(failed)?.next().is_none();
        if !empty && !path.join(PLAN).is_file() {
            return Err(StudyError::OtherFolder { path: path.to_path_buf() });
        }
        std::fs::create_dir_all(path).map_err(failed)?;
        write_atomically(&path.join(RECIPE), recipe.as_bytes())?;
        write_json(&path.join(PLAN), self)
    }

    /// Writes the plan into the folder of its study, where it is already.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub fn write_again(&self, path: &Path) -> Result<(), StudyError> {
        write_json(&path.join(PLAN), self)
    }

    /// The plan in the folder of a study, and its recipe within the budget.
    ///
    /// # Errors
    /// A folder without a plan; files that cannot be read.
    pub fn read(path: &Path) -> Result<(Plan, Recipe), StudyError> {
        let plan: Option<Plan> = read_json(&path.join(PLAN))?;
        let plan = plan.ok_or_else(|| StudyError::NoPlan { path: path.to_path_buf() })?;
        let file = path.join(RECIPE);
        let text = std::fs::read_to_string(&file).map_err(|error| StudyError::io(&file, error))?;
        let recipe = Recipe::parse(&file.display().to_string(), &text)?;
        let wrong = |problems| StudyError::Recipe { recipe: file.display().to_string(), problems };
        let mut recipe = recipe.within(&plan.budget).map_err(wrong)?;
        for (axis, levels) in &plan.axes {
            let value: toml::Table =
                format!("value = {levels}").parse().map_err(|error: toml::de::Error| {
                    StudyError::Unreadable { path: path.join(PLAN), reason: error.to_string() }
                })?;
            recipe.vary(axis, &value["value"]).map_err(|problem| wrong(vec![problem]))?;
        }
        Ok((plan, recipe))
    }

    /// The results of the study in the folder `path`.
    pub fn store_in(&self, path: &Path) -> Store {
        Store::at(self.store.clone().unwrap_or_else(|| path.join(STORE)))
    }

    /// The places of its nodes, by their identities.
    pub(crate) fn numbers(&self) -> BTreeMap<&str, usize> {
        self.nodes.iter().enumerate().map(|(at, node)| (node.id.as_str(), at)).collect()
    }

    /// The node of that identity.
    pub fn node(&self, id: &str) -> Option<&Node> {
        self.nodes.iter().find(|node| node.id == id)
    }
}

impl Recipe {
    /// Takes other levels of an axis.
    fn vary(&mut self, axis: &str, levels: &toml::Value) -> Result<(), String> {
        let names: Vec<String> =
            self.axes.iter().flat_map(|axis| axis.all()).map(|axis| axis.name.clone()).collect();
        match self.axes.iter_mut().find(|one| one.name == axis) {
            Some(known) => known.keep(levels),
            None => {
                let near = twinlens_config::nearest(axis, names.iter().map(String::as_str));
                let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                Err(format!("there is no axis `{axis}`{near}"))
            }
        }
    }
}

fn planned_files(files: &BTreeMap<String, PathBuf>) -> Result<Files, StudyError> {
    let planned = |(name, path): (&String, &PathBuf)| {
        let file = read_encoder(path).map_err(StudyError::from)?;
        let own = encoder_file(path);
        let path = if own.is_file() { own } else { path.clone() };
        let path = std::path::absolute(&path).unwrap_or(path);
        Ok((name.clone(), PlannedFile { path, sha256: weights_sha256(&file) }))
    };
    files.iter().map(planned).collect()
}

/// Nodes and cells as they come.
struct Drawing {
    nodes: Vec<Node>,
    at: BTreeMap<String, usize>,
    cells: Vec<PlannedCell>,
}

impl Drawing {
    fn draw(&mut self, study: &Recipe, resolver: &Resolver<'_>, most: usize) -> Result<(), StudyError> {
        let mut problems: Vec<(String, String, usize)> = Vec::new();
        let protocols: Vec<Option<&ProtocolUse>> = match study.protocols.as_slice() {
            [] => vec![None],
            protocols => protocols.iter().map(Some).collect(),
        };
        let mut used = BTreeSet::new();
        for protocol in protocols {
            let crossed = cells(study, protocol, most);
            let crossed = match crossed {
                Ok(crossed) => crossed,
                Err(problem) => {
                    problems.push((problem, String::new(), 1));
                    continue;
                }
            };
            let count = crossed.len();
            for (number, cell) in crossed.iter().enumerate() {
                match resolver.chain(cell, protocol) {
                    Ok(chain) => {
                        used.extend(cell.labels.keys().cloned());
                        self.add(cell, protocol, chain);
                    }
                    Err(Wrong::Other(error)) => return Err(error),
                    Err(Wrong::Recipe(problem)) => {
                        let place = format!("cell {} of {count} ({})", number + 1, cell.name());
                        match problems.iter_mut().find(|(known, ..)| *known == problem) {
                            Some((_, _, times)) => *times += 1,
                            None => problems.push((problem, place, 1)),
                        }
                    }
                }
                if self.nodes.len() > most {
                    problems.push((
                        format!("the study has more than {most} trainings and judgements"),
                        String::new(),
                        1,
                    ));
                    return Err(told(study, problems));
                }
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(told(study, problems)) }
    }

    fn add(&mut self, cell: &Cell, protocol: Option<&ProtocolUse>, chain: Vec<Node>) {
        let shown = chain.last().map(|node| node.id.clone()).unwrap_or_default();
        for node in chain {
            match self.at.get(&node.id) {
                Some(&at) => self.nodes[at].keep_also(&node),
                None => {
                    self.at.insert(node.id.clone(), self.nodes.len());
                    self.nodes.push(node);
                }
            }
        }
        self.cells.push(PlannedCell {
            protocol: protocol
                .map_or_else(|| crate::recipe::BASE.to_owned(), |protocol| protocol.name.clone()),
            at: cell.labels.clone(),
            numbers: cell.numbers.clone(),
            pairs: cell.pairs.clone(),
            operations: cell.operations.clone(),
            node: shown,
        });
    }
}

impl Node {
    /// Keeps the encoders of the epochs that `other`, which is the same node of another cell, keeps.
    fn keep_also(&mut self, other: &Node) {
        let keeps = other.keeps().to_vec();
        if let Work::Train(training) = &mut self.work {
            training.keep.extend(keeps);
            training.keep.sort_unstable();
            training.keep.dedup();
        }
    }
}

/// Everything that is wrong, each once, with the first cell that it is wrong in.
fn told(study: &Recipe, problems: Vec<(String, String, usize)>) -> StudyError {
    let told = |(problem, place, times): (String, String, usize)| match (place.as_str(), times) {
        ("", _) => problem,
        (place, 1) => format!("{place}: {problem}"),
        (place, times) => format!("{place} and {} more: {problem}", times - 1),
    };
    StudyError::Recipe { recipe: study.id.clone(), problems: problems.into_iter().map(told).collect() }
}
