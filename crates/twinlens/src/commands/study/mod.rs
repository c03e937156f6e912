//! `study`: a recipe that varies, repeats and judges, as a plan, a table and a page.

mod list;
mod make;
mod plan;
mod status;
mod views_for;

use std::path::Path;

use clap::Subcommand;
use twinlens_study::plan::Plan;
use twinlens_study::recipe::Recipe;
use twinlens_study::store::Store;
use twinlens_study::worker::Tally;
use twinlens_study::{Blame, StudyError};

use crate::exit::{Exit, Failure, Outcome, spelled};
use crate::invocation::Invocation;
use crate::terminal::Terminal;

/// Arguments of `study`.
#[derive(Debug, clap::Args)]
pub struct StudyArgs {
    /// What to do.
    #[command(subcommand)]
    pub verb: StudyVerb,
}

/// What to do with studies.
#[derive(Debug, Subcommand)]
pub enum StudyVerb {
    /// List the studies of this program: tables and figures, with budgets and hours
    List(list::ListArgs),
    /// Show a study: what it varies, what its source states, what it found
    Show(list::ShowArgs),
    /// Resolve every cell of a study and write its plan; nothing is trained
    Plan(Box<plan::PlanArgs>),
    /// Make what is ready of a plan, or plan a study and make it
    Run(Box<make::RunArgs>),
    /// Tell how a study stands: what is done, held, failed
    Status(status::StatusArgs),
    /// Make failed trainings and judgements of a study ready again
    Retry(status::RetryArgs),
    /// Draw the table and the page of a study from what is there
    Report(make::ReportArgs),
    /// Add numbers from elsewhere to a study, from a CSV
    Import(status::ImportArgs),
    /// Remove results that no plan needs
    Clean(status::CleanArgs),
    /// Tell which operations of views keep a property of images and which remove a nuisance
    ViewsFor(Box<views_for::ViewsForArgs>),
}

/// Runs `study`.
///
/// # Errors
/// A recipe, data or a folder that cannot be used; work that fails or is stopped.
pub fn run(args: &StudyArgs, invocation: &Invocation, terminal: &Terminal) -> Outcome {
    match &args.verb {
        StudyVerb::List(args) => list::list(args, terminal),
        StudyVerb::Show(args) => list::show(args, terminal),
        StudyVerb::Plan(args) => plan::run(args, invocation, terminal),
        StudyVerb::Run(args) => make::run(args, invocation, terminal),
        StudyVerb::Status(args) => status::status(args, terminal),
        StudyVerb::Retry(args) => status::retry(args, terminal),
        StudyVerb::Report(args) => make::report(args, terminal),
        StudyVerb::Import(args) => status::import(args, terminal),
        StudyVerb::Clean(args) => status::clean(args, terminal),
        StudyVerb::ViewsFor(args) => views_for::run(args, invocation, terminal),
    }
}

/// The plan in a folder, with its recipe and its results.
fn open(path: &Path) -> Outcome<(Plan, Recipe, Store)> {
    let (plan, recipe) = Plan::read(path)?;
    let store = plan.store_in(path);
    Ok((plan, recipe, store))
}

/// How nodes stand, in a few words.
fn in_words(tally: &Tally) -> String {
    let states: Vec<String> = tally.states.iter().map(|(state, count)| format!("{count} {state}")).collect();
    format!("{} trainings and judgements: {}", tally.nodes, states.join(", "))
}

impl From<StudyError> for Failure {
    fn from(error: StudyError) -> Failure {
        let hint = error.hint().map(|hint| spelled(&hint));
        let exit = match error.blame() {
            Some(Blame::Work) => Exit::Failed,
            Some(Blame::Request) => Exit::Usage,
            Some(Blame::Data) => Exit::Data,
            Some(Blame::Surroundings) => Exit::Environment,
            Some(Blame::Stop) => Exit::Interrupted,
            None => match error {
                StudyError::Lab(error) => return Failure::from(*error),
                StudyError::Run(error) => return Failure::from(error),
                error => return Failure::new(Exit::Failed, error).advised(hint),
            },
        };
        Failure::new(exit, error).advised(hint)
    }
}
