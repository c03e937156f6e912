//! `docs/reference/settings.md` is made from the types of the settings.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::Table;
use twinlens::commands::spec::{finetune_spec, spec};
use twinlens_config::{Request, Setting, Spec, reference};
use twinlens_ssl::Settings;
use twinlens_ssl::finetune::FinetuneSettings;

const START: &str = "\
# Settings

Every setting of `twinlens pretrain` and `twinlens finetune`: what it may be, what it is where nothing is said, and what it
decides. A setting is given as `KEY=VALUE` on the command line, in a TOML file (`--config FILE`), or in the environment:
`TWINLENS_OPTIM__LR=0.001` sets `optim.lr`, two underscores part the levels. `twinlens config show` tells all settings of a command
and where each comes from.

This page is made from the program. After a change of a setting,
`INSTA_UPDATE=always cargo test --workspace --test cli -- reference::` writes it anew.
";

/// A default with more characters is left to `config show`.
const LONGEST: usize = 60;

/// A table of a page: the settings of pre-training or of fine-tuning.
struct Page<'a, T> {
    spec: &'a Spec<T>,
    settings: Vec<Setting>,
    usual: Table,
}

impl<T: Serialize + DeserializeOwned + JsonSchema> Page<'_, T> {
    fn of(spec: &Spec<T>) -> Page<'_, T> {
        let usual = spec.resolve(&Request::default()).unwrap().table;
        Page { spec, settings: reference::<T>(), usual }
    }

    /// What a setting is where nothing is said; of a kind of a table, what it is once this kind is chosen.
    fn usual(&self, setting: &Setting) -> String {
        let stated = || setting.default.as_ref().map_or(String::new(), |value| format!("`{value}`"));
        let stated = || Some(stated()).filter(|text| text.len() <= LONGEST).unwrap_or_default();
        if setting.key.split('.').any(|part| part == "N") {
            return stated();
        }
        let (table, _) = setting.key.split_once('.').unwrap_or_default();
        let chosen = |kind: &String| {
            let sets = vec![format!("{table}.name={kind}")];
            Some(self.spec.resolve(&Request { sets, ..Request::default() }).ok()?.table)
        };
        let tables: Vec<Table> = match setting.kinds.as_slice() {
            [] => vec![self.usual.clone()],
            kinds => kinds.iter().filter_map(chosen).collect(),
        };
        let values: BTreeSet<String> = tables.iter().filter_map(|table| value(table, &setting.key)).collect();
        match values.len() {
            0 => stated(),
            1 => values.into_iter().collect(),
            _ => "depends on the recipe".to_owned(),
        }
    }

    /// Which kinds of its table have it, in as few words as may be.
    fn kinds(&self, setting: &Setting) -> String {
        let choice = |one: &&Setting| {
            let table = one.key.strip_suffix(".name").or_else(|| one.key.strip_suffix(".op"));
            table.is_some_and(|table| setting.key.starts_with(&format!("{table}.")))
        };
        let all = self.settings.iter().find(choice).and_then(|one| one.values.strip_prefix("one of "));
        let others: Vec<&str> = all.map(|all| all.split(", ")).into_iter().flatten().collect();
        let others: Vec<&str> =
            others.into_iter().filter(|kind| !setting.kinds.iter().any(|own| own == kind)).collect();
        match setting.kinds.len() {
            0 => String::new(),
            _ if others.is_empty() => String::new(),
            own if own > others.len() => format!(" Not of {}.", others.join(", ")),
            _ => format!(" Of {}.", setting.kinds.join(", ")),
        }
    }

    fn rows(&self, which: impl Fn(&str) -> bool) -> String {
        let mut rows = String::from("\n| key | value | unless said | what it decides |\n|---|---|---|---|\n");
        for setting in self.settings.iter().filter(|setting| which(&setting.key)) {
            let kinds = self.kinds(setting);
            let cell = |text: &str| text.replace('|', "\\|");
            let Setting { key, values, meaning, .. } = setting;
            let (values, meaning) = (cell(values), cell(meaning));
            writeln!(rows, "| `{key}` | {values} | {} | {meaning}{kinds} |", cell(&self.usual(setting)))
                .unwrap();
        }
        rows
    }
}

/// The value at a dotted key, as TOML.
fn value(table: &Table, key: &str) -> Option<String> {
    let (first, rest) = key.split_once('.').map_or((key, None), |(first, rest)| (first, Some(rest)));
    match (table.get(first)?, rest) {
        (toml::Value::Table(inner), Some(rest)) => value(inner, rest),
        (toml::Value::Table(_), None) | (_, Some(_)) => None,
        (toml::Value::Array(items), None) if items.iter().any(toml::Value::is_table) => None,
        (found, None) => Some(format!("`{found}`")),
    }
}

fn page() -> String {
    let (pretrain, finetune) = (spec(), finetune_spec());
    let (pretrain, finetune) = (Page::<Settings>::of(&pretrain), Page::<FinetuneSettings>::of(&finetune));
    let tables = [
        ("optim", "The optimiser"),
        ("schedule", "The learning rate over time"),
        ("encoder", "The encoder"),
        ("method", "The method"),
        ("knn", "The look at held-out labels while training"),
        ("checkpoint", "What is kept to go on from"),
        ("data_options", "How the data are read"),
        ("views", "The views"),
    ];
    let inside = |key: &str, table: &str| {
        key == table || key.strip_prefix(table).is_some_and(|rest| rest.starts_with('.'))
    };
    let mut text = format!("{START}\n## Pre-training\n");
    text += &pretrain.rows(|key| !tables.iter().any(|(table, _)| inside(key, table)));
    for (table, title) in tables {
        write!(text, "\n## {title}: `{table}`\n{}", pretrain.rows(|key| inside(key, table))).unwrap();
    }
    let common: BTreeSet<&str> = pretrain.settings.iter().map(|setting| setting.key.as_str()).collect();
    text += "\n## Fine-tuning\n\nThe same as above but for `method`, `knn`, `epochs` and what stands beside them, and these:\n";
    text + &finetune.rows(|key| !common.contains(key))
}

#[test]
fn the_page_of_settings_is_that_of_the_program() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/settings.md");
    let page = page();
    if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &page).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let first = kept.lines().zip(page.lines()).find(|(kept, page)| kept != page);
    assert!(kept == page, "docs/reference/settings.md is not as the program has it: {first:?}");
}

#[test]
fn every_setting_has_its_values_and_its_meaning_in_words() {
    let settings = [reference::<Settings>(), reference::<FinetuneSettings>()].concat();
    assert!(settings.len() > 100, "{}", settings.len());
    for setting in settings {
        assert!(!setting.values.is_empty() && !setting.meaning.is_empty(), "{setting:?}");
        // Links into the documents of the libraries lead nowhere here.
        assert!(!setting.meaning.contains("[`") && !setting.meaning.contains("::"), "{setting:?}");
    }
}
