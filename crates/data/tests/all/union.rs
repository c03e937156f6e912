//! Several data sets as one.

use std::path::Path;

use proptest::prelude::*;
use twinlens_data::{
    DataError, DataSet, DataSettings, OpenOptions, RangeChoice, Split, SplitOrigin, SplitPolicy, inspect,
};

use crate::make::{as_defined, npy, npy_u8, npz, png, put, refusal, with};

/// An .npz of so many training and test images of `side` x `side` pixels, whose values begin at `first`, of two classes.
fn set(folder: &Path, name: &str, (train, test): (usize, usize), side: usize, first: u8) {
    let images = |count: usize| {
        let pixels = (0..count * side * side).map(|at| first.wrapping_add((at / (side * side)) as u8));
        npy_u8(&[count, side, side], &pixels.collect::<Vec<u8>>())
    };
    let labels = |count: usize| npy_u8(&[count], &(0..count).map(|at| (at % 2) as u8).collect::<Vec<u8>>());
    let arrays = [
        ("train_images", images(train)),
        ("train_labels", labels(train)),
        ("test_images", images(test)),
        ("test_labels", labels(test)),
    ];
    put(folder, name, &npz(&arrays));
}

fn open(folder: &Path, names: &[&str], change: impl FnOnce(&mut DataSettings)) -> Result<DataSet, DataError> {
    let path = |name: &str| folder.join(name).display().to_string();
    let options = with(|settings| {
        settings.join = names[1..].iter().map(|name| path(name)).collect();
        change(settings);
    });
    twinlens_data::open(path(names[0]).as_ref(), &options)
}

#[test]
fn every_split_has_the_images_of_all_sets_by_name() {
    let folder = tempfile::tempdir().unwrap();
    set(folder.path(), "a.npz", (6, 2), 2, 10);
    set(folder.path(), "b.npz", (3, 1), 4, 100);
    let both = open(folder.path(), &["a.npz", "b.npz"], |_| {}).unwrap();
    assert_eq!((both.name.as_str(), both.format), ("a.npz + b.npz", "union"));
    assert_eq!(both.classes, ["a.npz: 0", "a.npz: 1", "b.npz: 0", "b.npz: 1"]);
    assert_eq!(both.split_origin, SplitOrigin::Defined);
    let train = both.splits.train.as_ref().unwrap();
    let told: Vec<_> =
        (0..9).map(|at| (train.name(at), train.label(at), train.size(at).unwrap()[0])).collect();
    // Two of a, then one of b, three times over: in proportion from the first image on.
    let expected = [
        ("a.npz: train_images[0]", 0, 2),
        ("b.npz: train_images[0]", 2, 4),
        ("a.npz: train_images[1]", 1, 2),
        ("a.npz: train_images[2]", 0, 2),
        ("b.npz: train_images[1]", 3, 4),
        ("a.npz: train_images[3]", 1, 2),
        ("a.npz: train_images[4]", 0, 2),
        ("b.npz: train_images[2]", 2, 4),
        ("a.npz: train_images[5]", 1, 2),
    ];
    assert_eq!(told, expected.map(|(name, label, side)| (name.to_owned(), Some(label), side)));
    let first = |at: usize| train.image(at).unwrap().pixels.to_f64()[0];
    assert_eq!([0, 1, 2, 4].map(first), [10.0, 100.0, 11.0, 101.0]);
    let parts: Vec<String> = both.parts.iter().map(ToString::to_string).collect();
    assert_eq!(parts, ["a.npz: 6 train, 2 test", "b.npz: 3 train, 1 test"]);
    let alone = |name: &str| open(folder.path(), &[name], |_| {}).unwrap();
    assert!(alone("a.npz").parts.is_empty());
    assert_eq!(both.parts[1].sha256, alone("b.npz").fingerprint);
    assert_eq!(both.bytes_in_memory, alone("a.npz").bytes_in_memory + alone("b.npz").bytes_in_memory);
    let inspection = inspect(&both).unwrap();
    assert_eq!((inspection.parts, inspection.splits[&Split::Test].images), (both.parts.clone(), 3));
}

#[test]
fn fingerprints_are_of_the_sets_and_their_order_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    set(folder.path(), "a.npz", (6, 2), 2, 10);
    set(folder.path(), "b.npz", (3, 1), 2, 100);
    set(folder.path(), "c.npz", (3, 1), 2, 101);
    set(folder.path(), "elsewhere/b.npz", (3, 1), 2, 100);
    let of = |names: &[&str]| open(folder.path(), names, |_| {}).unwrap().fingerprint;
    assert_eq!(of(&["a.npz", "b.npz"]), of(&["a.npz", "elsewhere/b.npz"]));
    let all = [of(&["a.npz", "b.npz"]), of(&["b.npz", "a.npz"]), of(&["a.npz", "c.npz"]), of(&["a.npz"])];
    assert_eq!(std::collections::BTreeSet::from(all).len(), 4);
}

#[test]
fn each_set_keeps_its_own_splits() {
    let folder = tempfile::tempdir().unwrap();
    set(folder.path(), "a.npz", (40, 8), 2, 0);
    let labels: Vec<u8> = (0..100).map(|at| (at % 2) as u8).collect();
    let undivided = [("images", npy_u8(&[100, 1, 1], &[9; 100])), ("labels", npy_u8(&[100], &labels))];
    put(folder.path(), "b.npz", &npz(&undivided));
    let auto = |settings: &mut DataSettings| settings.splits = SplitPolicy::Auto;
    let both = open(folder.path(), &["a.npz", "b.npz"], auto).unwrap();
    assert_eq!(both.split_origin, SplitOrigin::OfEachSet);
    let parts: Vec<String> = both.parts.iter().map(ToString::to_string).collect();
    assert_eq!(parts, ["a.npz: 35 train, 5 val, 8 test", "b.npz: 70 train, 10 val, 20 test"]);
}

#[test]
fn sets_of_one_name_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    set(folder.path(), "x/a.npz", (3, 1), 2, 0);
    set(folder.path(), "y/a.npz", (3, 1), 2, 50);
    let both = open(folder.path(), &["x/a.npz", "y/a.npz"], |_| {}).unwrap();
    assert_eq!(both.name, "a.npz + a.npz (2)");
    assert_eq!(both.classes[2], "a.npz (2): 0");
}

#[test]
fn where_images_of_one_set_may_show_several_classes_there_are_no_labels() {
    let folder = tempfile::tempdir().unwrap();
    set(folder.path(), "a.npz", (4, 1), 2, 0);
    let tags = [("images", npy_u8(&[2, 2, 2], &[7; 8])), ("labels", npy_u8(&[2, 2], &[1, 1, 0, 1]))];
    put(folder.path(), "tags.npz", &npz(&tags));
    let both = open(folder.path(), &["a.npz", "tags.npz"], |_| {}).unwrap();
    let train = both.splits.train.as_ref().unwrap();
    assert!(both.classes.is_empty() && !both.has_tags());
    assert!((0..train.len()).all(|at| train.label(at).is_none() && train.tags(at).is_none()));
}

#[test]
fn what_does_not_go_together_is_refused_with_what_helps() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    set(place, "a.npz", (3, 1), 2, 0);
    set(place, "same.npz", (3, 1), 2, 0);
    put(place, "colour.npz", &npz(&[("images", npy_u8(&[2, 2, 2, 3], &[1; 24]))]));
    put(place, "photos/a.png", &png(4, 1));
    let wide = |top: u16| {
        let values: Vec<u8> = [0, top, 5, 7].iter().flat_map(|value| value.to_le_bytes()).collect();
        npz(&[("images", npy("<u2", false, &[1, 2, 2], &values))])
    };
    put(place, "twelve.npz", &wide(4095));
    put(place, "sixteen.npz", &wide(40000));
    put(place, "test.npz", &npz(&[("test_images", npy_u8(&[2, 2, 2], &[3; 8]))]));
    let told = |names: &[&str]| refusal(open(place, names, |_| {}));
    let twice = told(&["a.npz", "same.npz"]);
    assert!(twice.contains("same.npz holds the same images as a.npz"), "{twice}");
    let channels = told(&["a.npz", "colour.npz"]);
    assert!(
        channels.contains("a.npz has 1 channel(s), colour.npz has 3") && channels.contains("{rgb}"),
        "{channels}"
    );
    let numbers = told(&["a.npz", "twelve.npz"]);
    assert!(numbers.contains("a.npz has numbers of u8, twelve.npz has numbers of u16"), "{numbers}");
    let range = told(&["twelve.npz", "sixteen.npz"]);
    assert!(
        range.contains("0 to 4095") && range.contains("0 to 65535") && range.contains("{range}"),
        "{range}"
    );
    let nothing = told(&["a.npz", "test.npz"]);
    assert!(nothing.contains("test.npz has no training images"), "{nothing}");
    // What was refused goes with the option that the hint names.
    let rgb = open(place, &["a.npz", "photos"], |settings| settings.rgb = true).unwrap();
    assert_eq!(rgb.splits.train.unwrap().image(0).unwrap().channels, 3);
    let stated = |settings: &mut DataSettings| settings.range = RangeChoice::Same([0.0, 40000.0]);
    assert_eq!(open(place, &["twelve.npz", "sixteen.npz"], stated).unwrap().range.channels, [[0.0, 40000.0]]);
}

#[test]
fn a_limit_of_memory_is_one_for_all() {
    let folder = tempfile::tempdir().unwrap();
    set(folder.path(), "a.npz", (6, 2), 8, 0); // 512 bytes
    set(folder.path(), "b.npz", (6, 2), 8, 100);
    let join = vec![folder.path().join("b.npz").display().to_string()];
    let settings = DataSettings { join, ..as_defined().settings };
    let within =
        |limit: u64| OpenOptions { memory_limit: Some(limit), ..OpenOptions::from(settings.clone()) };
    let path = folder.path().join("a.npz");
    assert_eq!(twinlens_data::open(&path, &within(3000)).unwrap().bytes_in_memory, 1024);
    // Enough for one of them, and not for both.
    assert!(refusal(twinlens_data::open(&path, &within(1000))).contains("b.npz"));
    let bytes = std::fs::read(&path).unwrap();
    let message = refusal(twinlens_data::open_bytes("a.npz", bytes, &OpenOptions::from(settings)));
    assert!(message.contains("option join"), "{message}");
}

proptest! {
    #[test]
    fn the_first_images_are_of_all_sets_in_proportion(sizes in prop::collection::vec(1usize..40, 2..5)) {
        let folder = tempfile::tempdir().unwrap();
        let names: Vec<String> = (0..sizes.len()).map(|at| format!("{at}.npz")).collect();
        for (at, size) in sizes.iter().enumerate() {
            set(folder.path(), &names[at], (*size, 1), 1, 50 * at as u8);
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let train = open(folder.path(), &names, |_| {}).unwrap().splits.train.unwrap();
        let total: usize = sizes.iter().sum();
        prop_assert_eq!(train.len(), total);
        let mut counts = vec![0; sizes.len()];
        for at in 0..total {
            let name = train.name(at);
            let (set, image) = name.split_once(": ").unwrap();
            let which = names.iter().position(|name| *name == set).unwrap();
            // Each set's images in its own order.
            prop_assert_eq!(image.to_owned(), format!("train_images[{}]", counts[which]));
            counts[which] += 1;
            for (count, size) in counts.iter().zip(&sizes) {
                let due = (at + 1) as f64 * *size as f64 / total as f64;
                let most = 0.5 + sizes.len() as f64 / 2.0;
                prop_assert!((*count as f64 - due).abs() <= most, "{counts:?} of {sizes:?}");
            }
        }
    }
}
