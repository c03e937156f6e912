//! .npz and .npy.

use twinlens_data::{OpenOptions, Pixels, SplitOrigin, open_bytes};
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
