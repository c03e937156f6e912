//! Studies from the recipe to the table, on real images, and everything that is refused before it begins.
#![allow(clippy::unwrap_used, reason = "the helpers of tests may stop the test too")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use twinlens_data::DataSettings;
use twinlens_lab::{Lab, Silent, untrained};
use twinlens_nn::weights::{EncoderFile, write_safetensors};
use twinlens_ssl::Prepared;
use twinlens_study::axes::{AxisSpec, From, Role, Start};
use twinlens_study::page::report;
use twinlens_study::plan::{Plan, Request};
use twinlens_study::recipe::Recipe;
use twinlens_study::recipes::RECIPES;
use twinlens_study::store::{State, Store};
use twinlens_study::worker::{Options, Worker};
use twinlens_study::{Places, StudyError};

/// Two settings, two seeds, two protocols and the pixels, on some of the bundled photographs: seconds.
const SMALL: &str = "\
id = 'test'
title = 'a test'
data = { learn = ['bundled'] }
base = { preset = 'medmnist/simclr', epochs = 1, batch = 16, limit = 32, size = 8, method.projector.hidden_dim = 32 }
axes = [
    { name = 'hue', role = 'x', key = 'views.0.color_jitter.hue', values = [0.0, 0.1] },
    { name = 'start', role = 'line', start = ['base', 'pixels'] },
    { name = 'seed', role = 'repeat', key = 'seed', values = [0, 1] },
]
protocols = [{ name = 'neighbours', kind = 'knn', k = 5 }, { name = 'linear', kind = 'probe', label_share = 0.1, at = { start = 'base' } }]
pages = [{ kind = 'lines', measure = 'neighbours.test.accuracy' }]
expect = [{ kind = 'above', a = { start = 'base' }, b = { start = 'pixels' } }]
";

fn plan(text: &str) -> Result<Plan, StudyError> {
    let recipe = Recipe::parse("test.toml", text)?;
    Plan::make(&recipe, text, &Request::default(), &Lab::default())
}

fn written(text: &str, path: &Path) -> Plan {
    let plan = plan(text).unwrap();
    plan.write(path, text).unwrap();
    plan
}

fn work(plan: &Plan, store: &Store) {
    let lab = Lab { events: &Silent, ..Lab::default() };
    let options = Options { device: "cpu".into(), wait: true, ..Options::default() };
    Worker::new(plan, store, &lab, options).run().unwrap();
}

#[test]
fn cells_that_differ_in_nothing_share_a_node() {
    let plan = plan(SMALL).unwrap();
    let kind = |name: &str| plan.nodes.iter().filter(|node| node.kind().name() == name).count();
    // Two hues with two seeds; neighbours and a probe of each; the pixels once, whatever hue and seed.
    assert_eq!((kind("train"), kind("judge")), (4, 4 + 4 + 1));
    assert_eq!(plan.cells.len(), 8 + 4);
    assert!(plan.nodes.iter().all(|node| node.id.len() == 16));
    // Every node comes after its input.
    for (number, node) in plan.nodes.iter().enumerate() {
        let input = node.input.as_ref().map(|input| plan.nodes.iter().position(|one| one.id == *input));
        assert!(input.is_none_or(|at| at.is_some_and(|at| at < number)));
    }
}

#[test]
fn an_axis_may_choose_which_images_there_are() {
    let options = "data = { learn = ['bundled'], options = { subset = { where = { class = ['platelet', '{cells}'] } } } }";
    let text = SMALL
        .replace("data = { learn = ['bundled'] }", options)
        .replace("axes = [", "axes = [{ name = 'cells', values = ['monocyte', 'neutrophil'] },");
    let plan = plan(&text).unwrap();
    assert_eq!(plan.data.len(), 2);
    assert_ne!(plan.data[0].sha256, plan.data[1].sha256);
    let trainings = |plan: &Plan| plan.nodes.iter().filter(|node| node.kind().name() == "train").count();
    assert_eq!(trainings(&plan), 2 * 4);
}

#[test]
fn names_and_places_are_no_part_of_an_identity() {
    let same = SMALL
        .replace("title = 'a test'", "title = 'another'")
        .replace("'hue', role = 'x'", "'colour', role = 'row'");
    let ids =
        |text: &str| -> Vec<String> { plan(text).unwrap().nodes.into_iter().map(|node| node.id).collect() };
    assert_eq!(ids(SMALL), ids(&same));
    let other = SMALL.replace("epochs = 1", "epochs = 2");
    assert!(ids(SMALL).iter().zip(ids(&other)).any(|(a, b)| *a != b));
}

#[test]
fn workers_at_once_come_to_the_same_table_as_one_alone() {
    let place = tempfile::tempdir().unwrap();
    let (alone, together) = (place.path().join("alone"), place.path().join("together"));
    let first = written(SMALL, &alone);
    work(&first, &first.store_in(&alone));
    let outcome = report(&alone, &first.store_in(&alone), vec![]).unwrap();
    assert_eq!((outcome.tally.there(), outcome.tally.nodes), (13, 13));

    let second = written(SMALL, &together);
    let store = second.store_in(&together);
    // A page can be drawn at any time.
    let before = report(&together, &store, vec![]).unwrap();
    assert_eq!(before.tally.there(), 0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| work(&second, &store));
        }
    });
    report(&together, &store, vec![]).unwrap();
    let table = |path: &Path| std::fs::read_to_string(path.join("table.csv")).unwrap();
    assert_eq!(table(&alone), table(&together));
    assert!(table(&alone).starts_with("protocol,hue,start,seed,split,measure,value,samples,origin\n"));
    assert!(table(&alone).contains("neighbours,0.1,base,1,test,accuracy,0."));
    let page = std::fs::read_to_string(alone.join("report.html")).unwrap();
    assert!(page.contains("<svg") && page.contains("Expected shapes"));

    // What is done is not done again, and a result that is gone is.
    let judged = second.nodes.iter().find(|node| node.kind().name() == "judge").unwrap();
    std::fs::remove_dir_all(store.folder(judged)).unwrap();
    assert_eq!(store.states(&second).unwrap().iter().filter(|state| **state == State::Ready).count(), 1);
    work(&second, &store);
    report(&together, &store, vec![]).unwrap();
    assert_eq!(table(&alone), table(&together));
}

#[test]
fn a_node_that_fails_is_told_and_the_rest_goes_on() {
    let place = tempfile::tempdir().unwrap();
    let plan = written(SMALL, place.path());
    let store = plan.store_in(place.path());
    // A training whose folder cannot be one.
    let broken = plan.nodes.iter().find(|node| node.kind().name() == "train").unwrap();
    std::fs::create_dir_all(store.run(broken)).unwrap();
    std::fs::write(store.run(broken).join("thesis.doc"), "mine").unwrap();
    let lab = Lab { events: &Silent, ..Lab::default() };
    let worker = Worker::new(&plan, &store, &lab, Options { device: "cpu".into(), ..Options::default() });
    let error = worker.run().unwrap_err();
    assert!(matches!(error, StudyError::Failed { failed: 1, .. }), "{error}");
    let outcome = report(place.path(), &store, vec![]).unwrap();
    assert_eq!((outcome.tally.count("failed"), outcome.tally.count("blocked")), (1, 2));
    assert_eq!(outcome.tally.there(), 13 - 3);
    assert!(place.path().join("store/train").join(&broken.id).join("run/thesis.doc").is_file());
    // Mended and made ready again, it is made.
    std::fs::remove_dir_all(store.run(broken)).unwrap();
    assert!(store.retry(broken).unwrap());
    work(&plan, &store);
}

#[test]
fn other_data_than_the_plan_was_made_with_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("cifar");
    cifar(&data, 64);
    let text = SMALL.replace("['bundled']", "['mine']");
    let recipe = Recipe::parse("test.toml", &text).unwrap();
    let places: Places = [("mine".to_owned(), data.display().to_string())].into();
    let request = Request { places, ..Request::default() };
    let plan = Plan::make(&recipe, &text, &request, &Lab::default()).unwrap();
    cifar(&data, 65);
    let store = Store::at(place.path().join("store"));
    let lab = Lab { events: &Silent, ..Lab::default() };
    let error = Worker::new(&plan, &store, &lab, Options::default()).run().unwrap_err();
    assert!(matches!(error, StudyError::OtherData { .. }), "{error}");
}

#[test]
fn everything_wrong_is_told_before_anything_runs() {
    let cases = [
        // (what is changed, into what, what is told)
        ("views.0.color_jitter.hue", "views.0.color_jitter.hew", "hue"),
        ("values = [0.0, 0.1]", "values = [0.0, 'wide']", "cell 5 of 8"),
        ("key = 'views.0.color_jitter.hue'", "key = 'seed'", "two axes change `seed`"),
        ("kind = 'knn', k = 5", "kind = 'knnn', k = 5", "no protocol `knnn`"),
        ("kind = 'knn', k = 5", "kind = 'knn', k = 0", "k = 0"),
        ("neighbours.test.accuracy", "neighbours.test.acuracy", "did you mean `accuracy`"),
        ("neighbours.test.accuracy", "neighbors.test.accuracy", "no protocol `neighbors`"),
        ("preset = 'medmnist/simclr'", "preset = 'medmnist/simcler'", "did you mean"),
        ("batch = 16", "batch = 0", "batch"),
        ("limit = 32", "limit = 8", "at most the 8 training images"),
        ("role = 'x'", "role = 'y'", "line 6"),
        (
            "'base', 'pixels'",
            "'base', { name = 'imagenet', file = 'r18' }",
            "a file of weights that it calls `r18`",
        ),
        ("['bundled']", "['no-such-set']", "no-such-set"),
        (
            "expect = [",
            "published = [{ at = { hue = 0.7, start = 'base' }, measure = 'linear.test.accuracy', value = 0.5 }]\nexpect = [",
            "fits no cell",
        ),
    ];
    for (from, to, told) in cases {
        assert!(SMALL.contains(from), "{from}");
        let error = plan(&SMALL.replacen(from, to, 1)).unwrap_err();
        let text = format!("{error} {}", error.hint().unwrap_or_default());
        assert!(text.contains(told), "{to}: {text}");
    }
    let many = SMALL.replace("values = [0, 1]", "linspace = [0, 20000, 20001]");
    assert!(plan(&many).unwrap_err().to_string().contains("more than 10000"));
}

#[test]
fn every_study_resolves_within_every_budget() {
    let place = tempfile::tempdir().unwrap();
    // Three sets of arrays, which differ, and one of files, which have names.
    for (name, count) in [("first", 4800), ("second", 4790), ("third", 4780)] {
        cifar(&place.path().join(name), count);
    }
    let ten: Vec<String> = (0..10).map(|class| format!("class{class}")).collect();
    photographs(&place.path().join("files"), &ten, 2100);
    photographs(&place.path().join("hundred"), &hundred(), 300);
    cells(place.path(), "bbbc021-cells", "bbbc021-cells/labels.csv", "concentration");
    cells(place.path(), "bbbc021_cells_68", "bbbc021_cells_68.csv", "concentration_uM");
    for list in ["imagenet-1percent.txt", "imagenet-10percent.txt"] {
        std::fs::write(place.path().join(list), "class0-0.bmp\nclass1-1.bmp\n").unwrap();
    }
    let weights = weights(&place.path().join("encoder"));
    let mut problems = Vec::new();
    for (id, text) in RECIPES {
        let mut recipe = Recipe::parse(id, text).unwrap();
        assert_eq!(recipe.id, *id);
        fewer(&mut recipe.axes);
        assert!(!recipe.rows.is_empty() && !recipe.pages.is_empty(), "{id}");
        for budget in ["small", "tiny"] {
            assert!(recipe.budget.contains_key(budget), "{id} has no budget {budget}");
        }
        assert!(recipe.budget["small"].hours.is_some(), "{id} says no hours");
        for budget in recipe.budgets() {
            let places = places(&recipe, place.path());
            let all = recipe.axes.iter().flat_map(|axis| axis.start.iter().flatten());
            let files = all.filter_map(|start| match start {
                Start::Word(From::File(name)) | Start::Named { from: From::File(name), .. } => Some(name),
                _ => None,
            });
            let files = files.map(|name| (name.clone(), weights.clone())).collect();
            let request = Request { budget: Some(budget.to_owned()), places, files, ..Request::default() };
            match Plan::make(&recipe, text, &request, &Lab::default()) {
                Ok(plan) => assert!(!plan.cells.is_empty() && plan.nodes.len() > 1, "{id}, {budget}"),
                Err(error) => problems.push(format!("{id}, {budget}: {error}")),
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Where a set of that name lies: one of the three of arrays, such that those which are learned from as one differ; lists lie
/// where they are, and what needs the names of images is of files.
fn places(recipe: &Recipe, folder: &Path) -> BTreeMap<String, String> {
    let lists = ["imagenet-1percent.txt", "imagenet-10percent.txt"].map(|name| (name, name));
    let of_lists = recipe.axes.iter().any(|axis| axis.labels.iter().flatten().any(toml::Value::is_str));
    let names = [
        ("pathmnist@64", "first"),
        ("bloodmnist@64", "first"),
        ("bloodmnist@28", "first"),
        ("blood_28", "first"),
        ("places205", "first"),
        ("inat18", "first"),
        ("voc07", "first"),
        ("mimeta-crc", "first"),
        ("mimeta-organs-axial", "first"),
        ("mimeta-organs-coronal", "second"),
        ("mimeta-organs-sagittal", "third"),
        ("chest_ct_224", "first"),
        ("pneumonia_28", "second"),
        ("mnist", "first"),
        ("cifar10", "first"),
        ("cifar100", "second"),
        ("cifar10_jpeg", "third"),
        ("bbbc021-cells", "bbbc021-cells"),
        ("bbbc021_cells_68", "bbbc021_cells_68"),
        (
            "imagenet",
            match recipe.id.as_str() {
                "n/imagenet100" => "hundred",
                _ if of_lists => "files",
                _ => "first",
            },
        ),
    ];
    let at = |(name, place): (&str, &str)| (name.to_owned(), folder.join(place).display().to_string());
    names.into_iter().chain(lists).map(at).collect()
}

/// Two numbers along an axis in place of many, and one repeat: what can be planned of these can be of all.
fn fewer(axes: &mut [AxisSpec]) {
    for axis in axes {
        if let Some((_, _, count)) = &mut axis.linspace {
            *count = (*count).min(2);
        }
        if let (Role::Repeat, Some(values)) = (axis.role, &mut axis.values) {
            values.truncate(1);
        }
        fewer(axis.one_of.as_deref_mut().unwrap_or_default());
    }
}

/// The classes of ImageNet-100.
fn hundred() -> Vec<String> {
    let (_, text) = RECIPES.iter().find(|(id, _)| *id == "n/imagenet100").unwrap();
    let options = Recipe::parse("n/imagenet100", text).unwrap().data.options;
    let classes = options["subset"]["where"]["class"].as_array().unwrap();
    assert_eq!(classes.len(), 100);
    classes.iter().map(|class| class.as_str().unwrap().to_owned()).collect()
}

/// Random weights of the usual network.
fn weights(folder: &Path) -> PathBuf {
    let data = Lab::default().open("bundled", &DataSettings::default()).unwrap();
    let mut settings = twinlens_ssl::Settings::default();
    settings.common.views = twinlens_views::presets::preset("medmnist").unwrap();
    settings.fit(&data).unwrap();
    let prepared = Prepared::new(&settings, &data).unwrap();
    let features = settings.encoder.features();
    let description = settings.description(&prepared.context, &data.range, features, "a test".into());
    let file = EncoderFile { description, tensors: BTreeMap::new() };
    std::fs::create_dir_all(folder).unwrap();
    let path = folder.join("encoder.safetensors");
    let EncoderFile { description, tensors } = untrained(&file, 0).unwrap();
    std::fs::write(&path, write_safetensors(&tensors, &[]).unwrap()).unwrap();
    std::fs::write(path.with_extension("json"), serde_json::to_vec(&description).unwrap()).unwrap();
    path
}

/// A tiny bitmap: 4 x 4 pixels of 24 bits.
fn bitmap() -> Vec<u8> {
    let mut bitmap = b"BM\x66\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x04\0\0\0\x04\0\0\0\x01\0\x18\0".to_vec();
    bitmap.resize(54, 0);
    bitmap.extend((0..48).map(|byte| byte * 5));
    bitmap
}

/// Folders of classes in train, val and test, all of one tiny bitmap.
fn photographs(folder: &Path, classes: &[String], count: usize) {
    for (split, count) in [("train", count), ("val", 4 * classes.len()), ("test", 4 * classes.len())] {
        for class in classes {
            std::fs::create_dir_all(folder.join(split).join(class)).unwrap();
        }
        for number in 0..count {
            let class = &classes[number % classes.len()];
            let name = format!("{split}/{class}/{class}-{number}.bmp");
            std::fs::write(folder.join(name), bitmap()).unwrap();
        }
    }
}

/// Cells under compounds, in splits, with what a table says of them; all of one tiny bitmap.
fn cells(root: &Path, folder: &str, table: &str, concentration: &str) {
    const COMPOUNDS: [(&str, &[&str]); 5] = [
        ("DMSO", &["0.0"]),
        ("nocodazole", &["0.001", "0.003", "0.01", "0.03", "0.1", "0.3", "1.0", "3.0"]),
        ("cytochalasin B", &["3.0", "10.0", "30.0"]),
        ("taxol", &["0.3", "1.0", "3.0"]),
        ("cyclohexamide", &["5.0", "15.0", "50.0"]),
    ];
    let mut text = format!("path,compound,{concentration},plate\n");
    for split in ["train", "val", "test"] {
        std::fs::create_dir_all(root.join(folder).join(split)).unwrap();
    }
    let mut number = 0;
    for (compound, doses) in COMPOUNDS {
        for at in 0..400 {
            // Of ten images of a dose seven are learned from.
            let split = ["train", "val", "test"][[0, 0, 0, 0, 0, 0, 0, 1, 2, 2][at / doses.len() % 10]];
            let path = format!("{split}/{number}.bmp");
            std::fs::write(root.join(folder).join(&path), bitmap()).unwrap();
            text += &format!("{path},{compound},{},Week4_1\n", doses[at % doses.len()]);
            number += 1;
        }
    }
    std::fs::write(root.join(table), text).unwrap();
}

/// A set in CIFAR's binary form: ten classes of flat colours.
fn cifar(folder: &Path, count: usize) {
    std::fs::create_dir_all(folder).unwrap();
    let records = |count: usize| -> Vec<u8> {
        let record = |at: usize| {
            let class = (at % 10) as u8;
            let pixels = (0..3072).map(move |pixel| (at * 31 + pixel * 7 + usize::from(class) * 20) as u8);
            std::iter::once(class).chain(pixels)
        };
        (0..count).flat_map(record).collect()
    };
    let names: String = (0..10).map(|class| format!("class {class}\n")).collect();
    std::fs::write(folder.join("batches.meta.txt"), names).unwrap();
    std::fs::write(folder.join("data_batch_1.bin"), records(count)).unwrap();
    std::fs::write(folder.join("test_batch.bin"), records(40)).unwrap();
}
