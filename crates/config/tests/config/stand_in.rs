//! A small settings type with every shape that real settings have.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_config::{Problem, Spec};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub data: String,
    pub method: String,
    pub epochs: u32,
    pub limit: Option<u64>,
    pub stem: Stem,
    pub policy: String,
    pub optim: Optim,
    pub deterministic: bool,
    #[serde(default)]
    pub methods: Methods,
    #[serde(default)]
    pub views: Vec<View>,
    #[serde(default)]
    pub schedule: Schedule,
    #[serde(default)]
    pub encoder: Encoder,
    #[serde(default)]
    pub extra: Extra,
}

/// A word or a table.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Word {
    #[default]
    Auto,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Extra {
    Word(Word),
    Sides { side: u32 },
    Corners { corners: u32 },
}

impl Default for Extra {
    fn default() -> Extra {
        Extra::Word(Word::Auto)
    }
}

/// A tagged enum inside a struct that has keys of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Schedule {
    #[serde(flatten)]
    pub shape: Shape,
    #[serde(default)]
    pub warmup: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "name", rename_all = "kebab-case")]
pub enum Shape {
    Cosine(Cosine),
    MultiStep(MultiStep),
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Cosine {
    pub final_factor: f64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MultiStep {
    pub milestones: Vec<f64>,
    pub final_factor: f64,
}

impl Default for Schedule {
    fn default() -> Schedule {
        Schedule { shape: Shape::Cosine(Cosine::default()), warmup: 0.0 }
    }
}

/// Two kinds of one type, and one without keys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "name", rename_all = "lowercase")]
pub enum Encoder {
    ResNet18(ResNet),
    ResNet50(ResNet),
    Vgg11(Plain),
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ResNet {
    pub blocks: u32,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Plain {}

impl Default for Encoder {
    fn default() -> Encoder {
        Encoder::ResNet18(ResNet::default())
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Stem {
    Imagenet,
    Cifar,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "name", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Optim {
    Sgd {
        lr: f64,
        #[serde(default)]
        #[schemars(range(min = 0.0, max = 1.0))]
        momentum: f64,
    },
    Adam {
        #[serde(default = "adam_rate")]
        lr: f64,
        #[serde(default = "adam_betas")]
        betas: [f64; 2],
    },
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
pub struct Methods {
    pub barlow_twins: BarlowTwins,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BarlowTwins {
    pub lambda: f64,
}

fn adam_rate() -> f64 {
    1e-3
}

fn adam_betas() -> [f64; 2] {
    [0.9, 0.999]
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct View {
    pub operations: Vec<Operation>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub enum Operation {
    ColorJitter { hue: f64, p: f64 },
    GaussianBlur { sigma: [f64; 2] },
    HorizontalFlip,
}

fn defaults(preview: &toml::Table) -> toml::Table {
    let policy = preview.get("policy").and_then(toml::Value::as_str).unwrap_or("simclr");
    let views = match policy {
        "plain" => "[[views]]\noperations = [{op = 'horizontal_flip'}]",
        _ => {
            "[[views]]\noperations = [{op = 'horizontal_flip'}, {op = 'color_jitter', hue = 0.2, p = 0.8}]\n\
             [[views]]\noperations = [{op = 'gaussian_blur', sigma = [0.1, 2.0]}]"
        }
    };
    format!(
        "data = ''\nmethod = 'barlow-twins'\nepochs = 100\nstem = 'imagenet'\npolicy = 'simclr'\n\
         deterministic = false\nextra = 'auto'\nschedule = {{name = 'cosine', final_factor = 0.1, warmup = 1.0}}\noptim = {{name = 'sgd', lr = 0.2, momentum = 0.9}}\n{views}"
    )
    .parse()
    .expect("the defaults are TOML")
}

fn validate(settings: &Settings) -> Vec<Problem> {
    let mut problems = Vec::new();
    if settings.epochs == 0 {
        problems.push(Problem {
            key: "epochs".to_owned(),
            expected: "at least 1".to_owned(),
            got: "0".to_owned(),
            hint: Some("one epoch shows every training image once".to_owned()),
        });
    }
    if settings.limit == Some(0) {
        problems.push(Problem {
            key: "limit".to_owned(),
            expected: "at least 1".to_owned(),
            got: "0".to_owned(),
            hint: None,
        });
    }
    problems
}

/// An older form, in which a schedule was told by its name alone and its constants stood in a table for each.
fn moved(key: &str, value: &toml::Value, so_far: &toml::Table) -> Option<Vec<(String, toml::Value)>> {
    let chosen = || so_far.get("schedule")?.get("name")?.as_str();
    let now = match key.split_once('.') {
        None if key == "num_epochs" => "epochs".to_owned(),
        None if key == "schedule" => "schedule.name".to_owned(),
        Some(("optim", "learning_rate")) => "optim.lr".to_owned(),
        Some(("cosine" | "multi-step", _)) if !key.starts_with(chosen().unwrap_or_default()) => {
            return Some(vec![]);
        }
        Some(("cosine" | "multi-step", rest)) => format!("schedule.{rest}"),
        _ => return None,
    };
    Some(vec![(now, value.clone())])
}

pub static SPEC: Spec<Settings> = Spec {
    defaults,
    presets: &[
        (
            "medmnist",
            "stem = 'cifar'\nepochs = 200\n[about]\nsummary = 'Small medical tiles'\nhardware = '2 CPU cores'\n\
             [optim]\nlr = 0.05\n",
        ),
        (
            "steps",
            "encoder = {name = 'resnet50', blocks = 4}\n[schedule]\nname = 'multi-step'\nmilestones = [3]\nwarmup = 2",
        ),
        ("blur", "policy = 'blur'\n[[views]]\noperations = [{op = 'gaussian_blur', sigma = [1.0, 1.0]}]\n"),
    ],
    supersedes: &[("policy", "views")],
    moved,
    assignment: "--set",
    validate,
};
