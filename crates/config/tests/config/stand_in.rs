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
         deterministic = false\noptim = {{name = 'sgd', lr = 0.2, momentum = 0.9}}\n{views}"
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

pub static SPEC: Spec<Settings> = Spec {
    defaults,
    presets: &[
        (
            "medmnist",
            "stem = 'cifar'\nepochs = 200\n[about]\nsummary = 'Small medical tiles'\nhardware = '2 CPU cores'\n\
             [optim]\nlr = 0.05\n",
        ),
        ("blur", "policy = 'blur'\n[[views]]\noperations = [{op = 'gaussian_blur', sigma = [1.0, 1.0]}]\n"),
    ],
    supersedes: &[("policy", "views")],
    renamed: &[("num_epochs", "epochs"), ("optim.learning_rate", "optim.lr")],
    assignment: "--set",
    validate,
};
