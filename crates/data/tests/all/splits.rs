//! Splits, shares of labels, subsets.

use std::sync::Arc;

use proptest::prelude::*;
use twinlens_data::{
    Concat, DataSet, DataSettings, ImageSource, LabelAmount, LabelChoice, LabelShare, OpenOptions, Split,
    SplitOrigin, SplitPolicy, SplitShares, Subset, class_counts, draw_splits, image_share, limit,
};

use crate::make::{Listed, bytes_of, npy_u8, npz, open_file, with};

fn labelled(labels: &[usize]) -> Arc<dyn ImageSource> {
    Arc::new(Listed(Vec::new(), labels.iter().map(|&label| Some(label)).collect()))
}

fn sizes(set: &DataSet) -> [usize; 3] {
    Split::ALL.map(|split| set.splits.get(split).map_or(0, |source| source.len()))
}

fn part(name: &str, count: usize) -> [(String, Vec<u8>); 2] {
    let pixels: Vec<u8> = (0..count).map(|i| i as u8).collect();
    let labels: Vec<u8> = (0..count).map(|i| (i % 4) as u8).collect();
    [
        (format!("{name}images"), npy_u8(&[count, 1, 1], &pixels)),
        (format!("{name}labels"), npy_u8(&[count], &labels)),
    ]
}

fn with_parts(parts: &[(&str, usize)], options: &OpenOptions<'_>) -> DataSet {
    let arrays: Vec<(String, Vec<u8>)> = parts.iter().flat_map(|(name, count)| part(name, *count)).collect();
    let arrays: Vec<(&str, Vec<u8>)> =
        arrays.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())).collect();
    open_file("set.npz", &npz(&arrays), options).unwrap()
}

#[test]
fn what_the_set_defines_is_kept_and_what_it_lacks_is_drawn() {
    let open = |parts: &[(&str, usize)]| {
        let set = with_parts(parts, &OpenOptions::default());
        (sizes(&set), set.split_origin)
    };
    assert_eq!(open(&[("train_", 40), ("val_", 8), ("test_", 20)]), ([40, 8, 20], SplitOrigin::Defined));
    assert_eq!(open(&[("train_", 40), ("test_", 20)]), ([35, 5, 20], SplitOrigin::ValFromTrain));
    assert_eq!(open(&[("train_", 40), ("val_", 20)]), ([40, 20, 0], SplitOrigin::Defined));
    assert_eq!(open(&[("val_", 40), ("test_", 20)]), ([0, 40, 20], SplitOrigin::Defined));
    for only in ["", "train_", "test_"] {
        assert_eq!(open(&[(only, 100)]), ([70, 10, 20], SplitOrigin::Drawn), "{only:?}");
    }
    let kept = OpenOptions::from(DataSettings { splits: SplitPolicy::Defined, ..DataSettings::default() });
    assert_eq!(sizes(&with_parts(&[("test_", 100)], &kept)), [0, 0, 100]);
    assert_eq!(sizes(&with_parts(&[("", 100)], &kept)), [100, 0, 0]);
    let shares = SplitShares { train: 0.5, val: 0.0, test: 0.5 };
    assert_eq!(
        sizes(&with_parts(
            &[("", 100)],
            &with(|settings| (settings.splits, settings.split_shares) = (SplitPolicy::Auto, shares))
        )),
        [50, 0, 50]
    );
}

#[test]
fn a_complete_set_learns_from_all_but_its_test_images() {
    let complete = |parts: &[(&str, usize)]| {
        let set = with_parts(parts, &with(|settings| settings.splits = SplitPolicy::Complete));
        assert_eq!(set.split_origin, SplitOrigin::Complete);
        sizes(&set)
    };
    assert_eq!(complete(&[("train_", 40), ("test_", 20)]), [40, 0, 20]);
    assert_eq!(complete(&[("train_", 40), ("val_", 8), ("test_", 20)]), [48, 0, 20]);
    assert_eq!(complete(&[("", 100)]), [100, 0, 0]);
}

#[test]
fn drawn_splits_are_stratified_and_depend_on_the_seed_alone() {
    let drawn = |seed| {
        with_parts(
            &[("", 200)],
            &with(|settings| (settings.splits, settings.split_seed) = (SplitPolicy::Auto, seed)),
        )
    };
    let set = drawn(1);
    for (split, per_class) in [(Split::Train, 35), (Split::Val, 5), (Split::Test, 10)] {
        let counts = class_counts(set.splits.get(split).unwrap().as_ref());
        assert!(counts.values().all(|&count| count == per_class), "{split:?}: {counts:?}");
    }
    let test = |set: &DataSet| {
        let test = set.splits.test.clone().unwrap();
        (0..test.len()).map(|i| bytes_of(&test, i)).collect::<Vec<_>>()
    };
    assert_eq!(test(&set), test(&drawn(1)));
    assert_ne!(test(&set), test(&drawn(2)));
    assert_eq!(set.fingerprint, drawn(2).fingerprint);
}

#[test]
fn subsets_and_concatenations_pass_everything_through() {
    let images = |values: std::ops::Range<u8>| -> Vec<twinlens_data::Image> {
        values
            .map(|v| twinlens_data::Image::new(1, 1, 1, twinlens_data::Pixels::U8(vec![v])).unwrap())
            .collect()
    };
    let a: Arc<dyn ImageSource> = Arc::new(Listed(images(0..3), vec![Some(0), None, Some(1)]));
    let b: Arc<dyn ImageSource> = Arc::new(Listed(images(10..12), vec![Some(2), Some(3)]));
    let empty: Arc<dyn ImageSource> = Arc::new(Listed(vec![], vec![]));
    let all: Arc<dyn ImageSource> = Arc::new(Concat::new(vec![a.clone(), empty.clone(), b]));
    assert_eq!((0..5).map(|i| all.label(i)).collect::<Vec<_>>(), [Some(0), None, Some(1), Some(2), Some(3)]);
    assert_eq!((0..5).map(|i| bytes_of(&all, i)[0]).collect::<Vec<_>>(), [0, 1, 2, 10, 11]);
    assert!(all.image(5).is_err() && all.label(5).is_none() && !all.is_empty() && empty.is_empty());
    let some: Arc<dyn ImageSource> = Arc::new(Subset::new(all.clone(), vec![4, 0, 4]).unwrap());
    assert_eq!((0..3).map(|i| bytes_of(&some, i)[0]).collect::<Vec<_>>(), [11, 0, 11]);
    assert!(some.image(3).is_err() && some.label(3).is_none());
    assert!(Subset::new(all.clone(), vec![5]).is_err());
    assert_eq!((limit(all.clone(), 2).len(), limit(all.clone(), 9).len(), limit(all, 0).len()), (2, 5, 0));
}

#[test]
fn hidden_labels_leave_the_images() {
    let source = Arc::new(Listed(vec![], vec![Some(0), Some(1), None, Some(0)]));
    let share = LabelShare::new(source, LabelAmount::Share(0.4), LabelChoice::Stratified, 3).unwrap();
    assert_eq!(share.len(), 4);
    let visible: Vec<usize> = (0..4).filter(|&i| share.label(i).is_some()).collect();
    assert_eq!(visible, share.known());
    assert_eq!(visible.len(), 2);
    assert_eq!(share.label(9), None);
}

proptest! {
    #[test]
    fn every_sample_is_in_one_split_and_classes_keep_their_shares(
        labels in prop::collection::vec(0usize..5, 1..300),
        val in 0.0..0.4f64,
        test in 0.0..0.4f64,
        seed: u64,
    ) {
        let source = labelled(&labels);
        let shares = SplitShares { train: 1.0 - val - test, val, test };
        let splits = draw_splits(source.as_ref(), shares, seed);
        let mut all = splits.concat();
        all.sort_unstable();
        prop_assert_eq!(all, (0..labels.len()).collect::<Vec<_>>());
        for class in 0..5 {
            let count = |indices: &[usize]| indices.iter().filter(|&&i| labels[i] == class).count() as f64;
            let total = count(&(0..labels.len()).collect::<Vec<_>>());
            prop_assert!((count(&splits[2]) - total * test).abs() <= 1.0 + 1e-6);
            prop_assert!((count(&splits[1]) - total * val).abs() <= 2.0 + 1e-6);
        }
    }

    #[test]
    fn label_shares_are_nested_exact_and_reach_every_class(
        labels in prop::collection::vec(0usize..6, 1..300),
        small in 0.001..1.0f64,
        more in 0.0..1.0f64,
        stratified: bool,
        seed: u64,
    ) {
        let source = labelled(&labels);
        let choice = if stratified { LabelChoice::Stratified } else { LabelChoice::Random };
        let of = |amount| LabelShare::new(source.clone(), amount, choice, seed).unwrap().known();
        let known = |share: f64| of(LabelAmount::Share(share));
        let (few, many) = (known(small), known(small + (1.0 - small) * more));
        prop_assert!(few.iter().all(|index| many.contains(index)));
        prop_assert_eq!(known(1.0).len(), labels.len());
        if stratified {
            for class in 0..6 {
                let count = |indices: &[usize]| indices.iter().filter(|&&i| labels[i] == class).count();
                let total = labels.iter().filter(|&&label| label == class).count();
                let expected = ((total as f64 * small).round() as usize).max(total.min(1));
                prop_assert_eq!(count(&few), expected);
            }
        } else {
            prop_assert_eq!(few.len(), ((labels.len() as f64 * small).round() as usize).max(1));
        }
    }

    #[test]
    fn shares_of_images_are_nested_and_as_large_as_asked_for(
        labels in prop::collection::vec(0usize..4, 1..200),
        seed: u64,
        random: bool,
    ) {
        let choice = if random { LabelChoice::Random } else { LabelChoice::Stratified };
        let source = labelled(&labels);
        let names = |share: f64| -> Vec<String> {
            let drawn = image_share(source.clone(), share, choice, seed).unwrap();
            (0..drawn.len()).map(|index| drawn.name(index)).collect()
        };
        let [few, more, all] = [0.1, 0.5, 1.0].map(names);
        prop_assert!(few.iter().all(|name| more.contains(name)));
        prop_assert_eq!(all.len(), labels.len());
        if random {
            prop_assert_eq!(more.len(), ((labels.len() as f64 * 0.5).round() as usize).max(1));
        } else {
            let classes: std::collections::BTreeSet<usize> = labels.iter().copied().collect();
            prop_assert!(few.len() >= classes.len(), "every class has an image");
        }
    }

    #[test]
    fn labels_by_class_are_nested_exact_and_within_the_shares_that_have_as_many(
        labels in prop::collection::vec(0usize..4, 1..200),
        few in 1usize..9,
        more in 0usize..9,
        random: bool,
        seed: u64,
    ) {
        let source = labelled(&labels);
        let choice = if random { LabelChoice::Random } else { LabelChoice::Stratified };
        let known = |amount| LabelShare::new(source.clone(), amount, choice, seed).unwrap().known();
        let (some, many) = (known(LabelAmount::PerClass(few)), known(LabelAmount::PerClass(few + more)));
        prop_assert!(some.iter().all(|index| many.contains(index)));
        for class in 0..4 {
            let count = |indices: &[usize]| indices.iter().filter(|&&i| labels[i] == class).count();
            let total = labels.iter().filter(|&&label| label == class).count();
            prop_assert_eq!(count(&some), few.min(total));
        }
        let all = LabelAmount::Share(1.0);
        prop_assert_eq!(known(all), known(LabelAmount::PerClass(labels.len())));
    }
}
