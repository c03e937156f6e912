//! What can go wrong with studies.

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};

use twinlens_eval::EvalError;
use twinlens_lab::LabError;
use twinlens_report::ReportError;
use twinlens_run::RunError;

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StudyError {
    /// A recipe that cannot be, with everything that is wrong with it.
    #[error("{recipe}: {}", told(problems))]
    Recipe {
        /// Its name or file.
        recipe: String,
        /// What is wrong.
        problems: Vec<String>,
    },
    /// A name that no recipe has.
    #[error("there is no study `{name}`, and no file of that name")]
    NoRecipe {
        /// The name.
        name: String,
        /// The name that was probably meant.
        near: Option<String>,
    },
    /// A folder without a plan.
    #[error("{} holds no study", path.display())]
    NoPlan {
        /// The folder.
        path: PathBuf,
    },
    /// A folder with other things.
    #[error("{} is not empty and holds no study", path.display())]
    OtherFolder {
        /// The folder.
        path: PathBuf,
    },
    /// A file of weights that a recipe needs and nobody named.
    #[error("the study needs a file of weights that it calls `{name}`")]
    NoFile {
        /// What the recipe calls it.
        name: String,
    },
    /// A data set that was not found.
    #[error("the data set {name} of the study was not found")]
    NoData {
        /// Its name in the recipe.
        name: String,
        /// What looking for it gave.
        #[source]
        source: Box<LabError>,
    },
    /// Data that are no longer those of the plan.
    #[error("{name} is not what the study was planned with: SHA-256 {planned} then, {found} now")]
    OtherData {
        /// Its name in the recipe.
        name: String,
        /// What the plan says.
        planned: String,
        /// What was found.
        found: String,
    },
    /// A node that the plan does not have.
    #[error("the plan has no node {id}")]
    NoNode {
        /// The id that was given.
        id: String,
    },
    /// A unit that the plan does not have.
    #[error("level {level} of the plan has {count} units, so there is no number {nth}")]
    NoUnit {
        /// The level, from 0.
        level: usize,
        /// How many units it has.
        count: usize,
        /// The number that was asked for, from 0.
        nth: usize,
    },
    /// A node that another process is working on.
    #[error("{id} is being made by another worker: {holder}")]
    Held {
        /// The node.
        id: String,
        /// Host, process and time.
        holder: String,
    },
    /// A node whose inputs are not done.
    #[error("{id} cannot begin: {input} is not done")]
    Waiting {
        /// The node.
        id: String,
        /// What it waits for.
        input: String,
    },
    /// Nodes that failed.
    #[error("{failed} of {total} nodes failed; the first: {cause}")]
    Failed {
        /// How many.
        failed: usize,
        /// Of how many.
        total: usize,
        /// What the first said.
        cause: String,
    },
    /// A claim that another worker took over.
    #[error("another worker took over {id} while it was being made here; nothing was written")]
    Lost {
        /// The node.
        id: String,
    },
    /// It was asked to stop.
    #[error("stopped; everything so far is saved")]
    Interrupted,
    /// A plan, a node or a table that cannot be read.
    #[error("{}: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the reader says.
        reason: String,
    },
    /// A file or folder that cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What the lab says.
    #[error(transparent)]
    Lab(#[from] Box<LabError>),
    /// A file that cannot be written.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A picture that could not be drawn.
    #[error(transparent)]
    Report(#[from] ReportError),
}

impl From<LabError> for StudyError {
    fn from(error: LabError) -> StudyError {
        if error.is_interruption() { StudyError::Interrupted } else { StudyError::Lab(Box::new(error)) }
    }
}

impl From<EvalError> for StudyError {
    fn from(error: EvalError) -> StudyError {
        StudyError::from(LabError::from(error))
    }
}

/// What kind of failure an error is, for exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// Work that failed.
    Work,
    /// The recipe or the request.
    Request,
    /// The data.
    Data,
    /// The surroundings, now: something is missing, held or full.
    Surroundings,
    /// A stop that was asked for.
    Stop,
}

impl StudyError {
    pub(crate) fn io(path: impl AsRef<Path>, source: io::Error) -> StudyError {
        StudyError::Io { path: path.as_ref().to_path_buf(), source }
    }

    /// What kind of failure it is; none where what the lab says decides.
    pub fn blame(&self) -> Option<Blame> {
        Some(match self {
            StudyError::Recipe { .. }
            | StudyError::NoRecipe { .. }
            | StudyError::NoPlan { .. }
            | StudyError::OtherFolder { .. }
            | StudyError::NoFile { .. }
            | StudyError::NoNode { .. }
            | StudyError::NoUnit { .. } => Blame::Request,
            StudyError::NoData { .. } | StudyError::OtherData { .. } => Blame::Data,
            StudyError::Held { .. }
            | StudyError::Waiting { .. }
            | StudyError::Io { .. }
            | StudyError::Lost { .. } => Blame::Surroundings,
            StudyError::Failed { .. } | StudyError::Report(_) | StudyError::Unreadable { .. } => Blame::Work,
            StudyError::Interrupted => Blame::Stop,
            StudyError::Run(_) | StudyError::Lab(_) => return None,
        })
    }

    /// What to do about it, with arguments as `{argument}`, which a front end spells its own way.
    pub fn hint(&self) -> Option<Cow<'_, str>> {
        Some(match self {
            StudyError::NoRecipe { near: Some(near), .. } => format!("did you mean `{near}`?").into(),
            StudyError::NoRecipe { .. } => "`{studies}` lists them".into(),
            StudyError::NoPlan { .. } => "`{plan_study}` makes one".into(),
            StudyError::OtherFolder { .. } => "take another {out}".into(),
            StudyError::NoFile { name } => {
                format!("add {{file}} {name}=PATH; `{{import}}` makes one of another program's weights")
                    .into()
            }
            StudyError::NoData { name, source } => match source.hint() {
                Some(hint) => format!("{hint}, or say where it lies: {{data_at}} {name}=PATH").into(),
                None => format!("say where it lies: {{data_at}} {name}=PATH").into(),
            },
            StudyError::OtherData { .. } => {
                "plan the study anew in another folder, or give the data as they were".into()
            }
            StudyError::NoNode { .. } => "`{status}` lists the nodes".into(),
            StudyError::Failed { .. } => {
                "`{status} {failed}` tells why; `{retry}` makes them ready again".into()
            }
            StudyError::Held { .. } => {
                "wait for it; a claim that is not renewed for ten minutes is taken over".into()
            }
            StudyError::Waiting { .. } => {
                "make its input first: without {node}, a worker takes nodes in their order".into()
            }
            StudyError::Unreadable { .. } => {
                "was it written by another version of this program, or changed by hand?".into()
            }
            StudyError::Lab(error) => return error.hint(),
            StudyError::Run(error) => error.hint().into(),
            StudyError::Report(error) => error.hint().into(),
            _ => return None,
        })
    }
}

fn told(problems: &[String]) -> String {
    match problems {
        [one] => one.trim_end().to_owned(),
        several => {
            let lines: Vec<String> =
                several.iter().map(|one| format!("- {}", one.trim_end().replace('\n', "\n  "))).collect();
            format!("{} mistakes\n{}", several.len(), lines.join("\n"))
        }
    }
}
