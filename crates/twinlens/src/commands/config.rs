//! `config`: settings, their origins, and their schema.

use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueHint};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, json};
use twinlens_config::{Request, Spec, diff, nearest, read_settings, schema};
use twinlens_run::{Lineage, RunKind, names};
use twinlens_ssl::finetune;

use super::settings::SettingsArgs;
use super::spec::is_finetuning;
use crate::exit::{Exit, Failure, Outcome};
use crate::terminal::Terminal;

/// Arguments of `config`.
#[derive(Debug, clap::Args)]
pub struct ConfigArgs {
    /// What to do.
    #[command(subcommand)]
    pub verb: ConfigVerb,
}

/// What to do with settings.
#[derive(Debug, Subcommand)]
pub enum ConfigVerb {
    /// Show every setting and where it comes from; the output is a file for --config
    #[command(before_help = "\
Examples:
  twinlens config show --preset small-images > my.toml
  twinlens config show --config my.toml epochs=50")]
    Show(Box<SettingsArgs>),
    /// Tell everything that is wrong with a file of settings
    #[command(before_help = "\
Examples:
  twinlens config validate my.toml")]
    Validate(ValidateArgs),
    /// Print the JSON schema of the settings, for editors
    #[command(before_help = "\
Examples:
  twinlens config schema > twinlens.schema.json
  twinlens config schema finetune > finetune.schema.json")]
    Schema(SchemaArgs),
    /// Show the settings in which two presets, files or runs differ, defaults filled in
    #[command(before_help = "\
Examples:
  twinlens config diff runs/a runs/b
  twinlens config diff medmnist/simclr my.toml --json")]
    Diff(DiffArgs),
}

impl ConfigArgs {
    /// Whether the settings meant are those of a fine-tuning: by a preset's name, or a file that has stages.
    pub fn is_of_finetuning(&self) -> bool {
        let preset = |name: &str| finetune::recipes::RECIPES.iter().any(|(recipe, _)| *recipe == name);
        let file = |path: &Path| {
            let places = [path.join(names::CONFIG), path.to_path_buf()];
            let text = places.into_iter().find_map(|place| read_settings(&place).ok());
            match Lineage::read(path) {
                Ok(Some(lineage)) => lineage.kind == RunKind::Finetuning,
                _ => text.is_some_and(|text| is_finetuning(&text)),
            }
        };
        match &self.verb {
            ConfigVerb::Show(args) => {
                let common = &args.common;
                common.preset.as_deref().is_some_and(preset) || common.config.iter().any(|path| file(path))
            }
            ConfigVerb::Validate(args) => file(&args.file),
            ConfigVerb::Diff(args) => {
                [&args.a, &args.b].iter().any(|name| preset(name) || file(Path::new(name)))
            }
            ConfigVerb::Schema(args) => args.of == SchemaOf::Finetune,
        }
    }
}

/// Arguments of `config schema`.
#[derive(Debug, clap::Args)]
pub struct SchemaArgs {
    /// The verb whose settings are meant
    #[arg(value_name = "VERB", default_value = "pretrain")]
    pub of: SchemaOf,
}

/// Verbs with settings of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum SchemaOf {
    /// Learning without labels.
    Pretrain,
    /// Learning from labels.
    Finetune,
}

/// Arguments of `config diff`.
#[derive(Debug, clap::Args)]
pub struct DiffArgs {
    /// A run's folder, a TOML file of settings, or a preset by name, looked for in this order
    #[arg(value_name = "A", value_hint = ValueHint::AnyPath)]
    pub a: String,
    /// Another of these
    #[arg(value_name = "B", value_hint = ValueHint::AnyPath)]
    pub b: String,
}

/// Arguments of `config validate`.
#[derive(Debug, clap::Args)]
pub struct ValidateArgs {
    /// The file; `-` is standard input
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
}

/// Runs `config` for the settings `T`.
///
/// # Errors
/// When the settings are wrong, or stdout cannot be written.
pub fn run<T>(args: &ConfigArgs, spec: &Spec<T>, terminal: &Terminal) -> Outcome
where
    T: Serialize + DeserializeOwned + JsonSchema,
{
    match &args.verb {
        ConfigVerb::Show(args) => show(&args.request(), spec, terminal),
        ConfigVerb::Validate(args) => validate(&args.file, spec, terminal),
        ConfigVerb::Schema(_) => {
            let text = serde_json::to_string_pretty(&schema::<T>());
            terminal.print(&(text.map_err(|error| Failure::new(Exit::Failed, error))? + "\n"))
        }
        ConfigVerb::Diff(args) => show_diff(args, spec, terminal),
    }
}

fn show_diff<T>(args: &DiffArgs, spec: &Spec<T>, terminal: &Terminal) -> Outcome
where
    T: Serialize + DeserializeOwned + JsonSchema,
{
    let table = |name: &str| -> Outcome<toml::Table> {
        let resolved = spec.resolve(&named(name, spec)?)?;
        resolved.warnings.iter().for_each(|warning| tracing::warn!("{name}: {warning}"));
        Ok(resolved.table)
    };
    let changes = diff(&table(&args.a)?, &table(&args.b)?);
    let differences: Vec<_> = changes
        .iter()
        .map(|change| json!({"key": change.key, "a": change.before, "b": change.after}))
        .collect();
    let document = json!({"a": args.a, "b": args.b, "differences": differences});
    terminal.result(&document, || {
        if changes.is_empty() {
            return "the settings are the same\n".to_owned();
        }
        let cell = |value: &Option<toml::Value>| value.as_ref().map_or("-".into(), ToString::to_string);
        let rows: Vec<Vec<String>> = changes
            .iter()
            .map(|change| vec![change.key.clone(), cell(&change.before), cell(&change.after)])
            .collect();
        terminal.table(&["setting", &args.a, &args.b], &rows)
    })
}

/// A request for the settings of a run, a file or a preset.
fn named<T>(name: &str, spec: &Spec<T>) -> Outcome<Request> {
    let path = Path::new(name);
    let of_run = path.join(names::CONFIG);
    if let Some(file) = [of_run, path.to_path_buf()].into_iter().find(|file| file.is_file()) {
        return Ok(Request { files: vec![file], ..Request::default() });
    }
    let mut presets = spec.presets.iter().map(|(preset, _)| *preset);
    if presets.any(|preset| preset == name) {
        return Ok(Request { preset: Some(name.to_owned()), ..Request::default() });
    }
    let message = format!("`{name}` is no run's folder, no file and no preset");
    let failure = Failure::message(Exit::Usage, message);
    Err(failure.hint(match nearest(name, spec.presets.iter().map(|(preset, _)| *preset)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`twinlens list presets` lists the presets".to_owned(),
    }))
}

fn show<T>(request: &Request, spec: &Spec<T>, terminal: &Terminal) -> Outcome
where
    T: Serialize + DeserializeOwned + JsonSchema,
{
    let resolved = spec.resolve(request)?;
    resolved.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    let origins: Map<String, serde_json::Value> =
        resolved.values().into_iter().map(|(key, _, origin)| (key, json!(origin))).collect();
    let document = json!({"settings": resolved.table, "origins": origins});
    terminal.result(&document, || resolved.to_toml_with_origins())
}

fn validate<T>(file: &std::path::Path, spec: &Spec<T>, terminal: &Terminal) -> Outcome
where
    T: Serialize + DeserializeOwned + JsonSchema,
{
    let resolved = spec.resolve(&Request { files: vec![file.to_path_buf()], ..Request::default() })?;
    resolved.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    terminal.result(&json!({"valid": true}), || format!("{} is valid\n", file.display()))
}
