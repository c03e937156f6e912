//! Every recipe is a sound configuration of the method it is named after.

use std::path::Path;

use toml::{Table, Value};
use twinlens_data::PixelType;
use twinlens_ssl::finetune::{FinetuneSettings, Finetuner};
use twinlens_ssl::methods::METHODS;
use twinlens_ssl::recipes::{RECIPES, default_for, find};
use twinlens_ssl::{DataShape, Learner, Settings, finetune};
use twinlens_views::{BuildContext, Policy, presets};

/// The settings of a recipe: the built-in ones, changed by it.
fn settings(text: &str) -> Settings {
    let mut recipe: Table = text.parse().unwrap();
    recipe.remove("about").unwrap();
    let mut table = Table::try_from(Settings::default()).unwrap();
    let policy = recipe["policy"].as_str().unwrap();
    table.insert("views".into(), Value::try_from(presets::preset(policy).unwrap()).unwrap());
    merge(&mut table, recipe);
    table.try_into().unwrap()
}

fn merge(below: &mut Table, above: Table) {
    for (key, value) in above {
        let is_other =
            |below: &Table, above: &Table| above.contains_key("name") && below["name"] != above["name"];
        match (below.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) if !is_other(below, &above) => {
                merge(below, above);
            }
            (_, value) => {
                below.insert(key, value);
            }
        }
    }
}

#[test]
fn every_recipe_is_sound_and_trains_the_method_it_names() {
    for (name, text) in RECIPES {
        let settings = settings(text);
        let problems = settings.problems();
        assert!(problems.is_empty(), "{name}: {problems:?}");
        let context = BuildContext {
            size: settings.size.known().unwrap_or(28),
            channels: 3,
            pixel_type: PixelType::U8,
            mean: vec![0.5; 3],
            std: vec![0.25; 3],
        };
        Policy::build(&settings.views, context.clone()).unwrap();
        if *name == "many-channels" {
            let (mean, std) = (vec![0.5; 5], vec![0.25; 5]);
            Policy::build(&settings.views, BuildContext { channels: 5, mean, std, ..context }).unwrap();
        }
        if let Some((_, method)) = name.split_once('/') {
            assert!(method.starts_with(settings.method.name()), "{name} trains {}", settings.method.name());
        }
    }
}

#[test]
fn every_method_has_its_default_recipe_and_its_heads_can_be_built() {
    for spec in METHODS {
        let settings = settings(find(&default_for(spec.id)).unwrap());
        assert_eq!(settings.method.name(), spec.id);
        let data = DataShape { channels: 3, classes: 8 };
        let learner = Learner::new(&settings, data, 10, &burn::tensor::Device::flex());
        let features = settings.encoder.spec().features;
        let trained = learner.weights().entries().iter().any(|entry| !entry.name().starts_with("encoder."));
        assert!(trained, "{} on {} features has no head", spec.id, features);
    }
}

#[test]
fn every_fine_tuning_recipe_is_sound() {
    for (name, text) in finetune::recipes::RECIPES {
        let mut recipe: Table = text.parse().unwrap();
        assert!(recipe.remove("about").unwrap()["summary"].is_str(), "{name}");
        let mut table = Table::try_from(FinetuneSettings::default()).unwrap();
        let views = presets::preset(table["policy"].as_str().unwrap()).unwrap();
        table.insert("views".into(), Value::try_from(views).unwrap());
        merge(&mut table, recipe);
        let settings: FinetuneSettings = table.try_into().unwrap();
        assert_eq!(settings.problems(), [], "{name}");
        let data = DataShape { channels: 3, classes: 8 };
        Finetuner::new(&settings, data, 10, &burn::tensor::Device::flex());
    }
    assert!(finetune::recipes::RECIPES.iter().any(|(name, _)| *name == finetune::recipes::DEFAULT));
}

#[test]
fn every_recipe_file_is_in_the_list() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes");
    let mut files = 0;
    for family in std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()) {
        let inside = if family.is_dir() { std::fs::read_dir(family).unwrap().count() } else { 1 };
        files += inside;
    }
    assert_eq!(files, RECIPES.len() + finetune::recipes::RECIPES.len());
}
