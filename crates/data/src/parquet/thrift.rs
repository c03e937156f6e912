//! Thrift's compact protocol, in which Parquet writes its footer and the headers of its pages.

use std::io::{self, Read};

/// A value, of which a reader takes the fields that it knows by their numbers.
#[derive(Debug)]
pub(super) enum Value {
    Bool(bool),
    Int(i64),
    Bytes(Vec<u8>),
    List(Vec<Value>),
    Struct(Vec<(i64, Value)>),
    /// Of a type that nothing here is read from: floating point, maps.
    Other,
}

/// Values one in the other, at most: Parquet needs six.
const DEEPEST: usize = 32;

/// Reads one struct. No more memory is taken than the bytes that were read can stand for.
pub(super) fn read(reader: &mut impl Read) -> io::Result<Value> {
    structure(reader, 0)
}

impl Value {
    pub(super) fn field(&self, number: i64) -> Option<&Value> {
        let Value::Struct(fields) = self else { return None };
        fields.iter().find(|(of, _)| *of == number).map(|(_, value)| value)
    }

    pub(super) fn int(&self, number: i64) -> Option<i64> {
        match self.field(number)? {
            Value::Int(value) => Some(*value),
            _ => None,
        }
    }

    pub(super) fn bool(&self, number: i64) -> Option<bool> {
        match self.field(number)? {
            Value::Bool(value) => Some(*value),
            _ => None,
        }
    }

    pub(super) fn bytes(&self, number: i64) -> Option<&[u8]> {
        match self.field(number)? {
            Value::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The values of a list; none where there is no such list.
    pub(super) fn list(&self, number: i64) -> &[Value] {
        match self.field(number) {
            Some(Value::List(values)) => values,
            _ => &[],
        }
    }
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

fn byte(reader: &mut impl Read) -> io::Result<u8> {
    let mut byte = [0];
    reader.read_exact(&mut byte)?;
    Ok(byte[0])
}

fn unsigned(reader: &mut impl Read) -> io::Result<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = byte(reader)?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(broken("a number of more than 64 bits"))
}

fn signed(reader: &mut impl Read) -> io::Result<i64> {
    let zigzag = unsigned(reader)?;
    Ok((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64))
}

fn structure(reader: &mut impl Read, depth: usize) -> io::Result<Value> {
    let (mut fields, mut number) = (Vec::new(), 0i64);
    loop {
        let head = byte(reader)?;
        if head == 0 {
            return Ok(Value::Struct(fields));
        }
        number = match head >> 4 {
            0 => signed(reader)?,
            more => number.saturating_add(i64::from(more)),
        };
        let value = match head & 0x0f {
            kind @ (1 | 2) => Value::Bool(kind == 1),
            kind => value(reader, kind, depth)?,
        };
        fields.push((number, value));
    }
}

fn value(reader: &mut impl Read, kind: u8, depth: usize) -> io::Result<Value> {
    if depth > DEEPEST {
        return Err(broken("values are nested too deep"));
    }
    Ok(match kind {
        1 | 2 => Value::Bool(byte(reader)? == 1),
        3 => Value::Int(i64::from(byte(reader)? as i8)),
        4..=6 => Value::Int(signed(reader)?),
        7 => skipped(reader, 8)?,
        8 => {
            let len = unsigned(reader)?;
            let mut bytes = Vec::new();
            reader.by_ref().take(len).read_to_end(&mut bytes)?;
            if bytes.len() as u64 != len {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            Value::Bytes(bytes)
        }
        9 | 10 => {
            let head = byte(reader)?;
            let count = if head >> 4 == 15 { unsigned(reader)? } else { u64::from(head >> 4) };
            let values = (0..count).map(|_| value(reader, head & 0x0f, depth + 1));
            Value::List(values.collect::<io::Result<_>>()?)
        }
        11 => map(reader, depth)?,
        12 => structure(reader, depth + 1)?,
        13 => skipped(reader, 16)?,
        other => return Err(broken(&format!("a value of the unknown type {other}"))),
    })
}

fn skipped(reader: &mut impl Read, count: usize) -> io::Result<Value> {
    reader.read_exact(&mut [0; 16][..count])?;
    Ok(Value::Other)
}

fn map(reader: &mut impl Read, depth: usize) -> io::Result<Value> {
    let count = unsigned(reader)?;
    let kinds = if count > 0 { byte(reader)? } else { 0 };
    for _ in 0..count {
        value(reader, kinds >> 4, depth + 1)?;
        value(reader, kinds & 0x0f, depth + 1)?;
    }
    Ok(Value::Other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_texts_lists_and_structs_are_read() {
        let bytes = [
            0x15, 0x01, // field 1: i32 of -1
            0x18, 2, b'h', b'i', // field 2: text
            0x11, // field 3: true
            0x19, 0x25, 2, 4, // field 4: list of i32, 1 and 2
            0x1c, 0x16, 0x80, 0x01, 0, // field 5: a struct whose field 1 is the i64 64
            0x07, 40, 0, 0, 0, 0, 0, 0, 0, 0, // field 20: floating point
            0x1b, 1, 0x55, 2, 4, // field 21: a map of 1 to 2
            0,
        ];
        let value = read(&mut &bytes[..]).unwrap();
        assert_eq!((value.int(1), value.bytes(2), value.bool(3)), (Some(-1), Some(&b"hi"[..]), Some(true)));
        assert!(matches!(value.list(4), [Value::Int(1), Value::Int(2)]));
        assert_eq!(value.field(5).unwrap().int(1), Some(64));
        assert!(
            matches!(value.field(20), Some(Value::Other)) && matches!(value.field(21), Some(Value::Other))
        );
        assert_eq!((value.int(2), value.int(9), value.list(1).len()), (None, None, 0));
    }

    #[test]
    fn what_breaks_off_or_makes_no_sense_is_an_error() {
        let endless = [0x1c; 1000];
        let long_text = [0x18, 0xff, 0xff, 0xff, 0xff, 0x7f, b'x'];
        let long_list = [0x19, 0xfc, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
        let wide = [0x16, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
        let unknown = [0x1e, 0, 0];
        for bytes in [&endless[..], &long_text, &long_list, &wide, &unknown, &[]] {
            read(&mut &bytes[..]).unwrap_err();
        }
    }
}
