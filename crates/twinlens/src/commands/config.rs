//! `config`: settings, their origins, and their schema.

use std::path::PathBuf;

use clap::{Subcommand, ValueHint};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, json};

use super::settings::SettingsArgs;
use crate::config::{Request, Spec, schema};
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
  twinlens config show --preset medmnist > my.toml
  twinlens config show --config my.toml optim.lr=0.3")]
    Show(Box<SettingsArgs>),
    /// Tell everything that is wrong with a file of settings
    #[command(before_help = "\
Examples:
  twinlens config validate my.toml")]
    Validate(ValidateArgs),
    /// Print the JSON schema of the settings, for editors
    #[command(before_help = "\
Examples:
  twinlens config schema > twinlens.schema.json")]
    Schema,
}

/// Arguments of `config validate`.
#[derive(Debug, clap::Args)]
pub struct ValidateArgs {
    /// The file
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
        ConfigVerb::Schema => {
            let text = serde_json::to_string_pretty(&schema::<T>());
            terminal.print(&(text.map_err(|error| Failure::new(Exit::Failed, error))? + "\n"))
        }
    }
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
