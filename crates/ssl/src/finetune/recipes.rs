//! Fine-tuning protocols: settings as TOML inside the program.
//!
//! A recipe changes the built-in defaults of [`FinetuneSettings`](super::FinetuneSettings). Its comments state the source,
//! and what is not the source's.

/// Every recipe: its name and TOML text.
pub const RECIPES: &[(&str, &str)] = &[
    ("finetune/full", include_str!("../../recipes/finetune/full.toml")),
    ("finetune/linear-100", include_str!("../../recipes/finetune/linear-100.toml")),
    ("finetune/linear-sgd", include_str!("../../recipes/finetune/linear-sgd.toml")),
    ("finetune/readout", include_str!("../../recipes/finetune/readout.toml")),
    ("finetune/semi-supervised", include_str!("../../recipes/finetune/semi-supervised.toml")),
    ("finetune/surgical", include_str!("../../recipes/finetune/surgical.toml")),
    (DEFAULT, include_str!("../../recipes/finetune/two-stage.toml")),
];

/// The recipe that is followed where none is named.
pub const DEFAULT: &str = "finetune/two-stage";
