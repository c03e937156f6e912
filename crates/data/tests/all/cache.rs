//! Sets that do not fit in memory.

use std::path::{Path, PathBuf};

use twinlens_data::{DataSet, OpenOptions, Split};

use crate::make::{as_defined, npy, npy_u8, npz, png, put, refusal};

fn set_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let pixels: Vec<u8> = (0..20 * 48).map(|i| (i * 11 % 253) as u8).collect();
    let labels: Vec<u8> = (0..20).map(|i| i % 3).collect();
    let file = npz(&[("images", npy_u8(&[20, 4, 4, 3], &pixels)), ("labels", npy_u8(&[20], &labels))]);
    put(folder.path(), "set.npz", &file);
    folder
}

fn cached(set: &Path, cache: &Path) -> DataSet {
    let options =
        OpenOptions { memory_limit: Some(500), cache_dir: Some(cache.into()), ..OpenOptions::default() };
    twinlens_data::open(set, &options).unwrap()
}

fn files(cache: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(cache).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[track_caller]
fn assert_same(a: &DataSet, b: &DataSet) {
    assert_eq!((&a.fingerprint, &a.classes, &a.skipped), (&b.fingerprint, &b.classes, &b.skipped));
    for split in Split::ALL {
        let (a, b) = (a.splits.get(split).unwrap(), b.splits.get(split).unwrap());
        assert_eq!(a.len(), b.len());
        for i in 0..a.len() {
            assert_eq!(
                (a.image(i).unwrap(), a.label(i), a.name(i)),
                (b.image(i).unwrap(), b.label(i), b.name(i))
            );
        }
    }
}

#[test]
fn mapped_from_the_cache_and_held_in_memory_are_the_same() {
    let (folder, cache) = (set_folder(), tempfile::tempdir().unwrap());
    let path = folder.path().join("set.npz");
    let held = twinlens_data::open(&path, &OpenOptions::default()).unwrap();
    assert_eq!(held.bytes_in_memory, 960);
    let written = cached(&path, cache.path());
    assert_eq!(written.bytes_in_memory, 0);
    assert_same(&held, &written);
    let [file] = &files(cache.path())[..] else { panic!("{:?}", files(cache.path())) };
    let before = std::fs::metadata(file).unwrap().modified().unwrap();
    assert_same(&held, &cached(&path, cache.path()));
    assert_eq!(std::fs::metadata(file).unwrap().modified().unwrap(), before, "it was written again");
}

#[test]
fn images_larger_than_their_share_of_the_limit_are_read_all_the_same_and_in_order() {
    let (folder, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for number in 0..60 {
        let side = if number % 7 == 3 || number > 40 { 40 } else { 4 };
        put(folder.path(), &format!("{}/{number:02}.png", number % 2), &png(side, number));
    }
    put(folder.path(), "1/05.png", b"no picture");
    let held = twinlens_data::open(folder.path(), &OpenOptions::default()).unwrap();
    assert_eq!((held.skipped.count, held.skipped.first[0].path.as_str()), (1, "1/05.png"));
    let limit = Some(40_000); // eight of the large images, or 16 of at most 2500 bytes
    let options =
        OpenOptions { memory_limit: limit, cache_dir: Some(cache.path().into()), ..OpenOptions::default() };
    let limited = twinlens_data::open(folder.path(), &options).unwrap();
    assert_same(&held, &limited);
    // Files can be decoded again: what is kept of them is small, and spares the next opening to decode them all.
    let [kept] = &files(cache.path())[..] else { panic!("{:?}", files(cache.path())) };
    let pixels: usize = Split::ALL.iter().map(|split| limited.splits.get(*split).unwrap().len()).sum();
    assert!(std::fs::metadata(kept).unwrap().len() < 200 * pixels as u64);
    assert_eq!(limited.bytes_in_memory, 0);
    let decoded = |done: usize, _: usize| panic!("{done} images are decoded again");
    let again =
        twinlens_data::open(folder.path(), &OpenOptions { progress: Some(&decoded), ..options.clone() });
    assert_same(&held, &again.unwrap());
    let roomy = twinlens_data::open(folder.path(), &OpenOptions { memory_limit: None, ..options });
    assert!(roomy.unwrap().bytes_in_memory > 0, "what fits is held");
    assert!(limited.notices.iter().any(|notice| notice.id == "decoded-on-demand"), "{:?}", limited.notices);
    let train = limited.splits.train.unwrap();
    put(folder.path(), &train.name(0), &png(5, 1));
    let error = train.image(0).unwrap_err().to_string();
    assert!(error.contains(&train.name(0)) && error.contains("has changed"), "{error}");
}

#[test]
fn wide_and_floating_samples_survive_the_cache() {
    let (folder, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let shorts: Vec<u8> = (0..600u16).flat_map(|v| (v * 109).to_le_bytes()).collect();
    let floats: Vec<u8> = (0..600).flat_map(|v| (v as f32 * -0.37).to_le_bytes()).collect();
    for (descr, data) in [("<u2", shorts), ("<f4", floats)] {
        put(folder.path(), "set.npy", &npy(descr, false, &[6, 10, 10], &data));
        let path = folder.path().join("set.npy");
        let held = twinlens_data::open(&path, &as_defined()).unwrap();
        let options =
            OpenOptions { memory_limit: Some(500), cache_dir: Some(cache.path().into()), ..as_defined() };
        let mapped = twinlens_data::open(&path, &options).unwrap();
        assert_eq!(mapped.bytes_in_memory, 0);
        let (held, mapped) = (held.splits.train.unwrap(), mapped.splits.train.unwrap());
        assert!((0..6).all(|i| held.image(i).unwrap() == mapped.image(i).unwrap()));
    }
}

#[test]
fn a_damaged_cache_is_rebuilt() {
    let (folder, cache) = (set_folder(), tempfile::tempdir().unwrap());
    let path = folder.path().join("set.npz");
    let held = twinlens_data::open(&path, &OpenOptions::default()).unwrap();
    cached(&path, cache.path());
    let file = files(cache.path()).remove(0);
    let sound = std::fs::read(&file).unwrap();
    let flip = |at: usize| {
        let mut bytes = sound.clone();
        bytes[at] ^= 1;
        bytes
    };
    let foot = sound.len() - 56;
    for broken in [
        Vec::new(),
        sound[..sound.len() / 2].to_vec(),
        sound[1..].to_vec(),
        flip(0),
        flip(foot - 3),
        flip(foot),
        flip(foot + 8),
        flip(foot + 15),
        flip(sound.len() - 1),
    ] {
        std::fs::write(&file, broken).unwrap();
        assert_same(&held, &cached(&path, cache.path()));
        assert_eq!(std::fs::read(&file).unwrap(), sound);
    }
}

#[test]
fn a_changed_set_is_not_taken_for_the_cached_one() {
    let (folder, cache) = (set_folder(), tempfile::tempdir().unwrap());
    let path = folder.path().join("set.npz");
    let first = cached(&path, cache.path());
    put(folder.path(), "set.npz", &npz(&[("images", npy_u8(&[20, 4, 4, 3], &[7; 960]))]));
    assert_ne!(first.fingerprint, cached(&path, cache.path()).fingerprint);
    assert_eq!(files(cache.path()).len(), 2);
}

#[test]
fn a_cache_folder_that_cannot_be_written_is_an_error() {
    let folder = set_folder();
    put(folder.path(), "file", b"in the way");
    let options = OpenOptions {
        memory_limit: Some(500),
        cache_dir: Some(folder.path().join("file/cache")),
        ..OpenOptions::default()
    };
    let message = refusal(twinlens_data::open(&folder.path().join("set.npz"), &options));
    assert!(message.contains("file/cache") && message.contains("cannot keep decoded images"), "{message}");
}
