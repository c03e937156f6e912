//! Bytes that can be read from several places at once: a file, or memory.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

/// A reader with a position of its own over shared bytes; cloning it costs nothing.
#[derive(Clone)]
pub(crate) struct Blob {
    bytes: Bytes,
    position: u64,
    len: u64,
}

#[derive(Clone)]
enum Bytes {
    File(Arc<File>),
    Memory(Arc<dyn AsRef<[u8]> + Send + Sync>),
}

impl Blob {
    pub(crate) fn open(path: &Path) -> io::Result<Blob> {
        let file = File::open(path)?;
        let len = file.metadata()?.len();
        Ok(Blob { bytes: Bytes::File(Arc::new(file)), position: 0, len })
    }

    pub(crate) fn memory(bytes: impl AsRef<[u8]> + Send + Sync + 'static) -> Blob {
        let len = bytes.as_ref().len() as u64;
        Blob { bytes: Bytes::Memory(Arc::new(bytes)), position: 0, len }
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// `len` bytes from `at` on, which must be there.
    pub(crate) fn read_exact_at(&self, at: u64, len: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; len];
        let mut reader = Blob { position: at, ..self.clone() };
        reader.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

impl Read for Blob {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = match &self.bytes {
            Bytes::File(file) => read_at(file, buffer, self.position)?,
            Bytes::Memory(bytes) => {
                let bytes: &[u8] = (**bytes).as_ref();
                let start = usize::try_from(self.position).unwrap_or(usize::MAX).min(bytes.len());
                (&bytes[start..]).read(buffer)?
            }
        };
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for Blob {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.len.checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        self.position =
            target.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "seek before the start"))?;
        Ok(self.position)
    }
}

#[cfg(unix)]
fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, at)
}

#[cfg(windows)]
fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, at)
}
