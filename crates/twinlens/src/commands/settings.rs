//! The arguments that decide the settings of a run, the same for every verb that takes settings.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::ValueHint;
use toml::Value;
use twinlens_config::{Flag, Request};
use twinlens_lab::catalogue;

use super::reading::ReadingArgs;

/// Variables with the prefix of settings that are none: where golden cases and cached data lie, and where data come from.
const RESERVED_VARIABLES: [&str; 3] = ["TWINLENS_GOLDEN", "TWINLENS_DATA_DIR", catalogue::MIRROR];

/// Where settings come from, and the settings of pre-training with flags of their own.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Settings")]
pub struct SettingsArgs {
    /// How to learn (`twinlens list methods`)
    #[arg(long, value_name = "ID")]
    pub method: Option<String>,
    /// How often every training image is seen
    #[arg(long, value_name = "N")]
    pub epochs: Option<u32>,
    /// Only the first so many training images
    #[arg(long, value_name = "N")]
    pub limit: Option<u32>,
    /// Another data set, learned from as one with the first
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub join: Vec<String>,
    /// What convolutions and linear layers multiply
    #[arg(long, value_name = "KIND", value_parser = ["f32", "bf16", "auto"])]
    pub precision: Option<String>,
    /// What every training has.
    #[command(flatten)]
    pub common: CommonArgs,
}

/// What the flags of `pretrain` are where nothing is said.
pub const USUAL: &str = "--method barlow-twins --encoder resnet18 --size auto --epochs 20 --batch 128 --lr 0.001 --seed 0 \
                         --device auto --precision f32 --workers 0 --limit 0";

/// What the flags of `finetune` are where nothing is said.
pub const USUAL_TUNED: &str =
    "--preset finetune/two-stage --size auto --batch 128 --seed 0 --device auto --workers 0";

/// Where settings come from, and the settings of any training with flags of their own.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Settings")]
pub struct CommonArgs {
    /// The data set: a file or folder of images (`twinlens list formats`), or a public one by name
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub data: Option<String>,
    /// What learns (`twinlens list encoders`)
    #[arg(long, value_name = "ID")]
    pub encoder: Option<String>,
    /// Side of the images in pixels
    #[arg(long, value_name = "auto|PX", value_parser = size)]
    pub size: Option<Value>,
    /// Images in a step
    #[arg(long, value_name = "N")]
    pub batch: Option<u32>,
    /// Learning rate
    #[arg(long, value_name = "RATE", value_parser = super::judging::positive)]
    pub lr: Option<f64>,
    /// Seed of all randomness
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(0..))]
    pub seed: Option<i64>,
    /// Refuse a device on which two runs may differ: any GPU; on the CPU they never do
    #[arg(long)]
    pub deterministic: bool,
    /// Where to compute: auto, cpu, gpu or gpu:N
    #[arg(long, value_name = "WHERE", value_parser = device)]
    pub device: Option<String>,
    /// Threads that prepare images; results do not depend on it
    #[arg(long, value_name = "N")]
    pub workers: Option<u32>,
    /// Ready-made settings (`twinlens list presets`)
    #[arg(long, value_name = "NAME")]
    pub preset: Option<String>,
    /// A TOML file of settings; later files win
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Vec<PathBuf>,
    /// One setting, such as epochs=50; it wins over files
    #[arg(long, value_name = "KEY=VALUE", value_parser = assignment)]
    pub set: Vec<String>,
    /// How the data are read.
    #[command(flatten)]
    pub reading: ReadingArgs,
    /// Settings as with --set, such as epochs=50
    #[arg(value_name = "KEY=VALUE", value_parser = assignment)]
    pub overrides: Vec<String>,
}

impl SettingsArgs {
    /// What these arguments and the environment of the process ask for.
    pub fn request(&self) -> Request {
        let mut request = self.common.request();
        let text = |value: &Option<String>| value.clone().map(Value::String);
        let joined = self.join.iter().cloned().map(Value::String).collect();
        let joined = (!self.join.is_empty()).then(|| Value::Array(joined));
        let all = [
            ("--method", "method.name", text(&self.method)),
            ("--epochs", "epochs", self.epochs.map(|epochs| Value::Integer(epochs.into()))),
            ("--limit", "limit", self.limit.map(|limit| Value::Integer(limit.into()))),
            ("--join", "data_options.join", joined),
            ("--precision", "precision", text(&self.precision)),
        ];
        request.flags.extend(given(all));
        request
    }
}

impl CommonArgs {
    /// What these arguments and the environment of the process ask for. Variables that are no text are passed
    /// over: no key and no value is spelled so.
    pub fn request(&self) -> Request {
        let text =
            |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
        let environment = std::env::vars_os().filter_map(text);
        let environment = environment.filter(|(name, _)| !RESERVED_VARIABLES.contains(&name.as_str()));
        Request {
            texts: Vec::new(),
            preset: self.preset.clone(),
            files: self.config.clone(),
            environment: environment.collect(),
            sets: self.set.iter().chain(&self.overrides).cloned().collect(),
            flags: self.flags(),
        }
    }

    fn flags(&self) -> Vec<Flag> {
        let text = |value: &Option<String>| value.clone().map(Value::String);
        let number = |value: Option<u32>| value.map(|value| Value::Integer(value.into()));
        let all = [
            ("--data", "data", text(&self.data)),
            ("--encoder", "encoder.name", text(&self.encoder)),
            ("--size", "size", self.size.clone()),
            ("--batch", "batch", number(self.batch)),
            ("--lr", "optim.lr", self.lr.map(Value::Float)),
            ("--seed", "seed", self.seed.map(Value::Integer)),
            ("--deterministic", "deterministic", self.deterministic.then_some(Value::Boolean(true))),
            ("--device", "device", text(&self.device)),
            ("--workers", "workers", number(self.workers)),
        ];
        let mut flags = given(all);
        flags.extend(self.reading.flags());
        flags
    }
}

/// The flags that have a value.
fn given<const N: usize>(all: [(&'static str, &'static str, Option<Value>); N]) -> Vec<Flag> {
    all.into_iter().filter_map(|(name, key, value)| Some(Flag { name, key, value: value? })).collect()
}

/// A setting as KEY=VALUE.
fn assignment(text: &str) -> Result<String, String> {
    match text.contains('=') {
        true => Ok(text.to_owned()),
        false => {
            Err("expected KEY=VALUE, such as epochs=50, without spaces; images are named with --data PATH"
                .to_owned())
        }
    }
}

/// A side of views as `--size` takes it.
fn size(text: &str) -> Result<Value, String> {
    match text.parse::<u32>() {
        Ok(size) => Ok(Value::Integer(size.into())),
        Err(_) if text == "auto" => Ok(Value::String(text.to_owned())),
        Err(_) => Err("expected auto or a number of pixels".to_owned()),
    }
}

/// A device as `--device` takes it.
///
/// # Errors
/// When it is none of `auto`, `cpu`, `gpu`, `gpu:N`.
pub fn device(text: &str) -> Result<String, String> {
    let numbered = text.strip_prefix("gpu:").is_some_and(|number| number.parse::<u32>().is_ok());
    if numbered || ["auto", "cpu", "gpu"].contains(&text) {
        Ok(text.to_owned())
    } else {
        Err("expected auto, cpu, gpu or gpu:N".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::parse;

    #[test]
    fn flags_files_and_overrides_make_a_request() {
        let line = "--method simclr --batch 8 --config a.toml --config b.toml --set a=1 b=c=d --set e.f=2 \
                    --deterministic --device gpu:1";
        let request = parse::<SettingsArgs>(line).unwrap().request();
        assert_eq!(request.files, [PathBuf::from("a.toml"), PathBuf::from("b.toml")]);
        assert_eq!(request.sets, ["a=1", "e.f=2", "b=c=d"]);
        let flags: Vec<_> = request.flags.iter().map(|flag| (flag.name, flag.value.to_string())).collect();
        let expected = [
            ("--batch", "8"),
            ("--deterministic", "true"),
            ("--device", "\"gpu:1\""),
            ("--method", "\"simclr\""),
        ];
        assert_eq!(flags, expected.map(|(name, value)| (name, value.to_owned())));
    }

    #[test]
    fn what_people_look_for_first_has_flags() {
        let line = "--size 64 --lr 0.1 --limit 100 --join b.npz --join c/";
        let flags = parse::<SettingsArgs>(line).unwrap().request().flags;
        let flags: Vec<_> = flags.iter().map(|flag| (flag.key, flag.value.to_string())).collect();
        let expected = [
            ("size", "64"),
            ("optim.lr", "0.1"),
            ("limit", "100"),
            ("data_options.join", r#"["b.npz", "c/"]"#),
        ];
        assert_eq!(flags, expected.map(|(key, value)| (key, value.to_owned())));
        assert!(parse::<SettingsArgs>("--size auto").is_ok());
        for bad in ["--size large", "--size -1", "--lr 0"] {
            assert!(parse::<SettingsArgs>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn devices_are_checked_at_the_door() {
        for good in ["auto", "cpu", "gpu", "gpu:0", "gpu:12"] {
            assert_eq!(device(good).as_deref(), Ok(good));
        }
        for bad in ["", "tpu", "gpu:", "gpu:x", "gpu:-1", "GPU"] {
            assert!(device(bad).is_err(), "{bad}");
        }
    }
}
