//! `study list` and `study show`.

use serde_json::json;
use twinlens_study::budget::PAPER;
use twinlens_study::recipe::{Recipe, label_of};
use twinlens_study::recipes::RECIPES;

use crate::exit::Outcome;
use crate::terminal::Terminal;

/// Arguments of `study list`.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  twinlens study list
  twinlens study list --row P14 --json")]
pub struct ListArgs {
    /// Only studies that make this row of the sources' tables and figures, such as P14
    #[arg(long, value_name = "ROW")]
    pub row: Option<String>,
}

/// Arguments of `study show`.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  twinlens study show p/figure-14
  twinlens study show p/figure-14 --budget small")]
pub struct ShowArgs {
    /// A study of this program (`twinlens study list`), or a file
    #[arg(value_name = "ID")]
    pub study: String,
    /// How much of everything: paper, small, tiny
    #[arg(long, value_name = "NAME", default_value = PAPER)]
    pub budget: String,
}

/// Runs `study list`.
///
/// # Errors
/// When stdout cannot be written.
pub fn list(args: &ListArgs, terminal: &Terminal) -> Outcome {
    let recipes =
        RECIPES.iter().map(|(id, text)| Ok(Recipe::parse(id, text)?)).collect::<Outcome<Vec<_>>>()?;
    let is_asked = |recipe: &&Recipe| args.row.as_ref().is_none_or(|row| recipe.rows.contains(row));
    let recipes: Vec<&Recipe> = recipes.iter().filter(is_asked).collect();
    let hours = |recipe: &Recipe, budget: &str| recipe.budget.get(budget).and_then(|budget| budget.hours);
    let document = |recipe: &&Recipe| {
        let budgets: Vec<_> = recipe
            .budgets()
            .map(|name| {
                let on = recipe.budget.get(name).and_then(|budget| budget.on.clone());
                json!({ "name": name, "hours": hours(recipe, name), "on": on })
            })
            .collect();
        json!({ "id": recipe.id, "title": recipe.title, "rows": recipe.rows, "source": recipe.source, "budgets": budgets })
    };
    let documents: Vec<_> = recipes.iter().map(document).collect();
    terminal.result(&json!(documents), || {
        let row = |recipe: &&Recipe| {
            let small = hours(recipe, "small").map(|hours| format!("{hours} h")).unwrap_or_default();
            vec![recipe.id.clone(), recipe.rows.join(" "), small, recipe.title.clone()]
        };
        terminal
            .table(&["study", "rows", "small", "what it shows"], &recipes.iter().map(row).collect::<Vec<_>>())
    })
}

/// Runs `study show`.
///
/// # Errors
/// A study or a budget that does not exist.
pub fn show(args: &ShowArgs, terminal: &Terminal) -> Outcome {
    let (recipe, text) = Recipe::find(&args.study)?;
    let wrong = |problems| {
        crate::exit::Failure::from(twinlens_study::StudyError::Recipe {
            recipe: args.study.clone(),
            problems,
        })
    };
    let within = recipe.clone().within(&args.budget).map_err(wrong)?;
    let axes: Vec<_> = within
        .axes
        .iter()
        .map(|axis| {
            let levels = axis.levels().unwrap_or_default();
            let labels: Vec<String> = levels
                .iter()
                .filter_map(|level| level.labels.last())
                .map(|(_, label)| label.clone())
                .collect();
            (axis.name.clone(), labels)
        })
        .collect();
    let document = json!({
        "id": recipe.id,
        "title": recipe.title,
        "rows": recipe.rows,
        "source": recipe.source,
        "budget": args.budget,
        "setup": recipe.setup,
        "ours": recipe.ours,
        "data": within.data.learn,
        "axes": axes.iter().map(|(name, labels)| json!({ "name": name, "levels": labels })).collect::<Vec<_>>(),
        "protocols": within.protocols.iter().map(|one| json!({ "name": one.name, "kind": one.kind })).collect::<Vec<_>>(),
        "published": within.published.len(),
        "recipe": text,
    });
    terminal.result(&document, || {
        let mut shown = format!("{}\n", recipe.title);
        if !recipe.source.is_empty() {
            shown += &format!("after {}\n", recipe.source.join("; "));
        }
        let setup: Vec<String> =
            recipe.setup.iter().map(|(key, value)| format!("{key} = {}", label_of(value))).collect();
        shown +=
            &format!("\nthe source states: {}\nchosen here: {}\n", setup.join(", "), recipe.ours.join(", "));
        shown += &format!("\nwithin budget {}, on {}:\n", args.budget, within.data.learn.join(", "));
        for (name, labels) in &axes {
            shown += &format!("  {name}: {}\n", labels.join(", "));
        }
        let protocols: Vec<String> =
            within.protocols.iter().map(|one| format!("{} ({})", one.name, one.kind)).collect();
        shown += &format!("judged by: {}\n", protocols.join(", "));
        let (published, expected) = (within.published.len(), within.expect.len());
        shown += &format!("{published} published numbers, {expected} expected shapes\n");
        if let Some(note) = within.budget.get(&args.budget).and_then(|budget| budget.note.as_ref()) {
            shown += &format!("{note}\n");
        }
        shown
    })
}
