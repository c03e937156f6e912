//! The columns of a Parquet file that are plain numbers and texts, as texts.

use super::fault::Fault;
use super::footer::Content;
use super::pages::Column;
use super::{ALWAYS_HELD, File, Set, page_limit};
use crate::DataError;

/// Bytes that a cell takes besides its text, twice: it is copied once on its way to the image.
const CELL: u64 = 2 * size_of::<String>() as u64;

/// Names of columns, and the texts of each row; an empty text where a value is null.
pub(crate) type Cells = (Vec<String>, Vec<Vec<String>>);

impl Set {
    /// All columns of plain numbers and texts.
    pub(crate) fn cells(&self, limit: u64) -> Result<Cells, DataError> {
        let mut header: Vec<String> = Vec::new();
        for (_, name) in self.files.iter().flat_map(File::plain) {
            if !header.iter().any(|known| known == name) {
                header.push(name.to_owned());
            }
        }
        let mut room = Room { left: limit.max(ALWAYS_HELD), needed: 0 };
        let cells = (self.rows() as u64).saturating_mul(CELL * (header.len() as u64 + 1));
        room.take(cells).map_err(|fault| fault.at(&self.place, limit))?;
        let (mut rows, mut first) = (vec![vec![String::new(); header.len()]; self.rows()], 0);
        for file in &self.files {
            for (leaf, name) in file.plain() {
                let Some(column) = header.iter().position(|known| known == name) else { continue };
                let mut rows = rows[first..].iter_mut();
                file.texts(leaf, limit, &mut |text| {
                    room.take(2 * text.len() as u64)?;
                    if let Some(row) = rows.next() {
                        row[column] = text;
                    }
                    Ok(())
                })?;
            }
            first += file.footer.rows as usize;
        }
        Ok((header, rows))
    }
}

impl File {
    /// The leaves that are plain columns of the table, with their names.
    fn plain(&self) -> impl Iterator<Item = (usize, &str)> {
        let leaves = self.footer.leaves.iter().enumerate();
        leaves.filter(|(_, leaf)| leaf.is_plain()).map(|(number, leaf)| (number, &*leaf.column))
    }

    /// Tells the text of every row of a column of numbers or texts.
    pub(super) fn texts(
        &self,
        leaf: usize,
        limit: u64,
        told: &mut dyn FnMut(String) -> Result<(), Fault>,
    ) -> Result<(), DataError> {
        let about = &self.footer.leaves[leaf];
        for (group_number, group) in self.footer.groups.iter().enumerate() {
            let limit_of_page = page_limit(limit);
            let (chunk, rows) = (&group.chunks[leaf], group.rows);
            let column = Column { blob: &self.blob, leaf: about, chunk, rows, limit: limit_of_page };
            let read = column.read(&mut |source, ranges| {
                ranges.into_iter().try_for_each(|range| match range {
                    None => told(String::new()),
                    Some(range) => told(text_of(about.content, &source.bytes[range])?),
                })
            });
            read.map_err(|fault| self.wrong(fault, leaf, group_number, limit))?;
        }
        Ok(())
    }
}

/// Memory for texts.
struct Room {
    left: u64,
    needed: u64,
}

impl Room {
    fn take(&mut self, bytes: u64) -> Result<(), Fault> {
        self.needed = self.needed.saturating_add(bytes);
        if self.needed > self.left { Err(Fault::TooLarge(self.needed)) } else { Ok(()) }
    }
}

fn text_of(content: Content, bytes: &[u8]) -> Result<String, Fault> {
    let word = || bytes.try_into().unwrap_or([0; 4]);
    let two_words = || bytes.try_into().unwrap_or([0; 8]);
    Ok(match content {
        Content::Boolean => (bytes != [0]).to_string(),
        Content::Signed32 => i32::from_le_bytes(word()).to_string(),
        Content::Unsigned32 => u32::from_le_bytes(word()).to_string(),
        Content::Signed64 => i64::from_le_bytes(two_words()).to_string(),
        Content::Unsigned64 => u64::from_le_bytes(two_words()).to_string(),
        Content::Float32 => f32::from_le_bytes(word()).to_string(),
        Content::Float64 => f64::from_le_bytes(two_words()).to_string(),
        Content::Text => {
            let text = std::str::from_utf8(bytes)
                .map_err(|error| Fault::damaged(format!("a text is no UTF-8: {error}")))?;
            text.to_owned()
        }
        Content::Binary | Content::Other(_) => String::new(),
    })
}
