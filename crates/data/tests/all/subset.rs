//! Some images of a set, chosen by its table.

use std::collections::BTreeMap;
use std::path::Path;

use proptest::prelude::*;
use twinlens_data::{DataSet, OpenOptions, Split, SplitPolicy, SubsetChoice, class_counts, open};

use crate::layouts::notice;
use crate::make::{png, put, refusal, with};

/// What a table says of an image: split, compound, concentration, plate.
type Row = (&'static str, &'static str, &'static str, &'static str);

const ROWS: &[Row] = &[
    ("train", "DMSO", "0", "Week4_1"),
    ("train", "DMSO", "0", "Week4_2"),
    ("train", "DMSO", "0", "Week1_1"),
    ("train", "taxol", "0.3", "Week4_1"),
    ("train", "taxol", "1.0", "Week4_1"),
    ("train", "taxol", "3.0", "Week1_1"),
    ("train", "colchicine", "3.0", "Week1_1"),
    ("test", "DMSO", "0", "Week4_2"),
    ("test", "DMSO", "0", "Week1_1"),
    ("test", "taxol", "3.0", "Week4_2"),
    ("test", "colchicine", "", "Week4_2"),
];

fn made(root: &Path) {
    let mut table = "path,compound,concentration,plate\n".to_owned();
    for (at, (split, compound, concentration, plate)) in ROWS.iter().enumerate() {
        let path = format!("{split}/{at:02}.png");
        put(root, &path, &png(4, at as u8));
        table += &format!("{path},{compound},{concentration},{plate}\n");
    }
    put(root, "labels.csv", table.as_bytes());
}

fn choice(values: &[(&str, &[&str])]) -> SubsetChoice {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    let values = values.iter().map(|(column, values)| ((*column).to_owned(), texts(values))).collect();
    SubsetChoice { values, ..SubsetChoice::default() }
}

fn options(subset: SubsetChoice) -> OpenOptions<'static> {
    with(|settings| {
        settings.labels_column = "compound".into();
        settings.splits = SplitPolicy::Defined;
        settings.subset = subset;
    })
}

fn opened(subset: SubsetChoice) -> DataSet {
    let place = tempfile::tempdir().unwrap();
    made(place.path());
    open(place.path(), &options(subset)).unwrap()
}

fn refused(subset: SubsetChoice) -> String {
    let place = tempfile::tempdir().unwrap();
    made(place.path());
    refusal(open(place.path(), &options(subset)))
}

/// The images of a split by the numbers of their rows.
fn rows(set: &DataSet, split: Split) -> Vec<usize> {
    let Some(source) = set.splits.get(split) else { return Vec::new() };
    let row = |index| source.name(index).rsplit('/').next()?.strip_suffix(".png")?.parse().ok();
    (0..source.len()).filter_map(row).collect()
}

#[test]
fn values_of_several_columns_are_kept_and_classes_without_images_go() {
    let set = opened(SubsetChoice::default());
    assert_eq!(set.classes, ["DMSO", "colchicine", "taxol"]);
    let set = opened(choice(&[("class", &["DMSO", "taxol"]), ("plate", &["Week4_*"])]));
    assert_eq!(rows(&set, Split::Train), [0, 1, 3, 4]);
    assert_eq!(rows(&set, Split::Test), [7, 9]);
    assert_eq!(set.classes, ["DMSO", "taxol"]);
    let train = set.splits.train.as_ref().unwrap();
    assert_eq!((0..4).map(|index| train.label(index).unwrap()).collect::<Vec<_>>(), [0, 0, 1, 1]);
    assert!(notice(&set, "subset").message.contains("6 of 11 images"));
    assert_eq!(notice(&set, "subset-classes").first, ["colchicine"]);
}

#[test]
fn numbers_are_compared_as_numbers() {
    let set = opened(choice(&[("concentration", &["1", "0.30"])]));
    assert_eq!(rows(&set, Split::Train), [3, 4]);
    assert_eq!(set.classes, ["taxol"]);
}

#[test]
fn the_highest_values_are_those_of_each_class() {
    let highest = BTreeMap::from([("concentration".to_owned(), 2)]);
    let set = opened(SubsetChoice { highest, ..SubsetChoice::default() });
    // Without a number, the colchicine of the test images is not among the highest of its class.
    assert_eq!(rows(&set, Split::Train), [0, 1, 2, 4, 5, 6]);
    assert_eq!(rows(&set, Split::Test), [7, 8, 9]);
}

#[test]
fn as_many_are_drawn_of_each_class_in_each_split() {
    let subset =
        SubsetChoice { balance: true, ..choice(&[("class", &["DMSO", "taxol"]), ("plate", &["*_1"])]) };
    let drawn = |seed| opened(SubsetChoice { seed, ..subset.clone() });
    let set = drawn(0);
    assert_eq!(class_counts(set.splits.train.as_ref().unwrap().as_ref()), BTreeMap::from([(0, 2), (1, 2)]));
    assert!(set.splits.test.is_none(), "there is no taxol among the test images of these plates");
    assert_eq!(set.fingerprint, drawn(0).fingerprint);
    let all: Vec<_> = (0..8).map(|seed| rows(&drawn(seed), Split::Train)).collect();
    assert!(all.iter().any(|other| *other != all[0]), "the seed decides what is drawn");
}

#[test]
fn drawn_splits_are_of_the_subset_alone() {
    let place = tempfile::tempdir().unwrap();
    made(place.path());
    let mut options = options(choice(&[("class", &["DMSO"])]));
    options.settings.splits = SplitPolicy::Drawn;
    let set = open(place.path(), &options).unwrap();
    let count: usize = Split::ALL.iter().map(|split| rows(&set, *split).len()).sum();
    assert_eq!(count, 5);
}

#[test]
fn a_subset_is_another_set() {
    let whole = opened(SubsetChoice::default());
    let part = opened(choice(&[("class", &["DMSO"])]));
    assert_ne!(whole.fingerprint, part.fingerprint);
    let all = opened(choice(&[("class", &["*"])]));
    assert_ne!(part.fingerprint, all.fingerprint);
}

#[test]
fn what_is_not_there_is_refused() {
    let by_label = opened(choice(&[("compound", &["DMSO"])]));
    assert_eq!(by_label.classes, ["DMSO"], "the column of the labels is the class");
    let told = refused(choice(&[("plat", &["Week4_1"])]));
    assert!(told.contains("no column \"plat\"") && told.contains("plate"), "{told}");
    let told = refused(choice(&[("plate", &["week4_1"])]));
    assert!(told.contains("no image has \"week4_1\"") && told.contains("Week4_1"), "{told}");
    let told = refused(choice(&[("class", &["colchicine"]), ("concentration", &["1.0"])]));
    assert!(told.contains("no image has all the values"), "{told}");
    let highest = BTreeMap::from([("plate".to_owned(), 2)]);
    let told = refused(SubsetChoice { highest, ..SubsetChoice::default() });
    assert!(told.contains("\"plate\" holds no numbers"), "{told}");
    let told = refused(SubsetChoice { balance: true, ..choice(&[("class", &["taxol"])]) });
    assert!(told.contains("at least two classes"), "{told}");
    let highest = BTreeMap::from([("concentration".to_owned(), 0)]);
    let told = refused(SubsetChoice { highest, ..SubsetChoice::default() });
    assert!(told.contains("subset.highest"), "{told}");
    assert!(refused(choice(&[("plate", &[])])).contains("subset.where"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// What is kept by one value after the other is what is kept by all at once; order and labels of the rest stay.
    #[test]
    fn every_image_that_is_left_has_what_was_asked_for(
        plates in proptest::sample::subsequence(vec!["Week4_1", "Week4_2", "Week1_1"], 1..=3),
        classes in proptest::sample::subsequence(vec!["DMSO", "taxol", "colchicine"], 1..=3),
    ) {
        let asked = choice(&[("plate", &plates), ("class", &classes)]);
        let has = |row: &Row| classes.contains(&row.1) && plates.contains(&row.3);
        if !ROWS.iter().any(has) {
            prop_assert!(refused(asked).contains("no image has all the values"));
            return Ok(());
        }
        let set = opened(asked);
        for split in [Split::Train, Split::Test] {
            let expected: Vec<usize> = (0..ROWS.len())
                .filter(|&row| ROWS[row].0 == split.name())
                .filter(|&row| has(&ROWS[row]))
                .collect();
            prop_assert_eq!(rows(&set, split), expected.clone());
            let Some(source) = set.splits.get(split) else { continue };
            for (index, row) in expected.into_iter().enumerate() {
                prop_assert_eq!(&set.classes[source.label(index).unwrap()], ROWS[row].1);
            }
        }
    }
}
