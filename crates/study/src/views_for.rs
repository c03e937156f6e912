//! Which views for my question? A small sweep over operations that tells which keep a property and which remove a nuisance.
//!
//! An encoder becomes blind to what differs between two views of an image (Bizeul and others call it the style) and keeps what they
//! share. So views can be chosen by a question: what must be told apart (a treatment), and what must not be (the plate, brightness). Each
//! operation is added alone to a crop and a flip, encoders are trained over several seeds, and linear probes of the property and of the
//! nuisance are compared with those of the crop and the flip, seed by seed. Held-out images are the same for both.

use std::fmt::Write;
use std::path::Path;

use serde::Serialize;
use toml::{Table, Value};
use twinlens_eval::analyses::{Tested, difference};
use twinlens_run::write_atomically;
use twinlens_views::{BuildContext, Policy, ViewPolicy};

use crate::StudyError;
use crate::plan::Plan;
use crate::store::Store;
use crate::table::Results;

/// What the data set is called in the recipe.
pub const IMAGES: &str = "images";

/// The level of intervals.
const LEVEL: f64 = 0.95;

/// What is trained without any of the operations, by name.
const PLAIN: &str = "crop and flip";

/// The crop that takes at least half of an image, and the flip: what every encoder sees.
const CROP: &str = r#"{ op = "random_resized_crop", scale = [0.5, 1.0] }"#;
const FLIP: &str = r#"{ op = "horizontal_flip", p = 0.5 }"#;

/// What is tried: a name, and the operations that come to the flip; with the crop, or with one of their own.
const TRIED: [(&str, &str, &str); 7] = [
    ("small crops", r#"{ op = "random_resized_crop", scale = [0.08, 1.0] }"#, ""),
    (
        "weak jitter",
        CROP,
        r#"{ op = "color_jitter", brightness = 0.2, contrast = 0.2, saturation = 0.2, hue = 0.05, p = 0.8 }"#,
    ),
    (
        "strong jitter",
        CROP,
        r#"{ op = "color_jitter", brightness = 0.8, contrast = 0.8, saturation = 0.8, hue = 0.2, p = 0.8 }"#,
    ),
    ("grayscale", CROP, r#"{ op = "grayscale", p = 0.5 }"#),
    ("blur", CROP, r#"{ op = "gaussian_blur", sigma = [0.1, 2.0], p = 0.5 }"#),
    ("turns", CROP, r#"{ op = "rot90" }, { op = "vertical_flip", p = 0.5 }"#),
    ("shear and shift", CROP, r#"{ op = "affine", degrees = 20.0, translate = [0.1, 0.1], shear = 10.0 }"#),
];

/// A question to a data set.
#[derive(Clone, Debug)]
pub struct Question {
    /// What must be told apart: a column, `class`, or `brightness`.
    pub keep: Option<String>,
    /// What must not be told apart.
    pub ignore: Option<String>,
    /// The preset of the training.
    pub preset: String,
    /// Its epochs.
    pub epochs: usize,
    /// Images in a batch.
    pub batch: usize,
    /// Seeds that each training is repeated with.
    pub seeds: Vec<u64>,
    /// How the images are read.
    pub options: Table,
}

impl Question {
    /// The study that answers it, as text: operations that images of `context` can have.
    ///
    /// # Errors
    /// Options that cannot be written.
    pub fn recipe(&self, context: &BuildContext) -> Result<String, StudyError> {
        let mut text = String::new();
        let mut line = |words: &str| {
            text.push_str(words);
            text.push('\n');
        };
        line("id = \"views-for\"");
        line("title = \"Which operations keep a property and remove a nuisance\"");
        line(&format!("data = {{ learn = [\"{IMAGES}\"], options = {} }}", inline(&self.options)));
        line(&format!(
            "base = {{ preset = {:?}, epochs = {}, batch = {}, precision = \"auto\" }}",
            self.preset, self.epochs, self.batch
        ));
        let sets: Vec<String> = candidates(context)
            .iter()
            .map(|(name, operations)| {
                format!("    {{ name = \"{name}\", set = {{ views = [{{ count = 2, operations = [{operations}] }}] }} }}")
            })
            .collect();
        let seeds: Vec<String> = self.seeds.iter().map(u64::to_string).collect();
        line(&format!("axes = [\n  {{ name = \"views\", sets = [\n{},\n  ] }},", sets.join(",\n")));
        line(&format!(
            "  {{ name = \"seed\", role = \"repeat\", key = \"seed\", values = [{}] }},\n]",
            seeds.join(", ")
        ));
        let mut protocols = vec!["{ name = \"health\", kind = \"health\" }".to_owned()];
        let mut pages = Vec::new();
        for (name, asked) in self.asked() {
            let options = match asked {
                "class" => String::new(),
                column => format!(", options = {{ label_by = {column:?} }}"),
            };
            protocols.push(format!("{{ name = \"{name}\", kind = \"probe\"{options} }}"));
            let title = if name == "keep" { "Told apart, and to be" } else { "Told apart, and not to be" };
            pages.push(format!(
                "{{ kind = \"bars\", title = \"{title}: {asked}\", measure = \"{}\" }}",
                measure(name)
            ));
        }
        pages.push(
            "{ kind = \"table\", title = \"Without labels\", measure = \"health.test.effective_rank\" }"
                .to_owned(),
        );
        line(&format!("protocols = [\n  {},\n]", protocols.join(",\n  ")));
        line(&format!("pages = [\n  {},\n]", pages.join(",\n  ")));
        Ok(text)
    }

    /// What is asked, by the name of its protocol.
    fn asked(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let columns = [("keep", self.keep.as_deref()), ("ignore", self.ignore.as_deref())];
        columns.into_iter().filter_map(|(name, column)| Some((name, column?)))
    }

    /// What a finished study in the folder `path` says. The policy that it recommends is written beside it.
    ///
    /// # Errors
    /// Files that cannot be read or written.
    pub fn answer(&self, path: &Path, store: &Store) -> Result<Answer, StudyError> {
        let (plan, recipe) = Plan::read(path)?;
        let results = Results::collect(&plan, store, recipe.axis_names())?;
        let of = |protocol: &str, name: &str| -> Vec<f64> {
            let fits = |at: &std::collections::BTreeMap<String, String>| {
                at.get("views").is_some_and(|one| one == name)
            };
            let found = results.summaries(&measure(protocol), &["seed".to_owned()], &fits);
            found.into_iter().flat_map(|(_, summary)| summary.values).map(|(_, value)| value).collect()
        };
        let names =
            recipe.axes.iter().filter_map(|axis| axis.sets.as_ref()).flatten().map(|set| set.name.clone());
        let mut operations = Vec::new();
        for name in names.filter(|name| name != PLAIN) {
            let change = |protocol: &str| -> Result<Option<Change>, StudyError> {
                let found = difference(&of(protocol, &name), &of(protocol, PLAIN), LEVEL)?;
                Ok(match found {
                    Tested::Tested(found) => {
                        let (value, low, high) =
                            (found.difference.value, found.difference.low, found.difference.high);
                        Some(Change { value, low, high })
                    }
                    Tested::NotTested(_) => None,
                })
            };
            let (keep, ignore) = (change("keep")?, change("ignore")?);
            let verdict = Verdict::of(self, keep, ignore);
            operations.push(Operation { name, keep, ignore, verdict });
        }
        let recommended: Vec<String> = operations
            .iter()
            .filter(|one| matches!(one.verdict, Verdict::Recommended))
            .map(|one| one.name.clone())
            .collect();
        write_atomically(&path.join("policy.toml"), self.policy(&recommended).as_bytes())?;
        Ok(Answer {
            keep: self.keep.clone(),
            ignore: self.ignore.clone(),
            seeds: self.seeds.len(),
            operations,
            recommended,
        })
    }

    /// The policy of the crop, the flip and what is recommended, with the reasons above it.
    fn policy(&self, recommended: &[String]) -> String {
        let mut crop = CROP;
        let mut others = vec![FLIP];
        for (name, own, operations) in
            TRIED.iter().filter(|(name, ..)| recommended.iter().any(|one| one == name))
        {
            if *name == "small crops" {
                crop = own;
            } else {
                others.push(operations);
            }
        }
        let mut text = String::new();
        for (name, column) in self.asked() {
            let wish = if name == "keep" { "told apart" } else { "not told apart" };
            let _ = writeln!(text, "# {column} is to be {wish}.");
        }
        let added = if recommended.is_empty() { "nothing".to_owned() } else { recommended.join(", ") };
        let _ = writeln!(
            text,
            "# To a crop and a flip comes: {added}. The evidence is in report.html beside this file."
        );
        let _ = write!(
            text,
            "[[views]]\ncount = 2\noperations = [\n    {crop},\n    {},\n]\n",
            others.join(",\n    ")
        );
        text
    }
}

/// Change of a balanced accuracy by an operation, with its 95 % t interval over seeds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Change {
    /// The mean difference, seed by seed.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// What an operation is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It removes the nuisance or helps the property, and does not cost the property.
    Recommended,
    /// The property is told apart worse.
    Costs,
    /// Its effect is less than seeds let one see.
    NotToldApart,
}

impl Verdict {
    fn of(question: &Question, keep: Option<Change>, ignore: Option<Change>) -> Verdict {
        let below = |change: Option<Change>| change.is_some_and(|change| change.high < 0.0);
        let above = |change: Option<Change>| change.is_some_and(|change| change.low > 0.0);
        let removes = question.ignore.is_some() && below(ignore);
        match (below(keep), removes || above(keep)) {
            (true, _) => Verdict::Costs,
            (false, true) => Verdict::Recommended,
            (false, false) => Verdict::NotToldApart,
        }
    }
}

/// What was found of an operation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Operation {
    /// Its name.
    pub name: String,
    /// How much better the property is told apart.
    pub keep: Option<Change>,
    /// How much better the nuisance is.
    pub ignore: Option<Change>,
    /// What it is good for.
    pub verdict: Verdict,
}

/// The answer to a question.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Answer {
    /// What must be told apart.
    pub keep: Option<String>,
    /// What must not be.
    pub ignore: Option<String>,
    /// How many seeds.
    pub seeds: usize,
    /// Every operation.
    pub operations: Vec<Operation>,
    /// Those that are recommended.
    pub recommended: Vec<String>,
}

fn measure(protocol: &str) -> String {
    format!("{protocol}.test.balanced_accuracy")
}

/// The operations of each candidate that images of `context` can have, the plain ones first.
fn candidates(context: &BuildContext) -> Vec<(&'static str, String)> {
    let plain = std::iter::once((PLAIN, format!("{CROP}, {FLIP}")));
    let tried = TRIED.iter().map(|(name, crop, others)| {
        let others = if others.is_empty() { String::new() } else { format!(", {others}") };
        (*name, format!("{crop}, {FLIP}{others}"))
    });
    plain.chain(tried).filter(|(_, operations)| fits(operations, context)).collect()
}

/// Whether images of `context` can have all of the operations.
fn fits(operations: &str, context: &BuildContext) -> bool {
    let policy = toml::from_str::<Views>(&format!("views = [{{ count = 2, operations = [{operations}] }}]"));
    policy.is_ok_and(|policy| Policy::fitting(&policy.views, context).1.is_empty())
}

#[derive(serde::Deserialize)]
struct Views {
    views: Vec<ViewPolicy>,
}

/// A table on one line.
fn inline(table: &Table) -> String {
    let entry = |(key, value): (&String, &Value)| match value {
        Value::Table(inner) => format!("{key:?} = {}", inline(inner)),
        value => format!("{key:?} = {value}"),
    };
    format!("{{ {} }}", table.iter().map(entry).collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use twinlens_data::PixelType;

    use super::*;
    use crate::recipe::Recipe;

    fn context(channels: usize) -> BuildContext {
        let mean = vec![0.5; channels];
        BuildContext { size: 28, channels, pixel_type: PixelType::U8, std: mean.clone(), mean }
    }

    fn question() -> Question {
        Question {
            keep: Some("class".into()),
            ignore: Some("plate".into()),
            preset: "medmnist/simclr".into(),
            epochs: 2,
            batch: 64,
            seeds: vec![0, 1, 2],
            options: toml::from_str("group = \"plate\"\n[subset]\nbalance = true").unwrap(),
        }
    }

    #[test]
    fn a_question_becomes_a_study() {
        let text = question().recipe(&context(3)).unwrap();
        let recipe = Recipe::parse("views-for", &text).unwrap();
        assert_eq!(recipe.axes[0].sets.as_ref().unwrap().len(), 1 + TRIED.len());
        assert_eq!(recipe.protocol("ignore").unwrap().options["label_by"].as_str(), Some("plate"));
        assert!(recipe.protocol("keep").unwrap().options.is_empty(), "classes are those of the set");
        assert_eq!(recipe.data.options["subset"]["balance"].as_bool(), Some(true));
        let five = question().recipe(&context(5)).unwrap();
        assert!(!five.contains("grayscale"), "five channels have no colours: {five}");
        let unasked = Question { keep: None, ignore: None, ..question() };
        let recipe = Recipe::parse("views-for", &unasked.recipe(&context(3)).unwrap()).unwrap();
        assert_eq!(recipe.protocols.len(), 1, "without a question features are looked at alone");
    }

    #[test]
    fn operations_are_recommended_by_what_intervals_allow() {
        let change = |low: f64, high: f64| Some(Change { value: (low + high) / 2.0, low, high });
        let of = |keep, ignore| Verdict::of(&question(), keep, ignore);
        assert_eq!(of(change(-0.02, 0.01), change(-0.3, -0.1)), Verdict::Recommended);
        assert_eq!(of(change(0.01, 0.05), change(-0.1, 0.1)), Verdict::Recommended);
        assert_eq!(of(change(-0.05, -0.01), change(-0.3, -0.1)), Verdict::Costs);
        assert_eq!(of(change(-0.05, 0.01), change(-0.1, 0.1)), Verdict::NotToldApart);
        assert_eq!(of(None, None), Verdict::NotToldApart);
    }

    #[test]
    fn the_policy_can_be_trained_with() {
        let text = question().policy(&["small crops".into(), "blur".into()]);
        let views: Views = toml::from_str(&text).unwrap();
        let names: Vec<&str> = views.views[0].operations.iter().map(|operation| operation.name()).collect();
        assert_eq!(names, ["random_resized_crop", "horizontal_flip", "gaussian_blur"]);
        assert!(
            text.contains("scale = [0.08, 1.0]") && text.contains("# plate is to be not told apart."),
            "{text}"
        );
    }
}
