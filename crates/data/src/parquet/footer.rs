//! The footer of a Parquet file: its columns, where their pages lie, and what Hugging Face wrote of them.

use std::io::{Read, Seek, SeekFrom};
use std::slice::Iter;
use std::sync::Arc;

use serde_json::Value as Json;

use super::fault::Fault;
use super::thrift::{self, Value};
use crate::blob::Blob;

const MAGIC: &[u8; 4] = b"PAR1";

/// What stands instead of [`MAGIC`] where the footer is encrypted.
const ENCRYPTED: &[u8; 4] = b"PARE";

/// The beginning of the texts that Git keeps instead of large files.
const LFS: &[u8; 26] = b"version https://git-lfs.gi";

/// Groups of columns one in the other, at most.
const DEEPEST: u32 = 64;

/// What the values of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Boolean,
    Signed32,
    Signed64,
    Unsigned32,
    Unsigned64,
    Float32,
    Float64,
    Text,
    /// Bytes without a meaning.
    Binary,
    /// What is not read here, and what it is.
    Other(&'static str),
}

impl Content {
    /// Bytes of a value; `None` where each says its own length.
    pub(super) fn width(self) -> Option<usize> {
        match self {
            Content::Boolean => Some(1),
            Content::Signed32 | Content::Unsigned32 | Content::Float32 => Some(4),
            Content::Signed64 | Content::Unsigned64 | Content::Float64 => Some(8),
            Content::Text | Content::Binary | Content::Other(_) => None,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Content::Boolean => "bool",
            Content::Signed32 => "int32",
            Content::Signed64 => "int64",
            Content::Unsigned32 => "uint32",
            Content::Unsigned64 => "uint64",
            Content::Float32 => "float32",
            Content::Float64 => "float64",
            Content::Text => "text",
            Content::Binary => "binary",
            Content::Other(what) => what,
        }
    }
}

/// A column that holds values: one of the table, or one within a struct.
#[derive(Debug)]
pub(super) struct Leaf {
    /// The column of the table that it is, or stands in.
    pub(super) column: Arc<str>,
    /// Its own name, where it is not a column of the table.
    pub(super) name: Option<String>,
    /// How many structs it stands in.
    pub(super) depth: u32,
    pub(super) content: Content,
    /// How many of it and these structs may be null.
    pub(super) nullable: u32,
    /// Whether a row may have several values.
    pub(super) repeated: bool,
}

/// The pages of one column in one group of rows.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) codec: i64,
    pub(super) at: u64,
    pub(super) len: u64,
}

/// Rows whose columns lie together.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) rows: u64,
    /// One for each of the leaves.
    pub(super) chunks: Vec<Chunk>,
}

#[derive(Debug)]
pub(super) struct Footer {
    pub(super) rows: u64,
    pub(super) leaves: Vec<Leaf>,
    pub(super) groups: Vec<Group>,
    /// What Hugging Face's `datasets` wrote of each column, by name: its features.
    pub(super) features: serde_json::Map<String, Json>,
}

impl Footer {
    pub(super) fn read(blob: &Blob) -> Result<Footer, Fault> {
        let mut blob = blob.clone();
        let mut foot = [0; 8];
        let ends = blob.len().checked_sub(12).ok_or_else(|| Fault::damaged("it is too short"))?;
        blob.seek(SeekFrom::End(-8))?;
        blob.read_exact(&mut foot)?;
        let [a, b, c, d, magic @ ..] = foot;
        let mut head = [0; LFS.len()];
        blob.seek(SeekFrom::Start(0))?;
        if blob.read_exact(&mut head).is_ok() && &head == LFS {
            return Err(Fault::damaged(
                "a pointer of Git LFS stands in its place (`git lfs pull` fetches the file)",
            ));
        }
        if &magic == ENCRYPTED {
            return Err(Fault::NotRead("an encrypted footer".into()));
        }
        if &magic != MAGIC {
            return Err(Fault::damaged("it does not end as Parquet does, in the letters PAR1"));
        }
        let len = u64::from(u32::from_le_bytes([a, b, c, d]));
        if len > ends {
            let reason = format!("its footer claims {len} bytes, but only {ends} are there");
            return Err(Fault::damaged(reason));
        }
        blob.seek(SeekFrom::End(-8 - len as i64))?;
        let mut bytes = Vec::new();
        blob.take(len).read_to_end(&mut bytes)?;
        let footer =
            thrift::read(&mut &bytes[..]).map_err(|error| Fault::damaged(format!("footer: {error}")))?;
        Footer::of(&footer, ends)
    }

    /// `ends` is the number of bytes that pages may lie in, from the start of the file.
    fn of(footer: &Value, ends: u64) -> Result<Footer, Fault> {
        if footer.field(8).is_some() {
            return Err(Fault::NotRead("encrypted columns".into()));
        }
        let mut elements = footer.list(2).iter();
        let columns = elements.next().and_then(|root| root.int(5)).unwrap_or(0);
        let mut leaves = Vec::new();
        for _ in 0..columns {
            add_leaves(&mut elements, &Above::default(), &mut leaves)?;
        }
        let groups = footer.list(4).iter().map(|group| group_of(group, leaves.len(), ends));
        let groups = groups.collect::<Result<Vec<Group>, Fault>>()?;
        let rows = footer.int(3).unwrap_or(-1);
        let sum = groups.iter().try_fold(0u64, |sum, group| sum.checked_add(group.rows));
        if sum != u64::try_from(rows).ok() {
            return Err(Fault::damaged(format!(
                "footer: it claims {rows} rows, but its groups have other numbers"
            )));
        }
        let told = footer.list(5).iter().find(|pair| pair.bytes(1) == Some(b"huggingface"));
        let told = told.and_then(|pair| serde_json::from_slice::<Json>(pair.bytes(2)?).ok());
        let features = told.and_then(|mut told| match told.pointer_mut("/info/features")?.take() {
            Json::Object(features) => Some(features),
            _ => None,
        });
        Ok(Footer { rows: sum.unwrap_or(0), leaves, groups, features: features.unwrap_or_default() })
    }
}

/// What is known of the structs that a column stands in.
#[derive(Clone, Default)]
struct Above {
    column: Option<Arc<str>>,
    depth: u32,
    nullable: u32,
    repeated: bool,
}

fn add_leaves(elements: &mut Iter<'_, Value>, above: &Above, leaves: &mut Vec<Leaf>) -> Result<(), Fault> {
    let element = elements.next().ok_or_else(|| Fault::damaged("footer: columns are missing"))?;
    if above.depth >= DEEPEST {
        return Err(Fault::damaged("footer: columns are nested too deep"));
    }
    let name = String::from_utf8_lossy(element.bytes(4).unwrap_or_default());
    let column = above.column.clone().unwrap_or_else(|| name.as_ref().into());
    let repetition = element.int(3).unwrap_or(0);
    let nullable = above.nullable + u32::from(repetition != 0);
    let repeated = above.repeated || repetition == 2;
    match element.int(5) {
        Some(children) if children > 0 || element.int(1).is_none() => {
            let here = Above { column: Some(column), depth: above.depth + 1, nullable, repeated };
            for _ in 0..children {
                add_leaves(elements, &here, leaves)?;
            }
        }
        _ => {
            let name = (above.depth > 0).then(|| name.into_owned());
            let content = content_of(element);
            leaves.push(Leaf { column, name, depth: above.depth, content, nullable, repeated });
        }
    }
    Ok(())
}

/// What the values of a column are, by their type and by what is said of it.
fn content_of(element: &Value) -> Content {
    let logical = element.field(10);
    let is = |number: i64| logical.is_some_and(|logical| logical.field(number).is_some());
    let converted = element.int(6);
    let integer = logical.and_then(|logical| logical.field(10));
    let unsigned =
        integer.and_then(|integer| integer.bool(2)) == Some(false) || matches!(converted, Some(11..=14));
    match (element.int(1), converted) {
        _ if is(5) || converted == Some(5) => Content::Other("decimal"),
        _ if is(6) || converted == Some(6) => Content::Other("date"),
        _ if is(7) || matches!(converted, Some(7 | 8)) => Content::Other("time"),
        _ if is(8) || matches!(converted, Some(9 | 10)) => Content::Other("timestamp"),
        (Some(0), _) => Content::Boolean,
        (Some(1), _) if unsigned => Content::Unsigned32,
        (Some(1), _) => Content::Signed32,
        (Some(2), _) if unsigned => Content::Unsigned64,
        (Some(2), _) => Content::Signed64,
        (Some(3), _) => Content::Other("timestamp"),
        (Some(4), _) => Content::Float32,
        (Some(5), _) => Content::Float64,
        (Some(6), Some(0 | 4 | 19)) => Content::Text,
        (Some(6), _) if is(1) || is(4) || is(12) => Content::Text,
        (Some(6), _) => Content::Binary,
        _ => Content::Other("bytes of a fixed number"),
    }
}

fn group_of(group: &Value, leaves: usize, ends: u64) -> Result<Group, Fault> {
    let rows = group.int(3).and_then(|rows| u64::try_from(rows).ok());
    let rows = rows.ok_or_else(|| Fault::damaged("footer: a group does not say how many rows it has"))?;
    let chunks = group.list(1).iter().map(|chunk| chunk_of(chunk, ends));
    let chunks = chunks.collect::<Result<Vec<Chunk>, Fault>>()?;
    if chunks.len() != leaves {
        let reason = format!("footer: a group of rows has {} columns, expected {leaves}", chunks.len());
        return Err(Fault::damaged(reason));
    }
    Ok(Group { rows, chunks })
}

fn chunk_of(chunk: &Value, ends: u64) -> Result<Chunk, Fault> {
    if chunk.field(1).is_some() {
        return Err(Fault::NotRead("columns in other files".into()));
    }
    let Some(about) = chunk.field(3).filter(|_| chunk.field(8).is_none()) else {
        return Err(Fault::NotRead("encrypted columns".into()));
    };
    let number = |field: i64| about.int(field).and_then(|value| u64::try_from(value).ok());
    let (data, dictionary) = (number(9), number(11).filter(|at| *at > 0));
    let at = data.map(|data| dictionary.map_or(data, |dictionary| dictionary.min(data)));
    let placed = at.zip(number(7)).filter(|(at, len)| at.checked_add(*len).is_some_and(|end| end <= ends));
    let (at, len) =
        placed.ok_or_else(|| Fault::damaged("footer: a column lies beyond the end of the file"))?;
    Ok(Chunk { codec: about.int(4).unwrap_or(0), at, len })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn structure(fields: impl IntoIterator<Item = (i64, Value)>) -> Value {
        Value::Struct(fields.into_iter().collect())
    }

    fn element(name: &str, fields: &[(i64, i64)]) -> Value {
        let name = [(4, Value::Bytes(name.into()))];
        structure(name.into_iter().chain(fields.iter().map(|(number, value)| (*number, Value::Int(*value)))))
    }

    /// A chunk of a column of 100 bytes at byte 4, with a further field.
    fn chunk(more: Option<(i64, Value)>) -> Value {
        let about = element("", &[(7, 100), (9, 4)]);
        structure([(3, about)].into_iter().chain(more))
    }

    /// The footer of a file of one column `a` of whole numbers.
    fn footer(rows: i64, chunks: Vec<Value>, more: Option<(i64, Value)>) -> Value {
        let columns = vec![element("schema", &[(5, 1)]), element("a", &[(1, 2), (3, 1)])];
        let group = structure([(1, Value::List(chunks)), (3, Value::Int(5))]);
        let all = [(2, Value::List(columns)), (3, Value::Int(rows)), (4, Value::List(vec![group]))];
        structure(all.into_iter().chain(more))
    }

    fn refusal(footer: &Value, ends: u64) -> String {
        format!("{:?}", Footer::of(footer, ends).unwrap_err())
    }

    #[test]
    fn a_footer_says_columns_and_where_they_lie() {
        let footer = Footer::of(&footer(5, vec![chunk(None)], None), 104).unwrap();
        let [leaf] = &footer.leaves[..] else { panic!("{footer:?}") };
        assert_eq!((&*leaf.column, leaf.content, leaf.nullable), ("a", Content::Signed64, 1));
        assert_eq!((footer.rows, footer.groups[0].chunks[0].at), (5, 4));
    }

    #[test]
    fn what_contradicts_itself_or_is_not_read_is_refused() {
        let text = || Value::Bytes(b"x".to_vec());
        let with = |field: i64| footer(5, vec![chunk(Some((field, text())))], None);
        assert!(refusal(&with(1), 104).contains("columns in other files"));
        assert!(refusal(&with(8), 104).contains("encrypted columns"));
        assert!(refusal(&footer(5, vec![chunk(None)], Some((8, text()))), 104).contains("encrypted columns"));
        assert!(refusal(&footer(5, vec![chunk(None)], None), 103).contains("beyond the end"));
        assert!(refusal(&footer(6, vec![chunk(None)], None), 104).contains("claims 6 rows"));
        assert!(refusal(&footer(5, vec![], None), 104).contains("0 columns, expected 1"));
        let deep = (0..100).map(|_| element("a", &[(5, 1)])).collect();
        assert!(refusal(&structure([(2, Value::List(deep))]), 0).contains("nested too deep"));
        let few = vec![element("schema", &[(5, 1 << 40)]), element("a", &[(1, 2)])];
        assert!(refusal(&structure([(2, Value::List(few))]), 0).contains("columns are missing"));
    }
}
