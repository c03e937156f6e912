//! The little of Protocol Buffers' wire format that an ONNX model needs.
//!
//! A message is a list of fields, each a key `number << 3 | kind` and its value: a variable-length integer (kind 0),
//! four bytes (5), or a length and that many bytes (2).

/// A message under construction.
#[derive(Debug, Default)]
pub(super) struct Message(Vec<u8>);

impl Message {
    pub fn new() -> Message {
        Message::default()
    }

    /// Adds an integer field.
    pub fn int(mut self, field: u64, value: u64) -> Message {
        self.varint(field << 3);
        self.varint(value);
        self
    }

    /// Adds a field of single precision.
    pub fn float(mut self, field: u64, value: f32) -> Message {
        self.varint(field << 3 | 5);
        self.0.extend(value.to_le_bytes());
        self
    }

    /// Adds a field of bytes.
    pub fn bytes(mut self, field: u64, value: &[u8]) -> Message {
        self.varint(field << 3 | 2);
        self.varint(value.len() as u64);
        self.0.extend(value);
        self
    }

    pub fn text(self, field: u64, value: &str) -> Message {
        self.bytes(field, value.as_bytes())
    }

    pub fn message(self, field: u64, value: Message) -> Message {
        self.bytes(field, &value.0)
    }

    /// Adds a field once for each message.
    pub fn messages(self, field: u64, values: impl IntoIterator<Item = Message>) -> Message {
        values.into_iter().fold(self, |message, value| message.message(field, value))
    }

    pub fn finish(self) -> Vec<u8> {
        self.0
    }

    /// Seven bits a byte, low ones first; the eighth says that more follow.
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of the format's own documentation.
    #[test]
    fn fields_are_encoded_as_documented() {
        assert_eq!(Message::new().int(1, 150).finish(), [0x08, 0x96, 0x01]);
        assert_eq!(Message::new().text(2, "testing").finish(), b"\x12\x07testing");
        let inner = Message::new().int(1, 150);
        assert_eq!(Message::new().message(3, inner).finish(), [0x1a, 0x03, 0x08, 0x96, 0x01]);
        assert_eq!(Message::new().float(1, 1.0).finish(), [0x0d, 0, 0, 0x80, 0x3f]);
    }
}
