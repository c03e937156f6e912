//! Archives: links and names in them, and what is refused with what to do.

use twinlens_data::{DataSet, Split};

use crate::layouts::{given, members, notice};
use crate::make::{as_defined, npy_u8, npz, open_file, png, put, refusal, strict, tarred, zipped};
use zip::CompressionMethod;
use zip::write::SimpleFileOptions;

fn names(set: &DataSet) -> Vec<String> {
    members(set, Split::Train).into_iter().map(|(name, _)| name).collect()
}

#[test]
fn links_in_a_tar_are_followed() {
    let set = twinlens_data::open(&given("hard_and_symbolic_links.tar"), &as_defined()).unwrap();
    assert_eq!(set.classes, ["a", "b", "c", "d"]);
    let train = set.splits.train.as_ref().unwrap();
    assert_eq!((train.len(), set.notices.len()), (16, 0));
    for index in 0..8 {
        assert_eq!(train.image(index).unwrap().pixels, train.image(index + 8).unwrap().pixels);
    }
}

/// A tar of two pictures and symbolic links.
fn tar_with_links(links: &[(&str, &str)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (seed, path) in ["a/1.png", "b/2.png"].into_iter().enumerate() {
        let (mut header, bytes) = (tar::Header::new_gnu(), png(3, seed as u8));
        header.set_size(bytes.len() as u64);
        archive.append_data(&mut header, path, &bytes[..]).unwrap();
    }
    for (path, target) in links {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        archive.append_link(&mut header, path, target).unwrap();
    }
    archive.into_inner().unwrap()
}

#[test]
fn links_never_leave_an_archive_and_circles_end() {
    let links = [
        ("a/out.png", "../../etc/passwd"),
        ("a/abs.png", "/etc/passwd"),
        ("b/x", "y"),
        ("b/y", "x"),
        ("c", "a"),
    ];
    let set = open_file("set.tar", &tar_with_links(&links), &as_defined()).unwrap();
    assert_eq!(names(&set), ["a/1.png", "b/2.png", "c/1.png"]);
    assert_eq!(notice(&set, "links").first, ["a/out.png", "a/abs.png", "b/x", "b/y"]);
}

#[test]
fn symbolic_links_in_a_zip_are_followed() {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (seed, path) in ["a/1.png", "b/2.png"].into_iter().enumerate() {
        archive.start_file(path, SimpleFileOptions::default()).unwrap();
        std::io::Write::write_all(&mut archive, &png(3, seed as u8)).unwrap();
    }
    archive.add_symlink("c/3.png", "../a/1.png", SimpleFileOptions::default()).unwrap();
    archive.add_symlink("c/4.png", "../../a/1.png", SimpleFileOptions::default()).unwrap();
    let set = open_file("set.zip", &archive.finish().unwrap().into_inner(), &as_defined()).unwrap();
    assert_eq!((names(&set).join(" ").as_str(), set.classes.len()), ("a/1.png b/2.png c/3.png", 3));
    assert_eq!(notice(&set, "links").first, ["c/4.png"]);
}

/// `bytes` with a text replaced by one of the same length.
fn altered(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut altered = bytes.to_vec();
    for at in 0..=bytes.len() - from.len() {
        if altered[at..].starts_with(from) {
            altered[at..at + from.len()].copy_from_slice(to);
        }
    }
    altered
}

/// Changes every header of a tar, and makes its checksum right again.
fn each_header(tar: &mut [u8], change: impl Fn(&mut [u8])) {
    for header in tar.chunks_exact_mut(512).filter(|block| &block[257..262] == b"ustar") {
        change(header);
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
}

#[test]
fn names_that_are_not_unicode_are_read_by_their_bytes() {
    let files = [("one/Q.png", png(3, 1)), ("one/W.png", png(3, 2)), ("two/3.png", png(3, 3))];
    // The header's checksum covers the name: what Q loses, the next byte must not; so the sum is set anew.
    let mut tar = altered(&altered(&tarred(&files), b"one/Q", b"one/\xff"), b"one/W", b"one/\xfe");
    each_header(&mut tar, |_| {});
    let set = open_file("set.tar", &tar, &as_defined()).unwrap();
    assert_eq!(names(&set), ["one/\\xfe.png", "one/\\xff.png", "two/3.png"]);
    // Without the mark of UTF-8 a zip's names are of code page 437: 0x84 is a with two dots, 0x94 o.
    let zip = zipped(&files, CompressionMethod::Stored);
    let zip = altered(&altered(&zip, b"one/Q", b"one/\x84"), b"one/W", b"one/\x94");
    let set = open_file("set.zip", &zip, &as_defined()).unwrap();
    assert_eq!(names(&set), ["one/\u{e4}.png", "one/\u{f6}.png", "two/3.png"]);
    // With the mark they are what they are.
    let files = [("\u{e9}/Q.png", png(3, 1)), ("\u{e9}/W.png", png(3, 2)), ("two/3.png", png(3, 3))];
    let zip = zipped(&files, CompressionMethod::Stored);
    let zip = altered(&altered(&zip, b"\xc3\xa9/Q", b"\xc3\xa9/\xff"), b"\xc3\xa9/W", b"\xc3\xa9/\xfe");
    let set = open_file("set.zip", &zip, &as_defined()).unwrap();
    assert_eq!(names(&set), ["two/3.png", "\u{e9}/\\xfe.png", "\u{e9}/\\xff.png"]);
}

#[test]
fn control_characters_of_names_are_escaped_wherever_a_set_comes_from() {
    let files =
        [("\u{1b}[2J/1\n.png", png(3, 1)), ("b/2\r.png", b"no picture".to_vec()), ("c/3.png", png(3, 3))];
    let folder = tempfile::tempdir().unwrap();
    files.iter().for_each(|(path, bytes)| put(folder.path(), path, bytes));
    for set in [
        twinlens_data::open(folder.path(), &as_defined()),
        open_file("set.zip", &zipped(&files, CompressionMethod::Stored), &as_defined()),
        open_file("set.tar", &tarred(&files), &as_defined()),
    ] {
        let set = set.unwrap();
        assert_eq!(names(&set), ["\\u{1b}[2J/1\\n.png", "c/3.png"]);
        assert_eq!(set.classes, ["\\u{1b}[2J", "b", "c"]);
        assert_eq!(set.skipped.first[0].path, "b/2\\r.png");
    }
}

#[test]
fn what_a_damaged_tar_holds_reaches_no_terminal() {
    let mut tar = tarred(&[("a/1.png", png(3, 1)), ("b/2.png", png(3, 2))]);
    let second = tar.windows(7).position(|name| name == b"b/2.png").unwrap();
    tar[second..second + 7].copy_from_slice(b"b/\x1b[2Jg");
    tar[second + 124..second + 136].copy_from_slice(b"\x1b]0;bell\x07...");
    let message = refusal(open_file("set.tar", &tar, &as_defined()));
    assert!(message.contains("damaged") && message.matches(char::is_control).eq(["\n"]), "{message:?}");
}

#[test]
fn files_without_a_name_are_passed_over_with_a_word() {
    let mut tar = tarred(&[("Q", png(3, 1)), ("a/1.png", png(3, 2))]);
    each_header(&mut tar, |header| {
        if header[0] == b'Q' {
            header[0] = b'/';
        }
    });
    let set = open_file("set.tar", &tar, &as_defined()).unwrap();
    assert_eq!(names(&set), ["a/1.png"]);
    assert_eq!((notice(&set, "passed-over").count, set.notices.len()), (1, 1));
}

#[test]
fn long_names_are_read_whole_and_shown_by_their_ends() {
    let long = |end: &str| format!("{}/{end}", "long/".repeat(800));
    let files = [(&*long("1.png"), png(3, 1)), (&*long("2.png"), b"no picture".to_vec())];
    let zip = zipped(&files, CompressionMethod::Stored);
    let set = open_file("set.zip", &zip, &as_defined()).unwrap();
    assert!(names(&set)[0].len() > 4000);
    let skipped = &set.skipped.first[0].path;
    assert!(skipped.len() < 300 && skipped.starts_with("long/") && skipped.contains("2.png"), "{skipped}");
    let message = refusal(open_file("set.zip", &zip, &strict()));
    assert!(message.len() < 1500 && message.contains("set.zip: long/long"), "{message}");
    assert!(message.contains("/2.png") && message.contains("cannot be decoded"), "{message}");
}

#[test]
fn names_that_no_system_takes_are_passed_over() {
    let endless = format!("{}1.png", "x/".repeat(30_000));
    let files = [(&*endless, png(3, 1)), ("b/2.png", png(3, 2))];
    for bytes in [zipped(&files, CompressionMethod::Stored), tarred(&files)] {
        let set = open_file("set", &bytes, &as_defined()).unwrap();
        assert_eq!(names(&set), ["b/2.png"]);
        assert!(notice(&set, "passed-over").first[0].starts_with("x/x/"));
    }
}

#[test]
fn an_old_tar_without_a_mark_is_a_tar() {
    let mut tar = tarred(&[("a/1.png", png(3, 1)), ("b/2.png", png(3, 2))]);
    each_header(&mut tar, |header| header[257..].fill(0));
    assert_eq!(names(&open_file("set.tar", &tar, &as_defined()).unwrap()), ["a/1.png", "b/2.png"]);
}

#[test]
fn other_kinds_of_file_are_named_with_what_to_do() {
    let message = refusal(twinlens_data::open(&given("plain.tar.xz"), &as_defined()));
    assert!(message.contains("is an xz archive") && message.contains("unpack it"), "{message}");
    let at = |place: usize, what: &[u8]| [vec![0; place], what.to_vec(), vec![0; 600]].concat();
    let analyze = [&348u32.to_le_bytes()[..], &[0; 600]].concat();
    for (bytes, name, advice) in [
        (at(0, b"BZh91AY&SY"), "a bzip2 archive", "unpack"),
        (at(0, b"\x28\xb5\x2f\xfd"), "a zstd archive", "tar.gz"),
        (at(0, b"7z\xbc\xaf\x27\x1c"), "a 7z archive", "unpack"),
        (at(0, b"Rar!\x1a\x07\x01"), "a rar archive", "unpack"),
        (at(0, b"\x89HDF\r\n\x1a\n"), "an HDF5 file", "numpy.savez"),
        (at(0, b"MATLAB 5.0 MAT-file, Platform"), "a MAT file", "scipy"),
        (analyze, "an Analyze volume", "nibabel"),
        (at(0, b"ZISRAWFILE"), "a CZI file", "OME-TIFF"),
        (at(0, b"\x80\x04\x95"), "a Python pickle", "none is ever read"),
    ] {
        let message = refusal(open_file("data.bin", &bytes, &as_defined()));
        assert!(message.contains(name) && message.contains(advice), "{message}");
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), "1.bin", &bytes);
        put(folder.path(), "2.bin", &bytes);
        let message = refusal(twinlens_data::open(folder.path(), &as_defined()));
        assert!(
            message.contains(name) && message.contains(advice) && message.contains("1.bin, 2.bin"),
            "{message}"
        );
    }
}

#[test]
fn of_several_npz_one_must_be_given() {
    let folder = tempfile::tempdir().unwrap();
    let arrays = npz(&[("images", npy_u8(&[2, 2, 1], &[0; 4]))]);
    put(folder.path(), "a.npz", &arrays);
    put(folder.path(), "b.npz", &arrays);
    let message = refusal(twinlens_data::open(folder.path(), &as_defined()));
    assert!(
        message.contains("2 archives (a.npz, b.npz)") && message.contains("give one of them"),
        "{message}"
    );
}
