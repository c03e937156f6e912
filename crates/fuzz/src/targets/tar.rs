//! A tar as such: headers, long names, links; checksums are mended.

use std::io;

use image::ImageFormat;
use tar::{Builder, EntryType, Header};

use crate::Target;
use crate::check::{memory, opened, settings};
use crate::files::{self, picture, tarred};

pub(super) const TARGET: Target =
    Target { name: "tar", about: "a tar (checksums are mended)", run, memory, seeds };

fn run(bytes: &[u8]) -> Result<(), String> {
    opened("archive.tar", &with_checksums(bytes.to_vec()), settings())
}

/// The same with the checksum that every block which looks like a header should have.
fn with_checksums(mut bytes: Vec<u8>) -> Vec<u8> {
    for block in bytes.as_chunks_mut::<512>().0 {
        if &block[257..262] == b"ustar" {
            let mut header = Header::from_byte_slice(block).clone();
            header.set_cksum();
            block.copy_from_slice(header.as_bytes());
        }
    }
    bytes
}

fn seeds() -> io::Result<Vec<Vec<u8>>> {
    let png = |seed| picture(4, seed, ImageFormat::Png);
    let plain =
        tarred([(&b"a/1.png"[..], png(1)?), (b"b/2.png", png(2)?), (b"b/notes.txt", b"text".to_vec())]);
    let inner = tarred([(&b"inner.tar"[..], plain.clone())]);
    Ok([plain, inner, with_links()?].into_iter().chain(files::examples(&[".tar"])?).collect())
}

/// A tar with a long name, a hard link and a symbolic link, as GNU tar writes them.
fn with_links() -> io::Result<Vec<u8>> {
    let mut archive = Builder::new(Vec::new());
    let png = picture(4, 3, ImageFormat::Png)?;
    let mut header = Header::new_gnu();
    header.set_size(png.len() as u64);
    header.set_mode(0o644);
    archive.append_data(&mut header, format!("{}/1.png", "long".repeat(40)), &png[..])?;
    archive.append_data(&mut header, "a/1.png", &png[..])?;
    for (kind, path, target) in
        [(EntryType::Link, "b/2.png", "a/1.png"), (EntryType::Symlink, "b/3.png", "../a/1.png")]
    {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(0);
        archive.append_link(&mut header, path, target)?;
    }
    archive.into_inner()
}
