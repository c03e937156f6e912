//! .npz and .npy.

use proptest::prelude::*;
use twinlens_data::{ArrayLayout, DataSet, Notice, OpenOptions, Pixels, Split, SplitOrigin, open_bytes};
use zip::CompressionMethod;

use crate::make::{as_defined, bytes_of, gzipped, npy, npy_u8, npz, open_file, put, refusal, with, zipped};

fn ramp(count: usize) -> Vec<u8> {
    (0..count).map(|i| (i * 7) as u8).collect()
}

#[test]
fn medmnist_names_give_three_splits_with_their_pixels_and_labels() {
    let file = npz(&[
        ("train_images", npy_u8(&[3, 2, 2, 3], &ramp(36))),
        ("train_labels", npy_u8(&[3, 1], &[0, 2, 1])),
        ("val_images", npy_u8(&[1, 2, 2, 3], &ramp(12))),
        ("val_labels", npy_u8(&[1, 1], &[2])),
        ("test_images", npy_u8(&[2, 2, 2, 3], &ramp(24))),
        ("test_labels", npy_u8(&[2, 1], &[1, 1])),
    ]);
    let set = open_file("misleading.txt", &file, &OpenOptions::default()).unwrap();
    assert_eq!((set.format, set.split_origin), ("npz", SplitOrigin::Defined));
    assert_eq!(set.classes, ["0", "1", "2"]);
    let train = set.splits.train.as_ref().unwrap();
    assert_eq!(train.len(), 3);
    assert_eq!((0..3).map(|i| train.label(i)).collect::<Vec<_>>(), [Some(0), Some(2), Some(1)]);
    let image = train.image(1).unwrap();
    assert_eq!((image.height, image.width, image.channels), (2, 2, 3));
    assert_eq!(image.pixels, Pixels::U8(ramp(36)[12..24].to_vec()));
    assert_eq!(train.name(1), "train_images[1]");
    assert_eq!(set.splits.val.as_ref().unwrap().label(0), Some(2));
    let test = set.splits.test.as_ref().unwrap();
    assert_eq!((test.len(), test.name(0).as_str()), (2, "test_images[0]"));
    assert!(test.image(2).is_err() && test.label(2).is_none());
    assert_eq!(set.bytes_in_memory, 72);
}

#[test]
fn all_usual_names_are_known() {
    let images = || npy_u8(&[2, 2, 2], &ramp(8));
    let labels = || npy_u8(&[2], &[0, 1]);
    for (x, y) in
        [("images", "labels"), ("X", "y"), ("x_train", "y_train"), ("x_test", "y_test"), ("arr_0", "arr_1")]
    {
        let set = open_file("a.npz", &npz(&[(x, images()), (y, labels())]), &as_defined()).unwrap();
        let source = set.splits.train.or(set.splits.test).unwrap();
        assert_eq!((source.len(), source.label(1)), (2, Some(1)), "{x}");
        assert_eq!(source.image(0).unwrap().channels, 1);
    }
    let only = open_file("a.npz", &npz(&[("arr_0", images())]), &as_defined()).unwrap();
    assert_eq!(only.splits.train.unwrap().label(0), None);
    assert!(only.classes.is_empty());
}

#[test]
fn every_type_of_pixels_is_read_in_both_byte_orders() {
    let values = [0.0, 1.5, -2.25, 1e6];
    let le32: Vec<u8> = values.iter().flat_map(|&v| (v as f32).to_le_bytes()).collect();
    let be32: Vec<u8> = values.iter().flat_map(|&v| (v as f32).to_be_bytes()).collect();
    let le64: Vec<u8> = values.iter().flat_map(|&v: &f64| v.to_le_bytes()).collect();
    let floats = Pixels::F32(values.iter().map(|&v| v as f32).collect());
    let shorts = [1u16, 256, 65535, 0];
    let le16: Vec<u8> = shorts.iter().flat_map(|v| v.to_le_bytes()).collect();
    let be16: Vec<u8> = shorts.iter().flat_map(|v| v.to_be_bytes()).collect();
    let shorts = Pixels::U16(shorts.to_vec());
    for (descr, data, pixels) in [
        ("<f4", le32, &floats),
        (">f4", be32, &floats),
        ("<f8", le64, &floats),
        ("<u2", le16, &shorts),
        (">u2", be16, &shorts),
        ("|u1", vec![9, 8, 7, 6], &Pixels::U8(vec![9, 8, 7, 6])),
    ] {
        let set = open_file("a.npy", &npy(descr, false, &[1, 2, 2], &data), &as_defined()).unwrap();
        assert_eq!(&set.splits.train.unwrap().stored(0).unwrap().pixels, pixels, "{descr}");
    }
}

#[test]
fn labels_of_every_integer_type_are_read() {
    let cases: [(&str, Vec<u8>); 8] = [
        ("|u1", vec![3, 1]),
        ("|i1", vec![3, 1]),
        ("<u2", vec![3, 0, 1, 0]),
        (">i2", vec![0, 3, 0, 1]),
        ("<i4", [3i32, 1].iter().flat_map(|v| v.to_le_bytes()).collect()),
        (">u4", [3u32, 1].iter().flat_map(|v| v.to_be_bytes()).collect()),
        ("<i8", [3i64, 1].iter().flat_map(|v| v.to_le_bytes()).collect()),
        (">u8", [3u64, 1].iter().flat_map(|v| v.to_be_bytes()).collect()),
    ];
    for (descr, data) in cases {
        let file =
            npz(&[("images", npy_u8(&[2, 1, 1], &[0, 1])), ("labels", npy(descr, false, &[2], &data))]);
        let train = open_file("a.npz", &file, &as_defined()).unwrap().splits.train.unwrap();
        assert_eq!((train.label(0), train.label(1)), (Some(3), Some(1)), "{descr}");
    }
}

#[test]
fn fortran_order_gives_the_same_images_as_c_order() {
    let (n, h, w, c) = (3, 2, 4, 2);
    let data = ramp(n * h * w * c);
    let mut fortran = vec![0; data.len()];
    for (i, &value) in data.iter().enumerate() {
        let (ch, x, y, s) = (i % c, i / c % w, i / c / w % h, i / c / w / h);
        fortran[s + n * (y + h * (x + w * ch))] = value;
    }
    let plain = open_file("a.npy", &npy("|u1", false, &[n, h, w, c], &data), &as_defined()).unwrap();
    let turned = open_file("a.npy", &npy("|u1", true, &[n, h, w, c], &fortran), &as_defined()).unwrap();
    assert_eq!(plain.fingerprint, turned.fingerprint);
    assert_eq!(bytes_of(&turned.splits.train.unwrap(), 2), data[2 * h * w * c..]);
}

#[test]
fn the_container_changes_neither_content_nor_fingerprint() {
    let images = npy_u8(&[4, 2, 2], &ramp(16));
    let labels = npy_u8(&[4], &[0, 1, 0, 1]);
    let members = [("images.npy", images.clone()), ("labels.npy", labels.clone())];
    let deflated = zipped(&members, CompressionMethod::Deflated);
    let reference = open_file("a.npz", &deflated, &as_defined()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "images.npy", &images);
    put(folder.path(), "labels.npy.gz", &gzipped(&labels));
    let leaked: &'static [u8] = Box::leak(deflated.clone().into_boxed_slice());
    for set in [
        open_file("a.npz", &zipped(&members, CompressionMethod::Stored), &as_defined()),
        open_file(
            "outer.zip",
            &zipped(&[("inner.npz", deflated.clone())], CompressionMethod::Stored),
            &as_defined(),
        ),
        open_file(
            "a.npz.gz",
            &zipped(
                &[("set/images.npy", images.clone()), ("set/labels.npy", labels.clone())],
                CompressionMethod::Stored,
            ),
            &as_defined(),
        ),
        twinlens_data::open(folder.path(), &as_defined()),
        open_bytes("built in", leaked, &as_defined()),
    ] {
        let set = set.unwrap();
        assert_eq!(set.fingerprint, reference.fingerprint);
        assert_eq!(set.splits.train.unwrap().label(3), Some(1));
    }
    let mut pixels = ramp(16);
    pixels[5] ^= 1;
    let other = npz(&[("images", npy_u8(&[4, 2, 2], &pixels)), ("labels", labels)]);
    assert_ne!(open_file("a.npz", &other, &as_defined()).unwrap().fingerprint, reference.fingerprint);
    let other = npz(&[("images", images), ("labels", npy_u8(&[4], &[0, 1, 1, 1]))]);
    assert_ne!(open_file("a.npz", &other, &as_defined()).unwrap().fingerprint, reference.fingerprint);
}

#[test]
fn an_array_with_another_name_can_be_chosen() {
    let file = npz(&[("cells", npy_u8(&[2, 3, 3], &ramp(18))), ("tissue", npy_u8(&[5, 2, 2, 3], &ramp(60)))]);
    let message = refusal(open_file("a.npz", &file, &as_defined()));
    assert!(message.contains("cells (uint8 [2, 3, 3])") && message.contains("member"), "{message}");
    let chosen = |name: &str| with(|settings| settings.member = name.into());
    assert_eq!(open_file("a.npz", &file, &chosen("tissue")).unwrap().splits.train.unwrap().len(), 5);
    let message = refusal(open_file("a.npz", &file, &chosen("bone")));
    assert!(message.contains("bone") && message.contains("tissue"), "{message}");
}

#[test]
fn class_names_can_be_given() {
    let file = npz(&[("images", npy_u8(&[2, 1, 1], &[0, 1])), ("labels", npy_u8(&[2], &[0, 1]))]);
    let named = OpenOptions { class_names: Some(vec!["healthy".into(), "ill".into()]), ..as_defined() };
    assert_eq!(open_file("a.npz", &file, &named).unwrap().classes, ["healthy", "ill"]);
}

#[test]
fn progress_reaches_the_total() {
    let seen = std::cell::RefCell::new(Vec::new());
    let progress = |done: usize, total: usize| seen.borrow_mut().push((done, total));
    let options = OpenOptions { progress: Some(&progress), ..as_defined() };
    open_file("a.npy", &npy_u8(&[6, 2, 2], &ramp(24)), &options).unwrap();
    assert_eq!(seen.borrow().last(), Some(&(6, 6)));
}

#[track_caller]
fn says(message: &str, parts: &[&str]) {
    parts.iter().for_each(|part| assert!(message.contains(part), "no {part:?} in: {message}"));
}

fn notice<'a>(set: &'a DataSet, id: &str) -> &'a Notice {
    let ids: Vec<&str> = set.notices.iter().map(|notice| notice.id.as_str()).collect();
    set.notices.iter().find(|notice| notice.id == id).unwrap_or_else(|| panic!("no {id} in {ids:?}"))
}

fn labels_of(set: &DataSet, split: Split) -> Vec<Option<usize>> {
    let source = set.splits.get(split).unwrap();
    (0..source.len()).map(|index| source.label(index)).collect()
}

/// The little-endian bytes of numbers, and the big-endian ones.
macro_rules! bytes {
    ($($value:expr),*) => {
        ([$($value.to_le_bytes().to_vec()),*].concat(), [$($value.to_be_bytes().to_vec()),*].concat())
    };
}

#[test]
fn signed_half_and_wide_types_keep_their_values_in_both_byte_orders() {
    let wide = Pixels::F32(vec![-1.0, 0.0, 300.0, 16_777_216.0]);
    let positive = Pixels::F32(vec![1.0, 0.0, 300.0, 16_777_216.0]);
    let halves = Pixels::F32(vec![1.0, -2.0, 65504.0, 0.099_975_586]);
    for (code, (little, big), pixels) in [
        ("i1", bytes![-128i8, -1i8, 0i8, 127i8], Pixels::I16(vec![-128, -1, 0, 127])),
        ("i2", bytes![-32768i16, -1i16, 0i16, 32767i16], Pixels::I16(vec![-32768, -1, 0, 32767])),
        ("u4", bytes![0u32, 1u32, 65536u32, u32::MAX], Pixels::U32(vec![0, 1, 65536, u32::MAX])),
        ("i4", bytes![-1i32, 0i32, 300i32, 16_777_216i32], wide.clone()),
        ("i8", bytes![-1i64, 0i64, 300i64, 16_777_216i64], wide),
        ("u8", bytes![1u64, 0u64, 300u64, 16_777_216u64], positive),
        ("f2", bytes![0x3c00u16, 0xc000u16, 0x7bffu16, 0x2e66u16], halves),
    ] {
        for (order, data) in [("<", little), (">", big)] {
            let file = npy(&format!("{order}{code}"), false, &[1, 2, 2], &data);
            let set = open_file("a.npy", &file, &as_defined()).unwrap();
            let stored = set.splits.train.as_ref().unwrap().stored(0).unwrap();
            assert_eq!(stored.pixels, pixels, "{order}{code}");
            let told = set.notices.iter().any(|notice| notice.id == "integer-images");
            assert_eq!(told, ["i4", "i8", "u8"].contains(&code), "{order}{code}");
        }
    }
}

#[test]
fn booleans_are_black_and_white() {
    let set = open_file("a.npy", &npy("|b1", false, &[1, 2, 2], &[0, 1, 1, 0]), &as_defined()).unwrap();
    assert_eq!(bytes_of(set.splits.train.as_ref().unwrap(), 0), [0, 255, 255, 0]);
    assert_eq!(notice(&set, "bool-images").count, 1);
}

#[test]
fn values_that_float32_does_not_hold_are_refused() {
    let refused = |descr: &str, data: Vec<u8>| {
        refusal(open_file("a.npy", &npy(descr, false, &[2, 1, 1], &data), &as_defined()))
    };
    says(&refused("<i8", bytes![0i64, 16_777_217i64].0), &["16777217 (int64) in sample 1", "16777216"]);
    says(&refused("<i4", bytes![-16_777_217i32, 0i32].0), &["-16777217 (int32) in sample 0"]);
    says(&refused("<u8", bytes![u64::MAX, 0u64].0), &["18446744073709551615"]);
    says(&refused("<f8", bytes![0f64, 1e39f64].0), &["(float64) in sample 1", "3.4e38"]);
    says(&refused("<f8", bytes![0f64, f64::NAN].0), &["sample 1 has the value NaN"]);
    says(&refused("<f2", bytes![0u16, 0x7c00u16].0), &["sample 1 has the value inf"]);
}

fn laid_out(layout: ArrayLayout) -> OpenOptions<'static> {
    with(|settings| settings.layout = layout)
}

/// `[n, d, h, w, c]` of a value that says all five, in the order of `letters`.
fn five(letters: &str, sizes: [usize; 5], fortran: bool) -> Vec<u8> {
    let size = |letter: char| sizes["ndhwc".find(letter).unwrap()];
    let shape: Vec<usize> = letters.chars().map(size).collect();
    let count = shape.iter().product();
    let mut data = Vec::new();
    for at in 0..count {
        let mut rest = at;
        let mut index = [0; 5];
        let order: Vec<char> =
            if fortran { letters.chars().collect() } else { letters.chars().rev().collect() };
        for letter in order {
            index["ndhwc".find(letter).unwrap()] = rest % size(letter);
            rest /= size(letter);
        }
        data.extend(value(index).to_le_bytes());
    }
    npy("<u2", fortran, &shape, &data)
}

fn value([n, d, h, w, c]: [usize; 5]) -> u16 {
    (n * 10_000 + d * 1000 + h * 100 + w * 10 + c) as u16
}

#[test]
fn every_layout_gives_every_pixel_its_place() {
    use ArrayLayout::{Chw, Hw, Hwc, Ncdhw, Nchw, Ndhw, Ndhwc, Nhw, Nhwc};
    for (layout, letters) in [
        (Nhwc, "nhwc"),
        (Nchw, "nchw"),
        (Nhw, "nhw"),
        (Hwc, "hwc"),
        (Chw, "chw"),
        (Hw, "hw"),
        (Ndhw, "ndhw"),
        (Ndhwc, "ndhwc"),
        (Ncdhw, "ncdhw"),
    ] {
        let full = [3, 4, 5, 2, 6];
        let mut sizes = full;
        "ndhwc"
            .chars()
            .zip(&mut sizes)
            .filter(|(axis, _)| !letters.contains(*axis))
            .for_each(|(_, n)| *n = 1);
        let [n, d, h, w, c] = sizes;
        for fortran in [false, true] {
            let set = open_file("a.npy", &five(letters, sizes, fortran), &laid_out(layout)).unwrap();
            let train = set.splits.train.unwrap();
            assert_eq!(train.len(), n * d, "{letters}");
            for index in 0..n * d {
                let image = train.stored(index).unwrap();
                assert_eq!((image.height, image.width, image.channels), (h, w, c), "{letters}");
                let expected =
                    (0..h * w * c).map(|at| value([index / d, index % d, at / c / w, at / c % w, at % c]));
                assert_eq!(image.pixels, Pixels::U16(expected.collect()), "{letters} {fortran}");
            }
        }
    }
}

#[test]
fn slices_have_the_label_of_their_volume_and_say_where_they_are() {
    let volumes = npy_u8(&[2, 3, 2, 2], &ramp(24));
    let file = npz(&[("train_images", volumes), ("train_labels", npy_u8(&[2], &[1, 0]))]);
    let set = open_file("a.npz", &file, &laid_out(ArrayLayout::Ndhw)).unwrap();
    assert_eq!(labels_of(&set, Split::Train), [1, 1, 1, 0, 0, 0].map(Some));
    assert_eq!(set.splits.train.as_ref().unwrap().name(4), "train_images[1][1]");
    says(&notice(&set, "volumes").message, &["slices of one volume"]);
}

#[test]
fn shapes_in_doubt_are_refused_with_the_option_that_decides() {
    for (shape, parts) in [
        (
            &[64, 3, 12, 16][..],
            &["{layout} nchw (64 images of 12 x 16, 3 channels)", "{layout} ndhw (64 volumes of 3"][..],
        ),
        (
            &[4, 28, 28, 28],
            &["{layout} ndhw (4 volumes of 28 slices of 28 x 28, 1 channel)", "{layout} nchw"],
        ),
        (
            &[4, 1, 28, 28, 28],
            &["{layout} ncdhw (4 volumes of 28 slices of 28 x 28, 1 channel)", "{layout} ndhwc"],
        ),
        (
            &[60, 50, 3],
            &["{layout} hwc (1 image of 60 x 50, 3 channels)", "{layout} nhw (60 images of 50 x 3"],
        ),
        (
            &[3, 60, 50],
            &["{layout} chw (1 image of 60 x 50, 3 channels)", "{layout} nhw (3 images of 60 x 50"],
        ),
        (&[60, 50], &["{layout} hw (1 image of 60 x 50, 1 channel)", "reshape"]),
        (&[5], &["[5]", "reshape"]),
    ] {
        let pixels = npy_u8(shape, &vec![7; shape.iter().product()]);
        says(&refusal(open_file("a.npy", &pixels, &as_defined())), parts);
    }
    let last = [("images", npy_u8(&[8, 8, 3, 20], &[0; 3840])), ("labels", npy_u8(&[20], &[0; 20]))];
    says(&refusal(open_file("a.npz", &npz(&last), &as_defined())), &["numpy.moveaxis(images, -1, 0)"]);
    let message = refusal(open_file("a.npy", &npy_u8(&[2, 2], &[0; 4]), &laid_out(ArrayLayout::Nchw)));
    says(&message, &["an array of 4 axes, as the layout nchw says", "[2, 2]"]);
}

#[test]
fn what_labels_or_sizes_settle_is_taken_and_told() {
    let labelled = |shape: &[usize], labels: usize| {
        let pixels = npy_u8(shape, &ramp(shape.iter().product()));
        let labels = npy_u8(&[labels], &(0..labels).map(|at| (at % 2) as u8).collect::<Vec<u8>>());
        open_file("a.npz", &npz(&[("images", pixels), ("labels", labels)]), &as_defined()).unwrap()
    };
    let form = |set: &DataSet| {
        let train = set.splits.train.as_ref().unwrap();
        let image = train.image(0).unwrap();
        (train.len(), image.height, image.width, image.channels)
    };
    let narrow = labelled(&[60, 50, 3], 60);
    assert_eq!(form(&narrow), (60, 50, 3, 1));
    says(&notice(&narrow, "layout").message, &["60 images of 50 x 3, 1 channel", "fit"]);
    assert_eq!(form(&labelled(&[60, 50, 3], 1)), (1, 60, 50, 3));
    let torch = labelled(&[5, 1, 12, 12], 5);
    assert_eq!(form(&torch), (5, 12, 12, 1));
    says(&notice(&torch, "layout").message, &["5 images of 12 x 12, 1 channel"]);
    let many = labelled(&[3, 12, 12, 9], 3);
    assert_eq!(form(&many), (3, 12, 12, 9));
    says(&notice(&many, "layout").message, &["3 images of 12 x 12, 9 channels"]);
    for usual in [&[6, 9, 8][..], &[6, 9, 8, 3], &[6, 2, 2, 4]] {
        let set = labelled(usual, 6);
        assert_eq!((form(&set).0, &set.notices[..]), (6, &[][..]), "{usual:?}");
    }
    let tiny = open_file("a.npy", &npy_u8(&[5, 1, 3], &ramp(15)), &as_defined()).unwrap();
    says(&notice(&tiny, "layout").message, &["5 images of 1 x 3, 1 channel"]);
    // A test split of three images is read as the training split is.
    let file =
        npz(&[("x_train", npy_u8(&[9, 8, 8], &ramp(576))), ("x_test", npy_u8(&[3, 8, 8], &ramp(192)))]);
    assert_eq!(open_file("a.npz", &file, &as_defined()).unwrap().splits.test.unwrap().len(), 3);
    let file =
        npz(&[("x_train", npy_u8(&[9, 8, 8], &ramp(576))), ("x_test", npy_u8(&[2, 8, 8, 3], &ramp(384)))]);
    says(&refusal(open_file("a.npz", &file, &as_defined())), &["x_test", "same axes", "[2, 8, 8, 3]"]);
}

/// A set of as many images as there are labels.
fn with_labels(labels: Vec<u8>, count: usize, options: &OpenOptions<'_>) -> DataSet {
    let file = npz(&[("images", npy_u8(&[count, 2, 2], &ramp(4 * count))), ("labels", labels)]);
    open_file("a.npz", &file, options).unwrap()
}

#[test]
fn labels_far_apart_are_classes_named_by_their_value() {
    let labels = npy("<i8", false, &[4], &bytes![60_000i64, 3i64, 100i64, 3i64].0);
    let set = with_labels(labels, 4, &as_defined());
    assert_eq!(set.classes, ["3", "100", "60000"]);
    assert_eq!(labels_of(&set, Split::Train), [2, 0, 1, 0].map(Some));
    says(&notice(&set, "classes-by-value").message, &["3 classes", "3, 100, 60000"]);
    let huge = npy("<u8", false, &[2], &bytes![u64::MAX, 7u64].0);
    assert_eq!(with_labels(huge, 2, &as_defined()).classes, ["7", "18446744073709551615"]);
    // Close to dense: a class keeps its number, also where one in between never occurs.
    let set = with_labels(npy_u8(&[2], &[13, 0]), 2, &as_defined());
    assert_eq!((set.classes.len(), labels_of(&set, Split::Train)), (14, vec![Some(13), Some(0)]));
    let set = with_labels(npy_u8(&[2], &[14, 0]), 2, &as_defined());
    assert_eq!(
        (set.classes.clone(), labels_of(&set, Split::Train)[0]),
        (vec!["0".to_string(), "14".into()], Some(1))
    );
}

#[test]
fn labels_are_numbered_over_all_splits_together() {
    let part = || npy_u8(&[2, 2, 2], &ramp(8));
    let file = npz(&[
        ("train_images", part()),
        ("train_labels", npy("<u2", false, &[2], &bytes![500u16, 9000u16].0)),
        ("test_images", part()),
        ("test_labels", npy("<i4", false, &[2], &bytes![9000i32, 20i32].0)),
    ]);
    let set = open_file("a.npz", &file, &as_defined()).unwrap();
    assert_eq!(set.classes, ["20", "500", "9000"]);
    assert_eq!(labels_of(&set, Split::Train), [Some(1), Some(2)]);
    assert_eq!(labels_of(&set, Split::Test), [Some(2), Some(0)]);
}

#[test]
fn negative_ignored_and_missing_labels_are_none() {
    let ignoring = with(|settings| settings.ignore_labels = vec![255]);
    let floats = bytes![0f32, f32::NAN, 1f32].0;
    for (labels, options) in [
        (npy("|i1", false, &[3], &[0, 255, 1]), &as_defined()),
        (npy_u8(&[3, 1], &[0, 255, 1]), &ignoring),
        (npy("<f4", false, &[3], &floats), &as_defined()),
    ] {
        let set = with_labels(labels, 3, options);
        assert_eq!(labels_of(&set, Split::Train), [Some(0), None, Some(1)]);
        assert_eq!(set.classes, ["0", "1"]);
        let told = notice(&set, "unlabelled");
        assert_eq!((told.count, &told.first[..]), (1, &["labels[1]".to_string()][..]));
    }
    let all = with_labels(npy("|i1", false, &[2], &[255, 255]), 2, &as_defined());
    assert!(all.classes.is_empty() && all.check_for_evaluation().is_err());
}

#[test]
fn labels_may_be_booleans_or_text() {
    assert_eq!(with_labels(npy("|b1", false, &[2], &[1, 0]), 2, &as_defined()).classes, ["0", "1"]);
    let unicode = |order: fn(u32) -> [u8; 4]| {
        ["ö\0\0", "cat", "\0\0\0"]
            .iter()
            .flat_map(|text| text.chars().flat_map(|c| order(c as u32)).collect::<Vec<u8>>())
            .collect::<Vec<u8>>()
    };
    let bytes = [&b"\xc3\xb6\0"[..], b"cat", b"\0\0\0"].concat();
    for labels in [
        npy("<U3", false, &[3], &unicode(u32::to_le_bytes)),
        npy(">U3", false, &[3], &unicode(u32::to_be_bytes)),
        npy("|S3", false, &[3, 1], &bytes),
    ] {
        let set = with_labels(labels, 3, &as_defined());
        assert_eq!(set.classes, ["cat", "ö"]);
        assert_eq!(labels_of(&set, Split::Train), [Some(1), Some(0), None]);
        assert_eq!(notice(&set, "unlabelled").count, 1);
    }
    let named = |names: [&str; 2]| OpenOptions {
        class_names: Some(names.map(String::from).to_vec()),
        ..as_defined()
    };
    let text = || npy("|S3", false, &[2], b"catdog");
    assert_eq!(labels_of(&with_labels(text(), 2, &named(["dog", "cat"])), Split::Train), [Some(1), Some(0)]);
    let file = npz(&[("images", npy_u8(&[2, 1, 1], &[0; 2])), ("labels", text())]);
    says(&refusal(open_file("a.npz", &file, &named(["dog", "cow"]))), &["\"cat\" in sample 0", "dog, cow"]);
    let file =
        npz(&[("images", npy_u8(&[1, 1, 1], &[0])), ("labels", npy("<U1", false, &[1], &[0, 0, 0x11, 1]))]);
    says(&refusal(open_file("a.npz", &file, &as_defined())), &["no Unicode text"]);
}

#[test]
fn arrays_that_are_not_read_are_told_and_labels_can_be_named() {
    let images = || npy_u8(&[3, 2, 2], &ramp(12));
    let file = npz(&[
        ("imgs", images()),
        ("lbls", npy_u8(&[3], &[0, 1, 0])),
        ("boxes", npy("<f4", false, &[3, 2, 4], &[0; 96])),
    ]);
    let set = open_file("a.npz", &file, &as_defined()).unwrap();
    let told = notice(&set, "unused-arrays");
    assert_eq!(told.first, ["boxes (float32 [3, 2, 4])", "lbls (uint8 [3])"]);
    says(told.hint.as_ref().unwrap(), &["{labels} lbls"]);
    let labels = |name: &str| with(|settings| settings.labels = name.into());
    let set = open_file("a.npz", &file, &labels("lbls")).unwrap();
    assert_eq!(labels_of(&set, Split::Train), [Some(0), Some(1), Some(0)]);
    assert_eq!(notice(&set, "unused-arrays").first, ["boxes (float32 [3, 2, 4])"]);
    says(&refusal(open_file("a.npz", &file, &labels("tags"))), &["lbls (uint8 [3])", "got \"tags\""]);
    says(&refusal(open_file("a.npz", &file, &labels("t.csv"))), &["tables of labels go with folders"]);
    let divided = npz(&[
        ("train_imgs", images()),
        ("train_lbls", npy_u8(&[3], &[0, 1, 1])),
        ("imgs_test", images()),
        ("lbls_test", npy_u8(&[3], &[1, 1, 0])),
    ]);
    for name in ["lbls", "train_lbls"] {
        let set = open_file("a.npz", &divided, &labels(name)).unwrap();
        assert_eq!(labels_of(&set, Split::Train), [0, 1, 1].map(Some));
        assert_eq!(labels_of(&set, Split::Test), [1, 1, 0].map(Some));
    }
    let measured =
        npz(&[("images", images()), ("labels", npy("<f4", false, &[3], &bytes![0.5f32, 1f32, 2f32].0))]);
    says(
        &refusal(open_file("a.npz", &measured, &as_defined())),
        &["{member} NAME of the images reads them without"],
    );
    let images_alone = with(|settings| settings.member = "images".into());
    assert_eq!(labels_of(&open_file("a.npz", &measured, &images_alone).unwrap(), Split::Train), [None; 3]);
    let both = with(|settings| (settings.member, settings.labels) = ("boxes".into(), "lbls".into()));
    assert_eq!(labels_of(&open_file("a.npz", &file, &both).unwrap(), Split::Train), [0, 1, 0].map(Some));
}

#[test]
fn further_usual_names_are_known_and_names_that_are_alike_refused() {
    let images = || npy_u8(&[2, 2, 2], &ramp(8));
    let labels = || npy_u8(&[2], &[0, 1]);
    for (x, y) in [
        ("images_train", "labels_train"),
        ("trainX", "trainY"),
        ("X", "Y"),
        ("imgs", "target"),
        ("img", "label"),
        ("image", "class"),
        ("x", "y_true"),
        ("data", "annotations"),
        ("training_images", "training_targets"),
        ("images", "classes"),
    ] {
        let set = open_file("a.npz", &npz(&[(x, images()), (y, labels())]), &as_defined()).unwrap();
        assert_eq!(labels_of(&set, Split::Train), [Some(0), Some(1)], "{x}");
    }
    for (name, split) in [("x_valid", Split::Val), ("dev_images", Split::Val), ("images_test", Split::Test)] {
        let set = open_file("a.npz", &npz(&[(name, images())]), &as_defined()).unwrap();
        assert_eq!(set.splits.get(split).map(|source| source.len()), Some(2), "{name}");
    }
    // A list of the names of the classes is no label of each image.
    let names = npy("|S3", false, &[3], b"catdogcow");
    let file = npz(&[("images", images()), ("classes", names)]);
    assert_eq!(labels_of(&open_file("a.npz", &file, &as_defined()).unwrap(), Split::Train), [None, None]);
    let file = npz(&[("X_train", images()), ("x-train", images())]);
    says(&refusal(open_file("a.npz", &file, &as_defined())), &["called alike", "{member} NAME"]);
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "train/images.npy", &images());
    put(folder.path(), "test/images.npy", &npy_u8(&[3, 2, 2], &ramp(12)));
    let set = twinlens_data::open(folder.path(), &as_defined()).unwrap();
    assert_eq!((set.splits.train.unwrap().len(), set.splits.test.unwrap().len()), (2, 3));
}

#[test]
fn images_are_read_piece_by_piece() {
    // More images than are made at a time, and more bytes than are read at a time.
    let small: Vec<u8> = (0..40_000).map(|at| (at / 3 % 251) as u8).collect();
    for fortran in [false, true] {
        let set = open_file("a.npy", &npy("|u1", fortran, &[20_000, 1, 2], &small), &as_defined()).unwrap();
        let train = set.splits.train.unwrap();
        let expected = if fortran { [small[19_999], small[39_999]] } else { [small[39_998], small[39_999]] };
        assert_eq!((train.len(), bytes_of(&train, 19_999)), (20_000, expected.to_vec()));
    }
    let side = 1024;
    let data: Vec<u8> = (0..4 * 3 * side * side).map(|at| (at / 7 % 251) as u8).collect();
    let file = npy_u8(&[4, 3, side, side], &data);
    let set = open_file("a.npy", &file, &laid_out(ArrayLayout::Nchw)).unwrap();
    let last = bytes_of(&set.splits.train.unwrap(), 3);
    let plane = side * side;
    for (pixel, channel) in [(0, 0), (1, 2), (plane / 2 + 3, 1), (plane - 1, 2)] {
        assert_eq!(last[pixel * 3 + channel], data[(9 + channel) * plane + pixel]);
    }
}

#[test]
fn labels_beyond_memory_are_refused_before_they_are_read() {
    // Gzipped, so that nothing but the header says how many there are.
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "images.npy.gz", &gzipped(&npy_u8(&[1 << 40, 1, 1], &[1, 2, 3])));
    put(folder.path(), "labels.npy.gz", &gzipped(&npy_u8(&[1 << 40], &[1, 2, 3])));
    let limited = OpenOptions { memory_limit: Some(1 << 20), ..as_defined() };
    let message = refusal(twinlens_data::open(folder.path(), &limited));
    says(&message, &["labels.npy.gz needs", "bytes of memory, the limit is 1048576"]);
    // Two that overflow when they are added.
    put(folder.path(), "labels.npy.gz", &gzipped(&npy_u8(&[3], &[0, 1, 0])));
    put(folder.path(), "images.npy.gz", &gzipped(&npy_u8(&[1 << 62, 1, 2], &[1, 2, 3])));
    assert!(twinlens_data::open(folder.path(), &limited).is_err());
    std::fs::remove_file(folder.path().join("labels.npy.gz")).unwrap();
    for name in ["x_train.npy.gz", "x_test.npy.gz"] {
        put(folder.path(), name, &gzipped(&npy_u8(&[1 << 63, 1, 1], &[1, 2, 3])));
    }
    says(&refusal(twinlens_data::open(folder.path(), &limited)), &["x_train.npy.gz", "damaged or cut short"]);
}

/// Any header and any numbers behind it.
fn any_npy() -> impl Strategy<Value = Vec<u8>> {
    let kinds = prop::sample::select(vec![
        "b1", "u1", "i1", "u2", "i4", "u8", "f2", "f4", "f8", "U2", "S3", "c8", "O", "U0",
    ]);
    let size = prop_oneof![8 => 0usize..6, 1 => any::<usize>()];
    let shape = prop::collection::vec(size, 0..6);
    let data = prop::collection::vec(any::<u8>(), 0..400);
    (kinds, any::<bool>(), any::<bool>(), shape, data, any::<bool>()).prop_map(
        |(kind, big, fortran, shape, mut data, fit)| {
            let bytes = kind[1..].parse::<usize>().unwrap_or(8) * if kind.starts_with('U') { 4 } else { 1 };
            let needed = shape.iter().try_fold(bytes, |product, &n| product.checked_mul(n));
            if let (true, Some(needed @ 0..65_536)) = (fit, needed) {
                data.resize(needed, 1);
            }
            npy(&format!("{}{kind}", if big { ">" } else { "<" }), fortran, &shape, &data)
        },
    )
}

const LAYOUTS: [ArrayLayout; 10] = [
    ArrayLayout::Auto,
    ArrayLayout::Nhwc,
    ArrayLayout::Nchw,
    ArrayLayout::Nhw,
    ArrayLayout::Hwc,
    ArrayLayout::Chw,
    ArrayLayout::Hw,
    ArrayLayout::Ndhw,
    ArrayLayout::Ndhwc,
    ArrayLayout::Ncdhw,
];

fn survives(bytes: Vec<u8>, layout: ArrayLayout) {
    let options = OpenOptions { memory_limit: Some(1 << 20), ..laid_out(layout) };
    if let Ok(set) = open_bytes("any", bytes, &options)
        && let Some(source) = set.splits.train
    {
        (0..source.len()).for_each(|index| drop(source.image(index).unwrap()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(1000), ..Default::default() })]
    #[test]
    fn any_array_is_read_or_refused(images in any_npy(), labels in any_npy(), layout in prop::sample::select(LAYOUTS.to_vec())) {
        survives(images.clone(), layout);
        survives(zipped(&[("images.npy", images), ("labels.npy", labels)], CompressionMethod::Stored), layout);
    }

    #[test]
    fn any_bytes_behind_the_first_are_read_or_refused(
        npy in any::<bool>(),
        rest in prop::collection::vec(any::<u8>(), 0..300),
        layout in prop::sample::select(LAYOUTS.to_vec()),
    ) {
        let first = if npy { b"\x93NUMPY\x01\x00".to_vec() } else { vec![0, 0] };
        survives([first, rest].concat(), layout);
    }

    #[test]
    fn any_idx_is_read_or_refused(
        code in 8u8..15,
        sizes in prop::collection::vec(0u32..5, 1..5),
        data in prop::collection::vec(any::<u8>(), 0..200),
        fit in any::<bool>(),
        layout in prop::sample::select(LAYOUTS.to_vec()),
    ) {
        let mut bytes = vec![0, 0, code, sizes.len() as u8];
        sizes.iter().for_each(|size| bytes.extend(size.to_be_bytes()));
        let wide = [1, 1, 0, 2, 4, 4, 8][usize::from(code) - 8];
        let needed = sizes.iter().product::<u32>() as usize * wide;
        let mut data = data;
        if fit {
            data.resize(needed, 3);
        }
        survives([bytes, data].concat(), layout);
    }
}
