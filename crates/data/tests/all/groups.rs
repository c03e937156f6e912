//! Images that belong together: drawn splits, given splits, shares of labels.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;
use twinlens_data::stain::StainMethod;
use twinlens_data::{
    Concat, DataError, DataSet, Illumination, Image, ImageSource, LabelAmount, LabelChoice, LabelShare,
    OpenOptions, SharedGroups, Split, SplitPolicy, SplitShares, Subset, class_counts, draw_splits,
    group_numbers, image_share, inspect,
};

use crate::layouts::notice;
use crate::make::{Listed, png, put, refusal, with};

/// A source with groups, without pixels.
struct Grouped {
    labels: Vec<Option<usize>>,
    metadata: Vec<[String; 1]>,
    columns: [String; 1],
}

impl Grouped {
    fn source(rows: &[(Option<usize>, Option<u8>)]) -> Arc<dyn ImageSource> {
        let text = |group: Option<u8>| [group.map_or(String::new(), |group| format!("p{group}"))];
        Arc::new(Grouped {
            labels: rows.iter().map(|(label, _)| *label).collect(),
            metadata: rows.iter().map(|(_, group)| text(*group)).collect(),
            columns: ["patient".to_owned()],
        })
    }
}

impl ImageSource for Grouped {
    fn len(&self) -> usize {
        self.labels.len()
    }

    fn image(&self, index: usize) -> Result<Image, DataError> {
        Err(DataError::NoSuchSample { index, len: 0 })
    }

    fn label(&self, index: usize) -> Option<usize> {
        self.labels.get(index).copied().flatten()
    }

    fn columns(&self) -> &[String] {
        &self.columns
    }

    fn metadata(&self, index: usize) -> &[String] {
        self.metadata.get(index).map_or(&[], |metadata| metadata)
    }

    fn group_column(&self) -> Option<usize> {
        Some(0)
    }
}

/// A set of pictures with a table; `rows` are `image,label,patient,split`.
fn try_set(rows: &[[&str; 4]], options: &OpenOptions<'_>) -> Result<DataSet, DataError> {
    let folder = tempfile::tempdir().unwrap();
    let mut table = "image,label,patient,split,age\n".to_owned();
    for (seed, [image, label, patient, split]) in rows.iter().enumerate() {
        put(folder.path(), image, &png(3, seed as u8));
        table += &format!("{image},{label},{patient},{split},{seed}\n");
    }
    put(folder.path(), "labels.csv", table.as_bytes());
    twinlens_data::open(folder.path(), options)
}

/// 24 images of 8 patients, three of each, of two classes by patient, undivided.
fn cohort(options: &OpenOptions<'_>) -> Result<DataSet, DataError> {
    let names: Vec<[String; 3]> = (0..24)
        .map(|at| [format!("{at:02}.png"), (at / 3 % 2).to_string(), format!("case {}", at / 3)])
        .collect();
    let rows: Vec<[&str; 4]> = names
        .iter()
        .map(|[image, label, patient]| [image, label, patient, ""].map(|text: &str| text))
        .collect();
    try_set(&rows, options)
}

fn drawn(change: impl FnOnce(&mut twinlens_data::DataSettings)) -> OpenOptions<'static> {
    with(|settings| {
        settings.splits = SplitPolicy::Drawn;
        settings.split_shares = SplitShares { train: 0.5, val: 0.25, test: 0.25 };
        change(settings);
    })
}

/// The splits in which each patient is.
fn splits_of(set: &DataSet) -> BTreeMap<String, BTreeSet<Split>> {
    let mut found: BTreeMap<String, BTreeSet<Split>> = BTreeMap::new();
    for split in Split::ALL {
        let Some(source) = set.splits.get(split) else { continue };
        for index in 0..source.len() {
            found.entry(source.metadata(index)[0].clone()).or_default().insert(split);
        }
    }
    found
}

#[test]
fn images_that_are_changed_keep_their_groups() {
    let changes: [fn(&mut twinlens_data::DataSettings); 2] = [
        |settings| settings.illumination = Illumination::Median,
        |settings| settings.stain = StainMethod::Reinhard.into(),
    ];
    for change in changes {
        let set = cohort(&drawn(|settings| {
            settings.group = "patient".into();
            change(settings);
        }))
        .unwrap();
        assert!(splits_of(&set).values().all(|splits| splits.len() == 1), "{:?}", splits_of(&set));
        assert_eq!(inspect(&set).unwrap().groups.unwrap().groups, 8);
    }
}

#[test]
fn drawn_splits_divide_patients_unless_they_are_a_group() {
    let apart = cohort(&drawn(|_| ())).unwrap();
    let divided = splits_of(&apart).values().filter(|splits| splits.len() > 1).count();
    assert!(divided > 4, "{divided}");
    let told = notice(&apart, "groups");
    let expected = format!(
        "there is a column `patient`, which drawn splits divide: {divided} of 8 values stand in more"
    );
    assert!(told.message.starts_with(&expected), "{}", told.message);
    assert_eq!(told.hint.as_deref(), Some("`{group} patient` keeps images of one `patient` together"));
    assert!(inspect(&apart).unwrap().groups.is_none());

    for seed in 0..5 {
        let set = cohort(&drawn(|settings| {
            settings.group = "Patient".into();
            settings.split_seed = seed;
        }))
        .unwrap();
        assert!(splits_of(&set).values().all(|splits| splits.len() == 1));
        assert!(set.notices.iter().all(|notice| !notice.id.contains("group")), "{:?}", set.notices);
        for (split, images) in [(Split::Train, 12), (Split::Val, 6), (Split::Test, 6)] {
            let source = set.splits.get(split).unwrap();
            assert_eq!(source.len(), images);
            assert_eq!(
                class_counts(source.as_ref()).into_values().collect::<Vec<_>>(),
                [images / 2; 2],
                "{split:?}"
            );
        }
        let groups = inspect(&set).unwrap().groups.unwrap();
        assert_eq!((groups.column.as_str(), groups.groups, groups.without), ("patient", 8, 0));
        assert_eq!((groups.median_images, groups.most_images, groups.shared_groups), (3.0, 3, 0));
    }
    let test = |seed| {
        let set = cohort(&drawn(|settings| (settings.group, settings.split_seed) = ("patient".into(), seed)));
        let test = set.unwrap().splits.test.unwrap();
        (0..test.len()).map(|index| test.name(index)).collect::<Vec<_>>()
    };
    assert_eq!(test(1), test(1));
    assert!((2..9).any(|seed| test(seed) != test(1)));
}

const GIVEN: [[&str; 4]; 8] = [
    ["0.png", "a", "p1", "train"],
    ["1.png", "b", "p2", "train"],
    ["2.png", "a", "p3", "train"],
    ["3.png", "b", "p4", "val"],
    ["4.png", "a", "p1", "val"],
    ["5.png", "b", "p5", "test"],
    ["6.png", "a", "p1", "test"],
    ["7.png", "b", "", "test"],
];

#[test]
fn given_splits_that_divide_a_patient_are_refused_or_told() {
    let by_column = |change: fn(&mut twinlens_data::DataSettings)| {
        with(|settings| {
            settings.splits = SplitPolicy::Column;
            change(settings);
        })
    };
    let told = refusal(try_set(&GIVEN, &by_column(|settings| settings.group = "patient".into())));
    assert!(
        told.contains("1 of 6 groups of the column \"patient\" stand in more than one split (2 of 5 held-out images): p1"),
        "{told}"
    );
    assert!(told.contains("{splits} drawn") && told.contains("{shared_groups} tell"), "{told}");
    let kept = try_set(
        &GIVEN,
        &by_column(|settings| {
            settings.group = "patient".into();
            settings.shared_groups = SharedGroups::Tell;
        }),
    )
    .unwrap();
    let shared = notice(&kept, "shared-groups");
    assert_eq!((shared.count, shared.first.join(" ").as_str()), (1, "p1"));
    assert!(shared.message.contains("2 of 5 held-out images, 40.0 %"), "{}", shared.message);
    let without = notice(&kept, "without-group");
    assert_eq!((without.count, without.first.join(" ").as_str()), (1, "7.png"));
    let groups = inspect(&kept).unwrap().groups.unwrap();
    assert_eq!((groups.groups, groups.without, groups.shared_groups, groups.shared_images), (6, 1, 1, 2));
    assert_eq!((groups.shared_share, groups.median_images, groups.most_images), (0.4, 1.0, 3));
    let told = "6 by the column `patient`, of 1 images (median) to 3 (largest); 1 stand in more than one split (2 held-out \
                images, 40.0 %)";
    assert_eq!(groups.to_string(), told);
    // Not asked for, it is told.
    let apart = try_set(&GIVEN, &by_column(|_| ())).unwrap();
    let told = &notice(&apart, "groups").message;
    assert!(told.contains("which given splits divide: 1 of 6 values"), "{told}");
    // What is drawn divides none, whatever the set says.
    let drawn = try_set(&GIVEN, &drawn(|settings| settings.group = "patient".into())).unwrap();
    assert_eq!(splits_of(&drawn)["p1"].len(), 1);
}

#[test]
fn a_column_that_is_not_there_is_an_error() {
    let told = refusal(cohort(&drawn(|settings| settings.group = "patients".into())));
    assert!(told.contains("no column \"patients\"") && told.contains("patient, split, age"), "{told}");
    assert!(told.ends_with("did you mean {group} patient?"), "{told}");
}

#[test]
fn validation_is_drawn_by_group_from_training_images() {
    let folder = tempfile::tempdir().unwrap();
    let mut table = "image,plate\n".to_owned();
    for at in 0..24 {
        let (split, plate) = if at < 20 { ("train", at / 4) } else { ("test", 9) };
        put(folder.path(), &format!("{split}/{}/{at}.png", ["cat", "dog"][at % 2]), &png(3, at as u8));
        table += &format!("{at}.png,{plate}\n");
    }
    put(folder.path(), "labels.csv", table.as_bytes());
    let options =
        OpenOptions::from(twinlens_data::DataSettings { group: "plate".into(), ..Default::default() });
    let set = twinlens_data::open(folder.path(), &options).unwrap();
    let val = set.splits.val.clone().unwrap();
    assert_eq!(val.len(), 4);
    assert!((0..4).all(|index| val.group(index) == val.group(0)));
    assert_eq!(group_numbers(val.as_ref()).unwrap(), [0; 4]);
}

#[test]
fn groups_are_known_through_every_wrapper() {
    let source = Grouped::source(&[(Some(0), Some(1)), (None, None), (Some(1), Some(2)), (Some(0), Some(1))]);
    assert_eq!(group_numbers(source.as_ref()), Some(vec![0, 1, 2, 0]));
    let some: Arc<dyn ImageSource> = Arc::new(Subset::new(source.clone(), vec![3, 2, 0, 1, 1]).unwrap());
    // An image that is there twice is one of its own twice.
    assert_eq!(group_numbers(some.as_ref()), Some(vec![0, 1, 0, 2, 3]));
    let both: Arc<dyn ImageSource> = Arc::new(Concat::new(vec![some, source.clone()]));
    assert_eq!(both.group(5), Some("p1"));
    let share = LabelShare::new(both, LabelAmount::Share(1.0), LabelChoice::Random, 0).unwrap();
    assert_eq!((share.group(5), share.group(6)), (Some("p1"), None));
    assert_eq!(group_numbers(&Listed(vec![], vec![Some(0)])), None);
}

#[test]
fn labels_by_group_need_groups() {
    let source: Arc<dyn ImageSource> = Arc::new(Listed(vec![], vec![Some(0), Some(1)]));
    let refused = LabelShare::new(source.clone(), LabelAmount::Share(0.5), LabelChoice::ByGroup, 0);
    assert!(refused.err().unwrap().to_string().contains("`group`"));
    assert!(image_share(source, 0.5, LabelChoice::ByGroup, 0).is_err());
    assert_eq!(serde_json::to_value(LabelChoice::ByGroup).unwrap(), "by-group");
}

type Rows = Vec<(Option<usize>, Option<u8>)>;

fn rows() -> impl Strategy<Value = Rows> {
    let label = prop_oneof![9 => (0usize..4).prop_map(Some), 1 => Just(None)];
    let group = prop_oneof![12 => (0u8..25).prop_map(Some), 1 => Just(None)];
    prop::collection::vec((label, group), 1..160)
}

/// The sizes of all groups.
fn sizes(source: &dyn ImageSource) -> Vec<usize> {
    let numbers = group_numbers(source).unwrap();
    let mut sizes = vec![0; numbers.iter().max().map_or(0, |&most| most as usize + 1)];
    numbers.iter().for_each(|&number| sizes[number as usize] += 1);
    sizes
}

proptest! {
    #[test]
    fn no_group_is_divided_and_every_class_is_learnt(
        rows in rows(),
        val in 0.0..0.4f64,
        test in 0.0..0.4f64,
        seed: u64,
    ) {
        let source = Grouped::source(&rows);
        let numbers = group_numbers(source.as_ref()).unwrap();
        let shares = SplitShares { train: 1.0 - val - test, val, test };
        let splits = draw_splits(source.as_ref(), shares, seed);
        prop_assert_eq!(&splits, &draw_splits(source.as_ref(), shares, seed));
        let mut all = splits.concat();
        all.sort_unstable();
        prop_assert_eq!(all, (0..rows.len()).collect::<Vec<_>>());
        let groups = splits.each_ref().map(|split| split.iter().map(|&index| numbers[index]).collect::<BTreeSet<u32>>());
        for (a, b) in [(0, 1), (0, 2), (1, 2)] {
            prop_assert!(groups[a].is_disjoint(&groups[b]));
        }
        prop_assert!(!splits[0].is_empty());
        let classes = |indices: &[usize]| indices.iter().filter_map(|&index| rows[index].0).collect::<BTreeSet<usize>>();
        let everything: Vec<usize> = (0..rows.len()).collect();
        prop_assert_eq!(classes(&splits[0]), classes(&everything));
        // Within half the largest group, or one group, unless a class would be missing in training.
        let sizes = sizes(source.as_ref());
        let most = *sizes.iter().max().unwrap() as f64;
        let taken_back = |group: u32| {
            let left: Vec<usize> = splits[0].iter().copied().filter(|&index| numbers[index] != group).collect();
            left.is_empty() || classes(&left) != classes(&everything)
        };
        let nothing_left = groups[0].iter().all(|&group| taken_back(group));
        for (at, share) in [(1, val), (2, test)] {
            let off = splits[at].len() as f64 - share * rows.len() as f64;
            let one = groups[at].len() == 1;
            prop_assert!(off <= most / 2.0 + 1e-6 || one, "{off} {most}");
            prop_assert!(-off <= most / 2.0 + 1e-6 || nothing_left, "{off} {most}");
        }
    }

    #[test]
    fn labels_of_whole_groups_are_drawn_and_nested(
        rows in rows(),
        small in 0.001..1.0f64,
        more in 0.0..1.0f64,
        seed: u64,
    ) {
        let source = Grouped::source(&rows);
        let numbers = group_numbers(source.as_ref()).unwrap();
        let labelled: Vec<usize> = (0..rows.len()).filter(|&index| rows[index].0.is_some()).collect();
        let of = |amount| LabelShare::new(source.clone(), amount, LabelChoice::ByGroup, seed).unwrap().known();
        let amounts = [LabelAmount::Share(small), LabelAmount::Share(small + (1.0 - small) * more)];
        for amounts in [amounts, [LabelAmount::PerClass(1), LabelAmount::PerClass(3)]] {
            let [few, many] = amounts.map(of);
            prop_assert!(few.iter().all(|index| many.contains(index)));
            let groups: BTreeSet<u32> = few.iter().map(|&index| numbers[index]).collect();
            let whole: Vec<usize> = labelled.iter().copied().filter(|&index| groups.contains(&numbers[index])).collect();
            prop_assert_eq!(&few, &whole);
            if let LabelAmount::Share(share) = amounts[0] && !labelled.is_empty() {
                let due = ((labelled.len() as f64 * share).round() as usize).max(1);
                let last = groups.iter().map(|group| few.iter().filter(|&&index| numbers[index] == *group).count()).max();
                prop_assert!(few.len() >= due && few.len() < due + last.unwrap());
            }
        }
        for class in 0..4 {
            let count = |indices: &[usize]| indices.iter().filter(|&&index| rows[index].0 == Some(class)).count();
            prop_assert!(count(&of(LabelAmount::PerClass(2))) >= count(&labelled).min(2));
        }
        prop_assert_eq!(of(LabelAmount::Share(1.0)), labelled);
        let images = image_share(source.clone(), small, LabelChoice::ByGroup, seed).unwrap();
        prop_assert!(images.len() >= ((rows.len() as f64 * small).round() as usize).max(1));
    }
}
