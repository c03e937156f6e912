//! Volumes in sets: slices, columns, labels, pairs, groups, types.

use std::collections::BTreeSet;

use proptest::prelude::*;
use twinlens_data::{
    DataSet, DataSettings, Image, ImageSource, OpenOptions, Orientation, PixelType, Pixels, Plane, Split,
    SplitOrigin, SplitPolicy, open,
};
use zip::CompressionMethod;

use crate::layouts::{members, notice};
use crate::make::{as_defined, gzipped, nifti, nifti_of, open_file, png, put, refusal, strict, with, zipped};

/// A volume whose values are all different.
fn counted(shape: [usize; 3], first: i16) -> Vec<u8> {
    let values: Vec<i16> = (0..shape.iter().product::<usize>() as i16).map(|value| first + value).collect();
    nifti(&shape, [1.0; 3], &values)
}

fn train(set: &DataSet) -> &dyn ImageSource {
    set.splits.train.as_deref().unwrap()
}

fn folder(files: &[(&str, Vec<u8>)], options: &OpenOptions<'_>) -> DataSet {
    let folder = tempfile::tempdir().unwrap();
    files.iter().for_each(|(path, bytes)| put(folder.path(), path, bytes));
    open(folder.path(), options).unwrap()
}

/// The two columns of every image.
fn known(source: &dyn ImageSource) -> Vec<String> {
    (0..source.len()).map(|index| source.metadata(index).join(" ")).collect()
}

#[test]
fn what_is_no_number_is_0_and_told() {
    let values = [1.0_f32, f32::NAN, f32::INFINITY, 4.0, -2.5, 0.0, 3.0, f32::NEG_INFINITY];
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let file = nifti_of(16, &[2, 2, 2], [1.0; 3], &bytes);
    let set =
        open_file("masked.nii", &file, &with(|settings| settings.splits = SplitPolicy::Defined)).unwrap();
    assert_eq!(notice(&set, "not-finite").count, 1);
    let train = set.splits.train.as_ref().unwrap();
    let mut all: Vec<f64> = (0..2).flat_map(|index| train.stored(index).unwrap().pixels.to_f64()).collect();
    all.sort_by(f64::total_cmp);
    assert_eq!(all, [-2.5, 0.0, 0.0, 0.0, 0.0, 1.0, 3.0, 4.0]);
}

#[test]
fn slices_of_volumes_in_class_folders_are_images() {
    let files = [
        ("liver/p1.nii.gz", gzipped(&counted([3, 2, 4], 0))),
        ("liver/p2.nii", counted([3, 2, 2], 100)),
        ("lung/p3.nii", counted([3, 2, 1], 200)),
    ];
    for set in [
        folder(&files, &as_defined()),
        open_file("set.zip", &zipped(&files, CompressionMethod::Deflated), &as_defined()).unwrap(),
    ] {
        assert_eq!((set.format, &set.classes[..]), ("folder", &["liver".to_string(), "lung".into()][..]));
        let source = train(&set);
        assert_eq!(source.columns(), ["volume", "slice"]);
        assert_eq!(known(source), ["p1 0", "p1 1", "p1 2", "p1 3", "p2 0", "p2 1", "p3 0"]);
        assert_eq!(members(&set, Split::Train)[4], ("liver/p2.nii[0]".into(), Some("liver".into())));
        assert_eq!(source.name(6), "lung/p3.nii");
        // From the feet: right is on the left, anterior is up.
        let expected = Image::new(2, 3, 1, Pixels::I16(vec![11, 10, 9, 8, 7, 6])).unwrap();
        assert_eq!(source.stored(1).unwrap(), expected);
        assert_eq!(notice(&set, "slices").count, 3);
    }
}

#[test]
fn planes_and_axes_as_stored() {
    let volume = counted([3, 2, 4], 0);
    let first = |plane: Plane, orientation: Orientation| {
        let options = with(|settings| (settings.plane, settings.orientation) = (plane, orientation));
        let set = open_file("v.nii", &volume, &options).unwrap();
        let image = train(&set).stored(0).unwrap();
        (train(&set).len(), image.height, image.width, image.pixels.to_f64()[..2].to_vec())
    };
    assert_eq!(first(Plane::Axial, Orientation::Upright), (4, 2, 3, vec![5.0, 4.0]));
    assert_eq!(first(Plane::Coronal, Orientation::Upright), (2, 4, 3, vec![20.0, 19.0]));
    assert_eq!(first(Plane::Sagittal, Orientation::Upright), (3, 4, 2, vec![21.0, 18.0]));
    assert_eq!(first(Plane::Axial, Orientation::Stored), (4, 2, 3, vec![0.0, 1.0]));
    assert_eq!(first(Plane::Coronal, Orientation::Stored), (2, 4, 3, vec![0.0, 1.0]));
    assert_eq!(first(Plane::Sagittal, Orientation::Stored), (3, 4, 2, vec![0.0, 3.0]));
}

#[test]
fn a_picture_of_two_axes_is_one_image_whatever_the_plane() {
    let values: Vec<i16> = (0..6).collect();
    for plane in [Plane::Axial, Plane::Coronal, Plane::Sagittal] {
        let bytes = nifti(&[3, 2], [1.0; 3], &values);
        let set = open_file("v.nii", &bytes, &with(|settings| settings.plane = plane)).unwrap();
        let image = train(&set).stored(0).unwrap();
        assert_eq!((train(&set).len(), image.height, image.width), (1, 2, 3));
        assert_eq!(train(&set).name(0), "v.nii");
    }
}

#[test]
fn of_several_volumes_one_is_chosen() {
    let values: Vec<i16> = (0..24).collect();
    let bytes = nifti(&[2, 2, 2, 3], [1.0; 3], &values);
    let refused = refusal(open_file("v.nii", &bytes, &strict()));
    assert!(refused.contains("it holds 3 volumes") && refused.contains("{volume} 0"), "{refused}");
    let chosen = |volume: usize| {
        open_file("v.nii", &bytes, &with(|settings| settings.volume = Some(volume)))
            .map(|set| (train(&set).len(), train(&set).stored(0).unwrap().pixels.to_f64()))
    };
    assert_eq!(chosen(2).unwrap(), (2, vec![19.0, 18.0, 17.0, 16.0]));
    assert!(chosen(3).is_err());
    // One volume may be said to be the only one.
    let single = nifti(&[2, 2, 2, 1], [1.0; 3], &values[..8]);
    assert_eq!(train(&open_file("v.nii", &single, &strict()).unwrap()).len(), 2);
}

#[test]
fn a_pair_is_read_from_either_folder_or_header() {
    let whole = counted([3, 2, 2], 7);
    let mut header = whole[..348].to_vec();
    header[108..112].copy_from_slice(&0f32.to_le_bytes());
    header[344..348].copy_from_slice(b"ni1\0");
    let numbers = whole[352..].to_vec();
    let expected = train(&open_file("v.nii", &whole, &strict()).unwrap()).stored(1).unwrap();
    let root = tempfile::tempdir().unwrap();
    put(root.path(), "v.hdr", &header);
    put(root.path(), "v.img", &numbers);
    for path in [root.path().to_path_buf(), root.path().join("v.hdr")] {
        let set = open(&path, &strict()).unwrap();
        assert_eq!(known(train(&set)), ["v 0", "v 1"]);
        assert_eq!(train(&set).stored(1).unwrap(), expected);
    }
    let files = [("v.hdr.gz", gzipped(&header)), ("v.img.gz", gzipped(&numbers))];
    assert_eq!(train(&folder(&files, &strict())).stored(1).unwrap(), expected);
    let refused = refusal(open_file("v.hdr", &header, &strict()));
    assert!(refused.contains("not beside it"), "{refused}");
}

#[test]
fn a_table_labels_volumes_by_name_and_says_the_patient() {
    let table = b"file,label,patient\na,ill,1\nb,ill,1\nc,well,2\n".to_vec();
    let files = [
        ("a.nii.gz", gzipped(&counted([2, 2, 2], 0))),
        ("b.nii.gz", gzipped(&counted([2, 2, 2], 10))),
        ("c.nii.gz", gzipped(&counted([2, 2, 2], 20))),
        ("labels.csv", table),
    ];
    let set = folder(&files, &as_defined());
    assert_eq!(train(&set).columns(), ["patient", "volume", "slice"]);
    assert_eq!(known(train(&set)), ["1 a 0", "1 a 1", "1 b 0", "1 b 1", "2 c 0", "2 c 1"]);
    let labels: Vec<_> = members(&set, Split::Train).into_iter().filter_map(|(_, class)| class).collect();
    assert_eq!(labels, ["ill", "ill", "ill", "ill", "well", "well"]);
}

#[test]
fn columns_of_a_table_keep_their_names() {
    let files = [("a.nii", counted([2, 2, 1], 0)), ("labels.csv", b"file,volume\na,1200\n".to_vec())];
    let set = folder(&files, &as_defined());
    assert_eq!(train(&set).columns(), ["volume", "volume_", "slice"]);
    assert_eq!(known(train(&set)), ["1200 a 0"]);
}

#[test]
fn volumes_of_one_name_are_called_by_their_paths() {
    let files = [("s1/t1.nii", counted([2, 2, 1], 0)), ("s2/t1.nii", counted([2, 2, 1], 9))];
    assert_eq!(known(train(&folder(&files, &as_defined()))), ["s1/t1 0", "s2/t1 0"]);
}

/// Volumes of five slices in two classes, and what drawing makes of them.
fn drawn(volumes: usize, table: Option<&str>, group: &str, seed: u64) -> DataSet {
    let root = tempfile::tempdir().unwrap();
    for volume in 0..volumes {
        let class = if volume % 2 == 0 { "even" } else { "odd" };
        let bytes = counted([2, 2, 5], 20 * volume as i16);
        put(root.path(), &format!("{class}/v{volume}.nii"), &bytes);
    }
    if let Some(table) = table {
        put(root.path(), "labels.csv", table.as_bytes());
    }
    let settings = DataSettings {
        splits: SplitPolicy::Drawn,
        split_seed: seed,
        group: group.into(),
        ..DataSettings::default()
    };
    open(root.path(), &OpenOptions::from(settings)).unwrap()
}

/// What the images of each split say in `column`.
fn groups(set: &DataSet, column: usize) -> [BTreeSet<String>; 3] {
    Split::ALL.map(|split| {
        let source = set.splits.get(split).unwrap();
        (0..source.len()).map(|index| source.metadata(index)[column].clone()).collect()
    })
}

#[test]
fn no_drawn_split_divides_a_volume() {
    for seed in 0..5 {
        let set = drawn(20, None, "", seed);
        assert_eq!(set.split_origin, SplitOrigin::Drawn);
        let [train, val, test] = groups(&set, 0);
        assert_eq!([train.len(), val.len(), test.len()], [14, 2, 4]);
        let all: BTreeSet<&String> = train.iter().chain(&val).chain(&test).collect();
        assert_eq!(all.len(), 20);
        let even = test.iter().filter(|name| name[1..].parse::<u32>().unwrap() % 2 == 0).count();
        assert_eq!(even, 2, "as many of each class");
        assert!(notice(&set, "groups").message.contains("`volume`"));
    }
}

#[test]
fn no_drawn_split_divides_what_a_table_says() {
    let rows: String = (0..20).map(|v| format!("v{v}.nii,p{},s{}\n", v / 2, v / 10)).collect();
    let table = format!("file,patient,site\n{rows}");
    let [train, val, test] = groups(&drawn(20, Some(&table), "", 3), 0);
    assert!(train.is_disjoint(&test) && train.is_disjoint(&val) && val.is_disjoint(&test));
    assert_eq!(train.len() + val.len() + test.len(), 10);
    let set = drawn(20, Some(&table), "volume", 3);
    let [train, val, test] = groups(&set, 2);
    assert_eq!([train.len(), val.len(), test.len()], [14, 2, 4]);
}

#[test]
fn types_of_volumes_may_differ() {
    let floats: Vec<u8> = [0.5f32, -1.5, 2.0, 300.0].iter().flat_map(|value| value.to_le_bytes()).collect();
    let files = [
        ("a.nii", nifti(&[2, 2, 1], [1.0; 3], &[-1000, 0, 40, 3000])),
        ("b.nii", nifti_of(16, &[2, 2, 1], [1.0; 3], &floats)),
        ("c.nii", nifti_of(2, &[2, 2, 1], [1.0; 3], &[0, 1, 2, 255])),
        ("d.nii", nifti_of(512, &[2, 2, 1], [1.0; 3], &[1, 0, 0, 1, 255, 255, 7, 0])),
    ];
    let set = folder(&files, &as_defined());
    assert_eq!(set.range.pixel_type, PixelType::F32);
    let values: Vec<Vec<f64>> =
        (0..4).map(|index| train(&set).stored(index).unwrap().pixels.to_f64()).collect();
    assert_eq!(values[0], [3000.0, 40.0, 0.0, -1000.0]);
    assert_eq!(values[1], [300.0, 2.0, -1.5, 0.5]);
    assert_eq!(values[2], [255.0, 2.0, 1.0, 0.0]);
    assert_eq!(values[3], [7.0, 65535.0, 256.0, 1.0]);
    assert_eq!(notice(&set, "mixed-types").count, 3);
    // Beside pictures a number may mean something else.
    let mixed = [("a.nii", nifti(&[2, 2, 1], [1.0; 3], &[0; 4])), ("p.png", png(2, 1))];
    let root = tempfile::tempdir().unwrap();
    mixed.iter().for_each(|(path, bytes)| put(root.path(), path, bytes));
    assert!(refusal(open(root.path(), &strict())).contains("mixes images"));
}

#[test]
fn what_voxels_and_headers_leave_open_is_told() {
    let told = |spacing: [f32; 3]| {
        let set = open_file("v.nii", &nifti(&[2, 2, 2], spacing, &[0; 8]), &as_defined()).unwrap();
        set.notices.into_iter().map(|notice| notice.id).collect::<Vec<_>>()
    };
    assert_eq!(told([1.0, 1.0, 1.0]), ["slices"]);
    assert_eq!(told([1.0, 1.0, 3.0]), ["slices", "not-cubic"]);
    assert_eq!(told([1.0, 2.0, 1.0]), ["slices", "not-square"]);
    let mut bytes = nifti(&[2, 2, 2], [1.0; 3], &[1, 2, 3, 4, 5, 6, 7, 8]);
    bytes[254] = 0; // no sform
    let set = open_file("v.nii", &bytes, &as_defined()).unwrap();
    assert_eq!(notice(&set, "unoriented").count, 1);
    assert_eq!(train(&set).stored(0).unwrap().pixels.to_f64(), [3.0, 4.0, 1.0, 2.0], "x runs to the left");
}

#[test]
fn volumes_beyond_memory_go_to_the_cache_and_are_not_decoded_again_and_again() {
    let files: Vec<(String, Vec<u8>)> =
        (0..4).map(|volume| (format!("v{volume}.nii"), counted([16, 16, 8], 0))).collect();
    let root = tempfile::tempdir().unwrap();
    files.iter().for_each(|(path, bytes)| put(root.path(), path, bytes));
    let cache = tempfile::tempdir().unwrap();
    let limit = Some(10_000);
    let settings = as_defined().settings;
    let options =
        OpenOptions { cache_dir: Some(cache.path().into()), memory_limit: limit, ..settings.into() };
    let set = open(root.path(), &options).unwrap();
    assert_eq!((set.bytes_in_memory, train(&set).len()), (0, 32));
    assert_eq!(std::fs::read_dir(cache.path()).unwrap().count(), 1);
    let other = OpenOptions {
        settings: DataSettings { plane: Plane::Coronal, ..options.settings.clone() },
        ..options
    };
    assert_eq!(train(&open(root.path(), &other).unwrap()).len(), 64);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// However the axes of a file are stored, a slice shows the same.
    #[test]
    fn the_order_and_direction_of_stored_axes_change_nothing(
        order in Just([0usize, 1, 2]).prop_shuffle(),
        against in any::<[bool; 3]>(),
        sides in [1usize..4, 1..5, 1..6],
    ) {
        let value = |place: [usize; 3]| (place[0] + 10 * place[1] + 100 * place[2]) as i16;
        // Stored axis `a` runs along direction `order[a]`, against it where so drawn.
        let shape = order.map(|direction| sides[direction]);
        let mut values = Vec::new();
        for z in 0..shape[2] {
            for y in 0..shape[1] {
                for x in 0..shape[0] {
                    let mut place = [0; 3];
                    for (axis, at) in [x, y, z].into_iter().enumerate() {
                        let len = shape[axis];
                        place[order[axis]] = if against[axis] { len - 1 - at } else { at };
                    }
                    values.push(value(place));
                }
            }
        }
        let mut bytes = nifti(&shape, [1.0; 3], &values);
        bytes[280..328].fill(0);
        for axis in 0..3 {
            let entry: f32 = if against[axis] { -1.5 } else { 1.5 };
            let at = 280 + 16 * order[axis] + 4 * axis;
            bytes[at..at + 4].copy_from_slice(&entry.to_le_bytes());
        }
        let set = open_file("v.nii", &bytes, &strict()).unwrap();
        let [width, height, depth] = sides;
        prop_assert_eq!(train(&set).len(), depth);
        for slice in 0..depth {
            let expected: Vec<f64> = (0..height)
                .flat_map(|row| (0..width).map(move |column| [width - 1 - column, height - 1 - row, slice]))
                .map(|place| f64::from(value(place)))
                .collect();
            prop_assert_eq!(train(&set).stored(slice).unwrap().pixels.to_f64(), expected);
        }
    }
}
