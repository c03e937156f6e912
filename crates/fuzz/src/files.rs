//! Sets of files from bytes, archives of them, and seeds.

use std::fs;
use std::io::{self, Cursor, Write};
use std::path::Path;

use image::{DynamicImage, ImageFormat, RgbImage};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// A file of a set: its path and content.
pub type File = (String, Vec<u8>);

/// Files one after the other, each as the length of its path (1 byte), the path, the length of its content (2 bytes,
/// little-endian) and the content, so that a mutation of these bytes is still a set of files and no broken archive.
pub fn pack(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (path, content) in files {
        bytes.push(path.len() as u8);
        bytes.extend(path.as_bytes());
        bytes.extend((content.len() as u16).to_le_bytes());
        bytes.extend(content);
    }
    bytes
}

/// The files of [`pack`]; any bytes are some. Where they end early, the last file is cut.
pub fn unpack(mut bytes: &[u8]) -> Vec<File> {
    let mut files = Vec::new();
    while let [len, rest @ ..] = bytes {
        let (path, rest) = rest.split_at(rest.len().min(usize::from(*len)));
        let (len, rest) = rest.split_first_chunk::<2>().unwrap_or((&[0; 2], &[]));
        let (content, rest) = rest.split_at(rest.len().min(usize::from(u16::from_le_bytes(*len))));
        files.push((String::from_utf8_lossy(path).into_owned(), content.to_vec()));
        bytes = rest;
    }
    files
}

/// A zip of `files`, not compressed, with sound checksums. Of two files at one path the first stays.
///
/// # Errors
/// Never for what fits a zip.
pub fn zipped(files: &[File]) -> io::Result<Vec<u8>> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (path, content) in files {
        if archive.start_file(path.as_str(), options).is_ok() {
            archive.write_all(content)?;
        }
    }
    Ok(archive.finish()?.into_inner())
}

/// A tar of `files`, whose paths may be any bytes; of each the first 100 count.
pub fn tarred<'a>(files: impl IntoIterator<Item = (&'a [u8], Vec<u8>)>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (path, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        let path = &path[..path.len().min(100)];
        header.as_old_mut().name[..path.len()].copy_from_slice(path);
        header.set_cksum();
        bytes.extend(header.as_bytes());
        bytes.extend(&content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

/// A picture of `side` x `side` pixels in RGB, encoded; `seed` decides its colours.
///
/// # Errors
/// When the format cannot be written.
pub fn picture(side: u32, seed: u8, format: ImageFormat) -> io::Result<Vec<u8>> {
    let value = |x: u32, y: u32, channel: u32| (x * 31 + y * 17 + channel * 71) as u8 ^ seed.wrapping_mul(37);
    let image = RgbImage::from_fn(side, side, |x, y| image::Rgb([0, 1, 2].map(|c| value(x, y, c))));
    encoded(&DynamicImage::ImageRgb8(image), format)
}

/// A picture, encoded.
///
/// # Errors
/// When the format cannot be written.
pub fn encoded(image: &DynamicImage, format: ImageFormat) -> io::Result<Vec<u8>> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).map_err(io::Error::other)?;
    Ok(bytes.into_inner())
}

/// The files in a folder of this crate, in the order of their names; none where it is missing.
///
/// # Errors
/// When they cannot be read.
pub fn folder(name: &str) -> io::Result<Vec<Vec<u8>>> {
    ending(name, &[""])
}

/// The files that the readers' own tests read, of those whose names end so.
///
/// # Errors
/// When they cannot be read.
pub fn examples(endings: &[&str]) -> io::Result<Vec<Vec<u8>>> {
    ending("../data/tests/files", endings)
}

fn ending(folder: &str, endings: &[&str]) -> io::Result<Vec<Vec<u8>>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let mut paths = fs::read_dir(folder)?.map(|file| Ok(file?.path())).collect::<io::Result<Vec<_>>>()?;
    paths.retain(|path| endings.iter().any(|ending| path.to_string_lossy().ends_with(ending)));
    paths.sort();
    paths.iter().map(fs::read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_survive_packing_and_any_bytes_are_files() {
        let files = [("a/b.txt", b"abc".to_vec()), ("", Vec::new()), ("c", vec![7; 300])];
        let owned = files.clone().map(|(path, content)| (path.to_owned(), content));
        assert_eq!(unpack(&pack(&files)), owned);
        assert_eq!(unpack(&[3, b'a']), [("a".to_owned(), Vec::new())]);
        assert_eq!(unpack(&[1, b'a', 200, 0, 9]), [("a".to_owned(), vec![9])]);
        assert!(unpack(&[]).is_empty());
    }

    #[test]
    fn the_files_of_the_readers_tests_are_at_hand() {
        let tiffs = examples(&[".tif"]).unwrap();
        assert!(
            tiffs.len() > 20 && tiffs.iter().all(|tiff| tiff.starts_with(b"II") || tiff.starts_with(b"MM"))
        );
        assert!(examples(&[".gif", ".webp"]).unwrap().len() >= 2);
    }

    #[test]
    fn archives_are_read_by_their_readers() {
        let zip = zipped(&[("a".into(), vec![1]), ("a".into(), vec![2]), ("b".into(), vec![3])]).unwrap();
        assert_eq!(zip::ZipArchive::new(Cursor::new(zip)).unwrap().len(), 2);
        let tar = tarred([(&b"a\xff"[..], vec![1, 2])]);
        let mut archive = tar::Archive::new(&tar[..]);
        let member = archive.entries().unwrap().next().unwrap().unwrap();
        assert_eq!((&*member.path_bytes(), member.size()), (&b"a\xff"[..], 2));
    }
}
