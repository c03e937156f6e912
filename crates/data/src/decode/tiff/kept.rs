//! Unpacked strips and tiles of whole slides, kept while there is room: tiles that are cut out next to each other touch the
//! same ones.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use crate::decode::Refusal;

/// Which strip or tile of which image of which slide.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PieceKey {
    pub(crate) slide: usize,
    pub(crate) level: usize,
    /// The channel, where each has an image of its own.
    pub(crate) image: usize,
    chunk: usize,
}

impl PieceKey {
    /// That of a whole image.
    pub(crate) fn image(slide: usize, level: usize, image: usize) -> PieceKey {
        PieceKey { slide, level, image, chunk: 0 }
    }

    pub(super) fn piece(self, chunk: usize) -> PieceKey {
        PieceKey { chunk, ..self }
    }
}

/// The pieces unpacked last, of any number of slides.
pub(crate) struct Kept {
    /// Bytes to hold, at most.
    limit: u64,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    pieces: BTreeMap<PieceKey, Arc<Vec<u8>>>,
    /// Oldest first.
    order: VecDeque<PieceKey>,
    bytes: u64,
}

impl Kept {
    pub(crate) fn new(limit: u64) -> Kept {
        Kept { limit, held: Mutex::default() }
    }

    /// A piece, unpacked if it is not held.
    pub(super) fn piece(
        &self,
        key: PieceKey,
        unpack: impl FnOnce() -> Result<Vec<u8>, Refusal>,
    ) -> Result<Arc<Vec<u8>>, Refusal> {
        let held = || self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(piece) = held().pieces.get(&key) {
            return Ok(piece.clone());
        }
        // Without the lock: others may unpack meanwhile.
        let piece = Arc::new(unpack()?);
        held().add(key, &piece, self.limit);
        Ok(piece)
    }
}

impl Held {
    fn add(&mut self, key: PieceKey, piece: &Arc<Vec<u8>>, limit: u64) {
        let bytes = piece.len() as u64;
        if bytes > limit || self.pieces.contains_key(&key) {
            return;
        }
        while self.bytes + bytes > limit
            && let Some(oldest) = self.order.pop_front()
        {
            self.bytes -= self.pieces.remove(&oldest).map_or(0, |piece| piece.len() as u64);
        }
        self.bytes += bytes;
        self.order.push_back(key);
        self.pieces.insert(key, piece.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_pieces_go_when_there_is_no_room() {
        let kept = Kept::new(10);
        let ask = |chunk: usize, len: usize| {
            let mut unpacked = false;
            let piece = kept.piece(PieceKey::image(0, 0, 0).piece(chunk), || {
                unpacked = true;
                Ok(vec![chunk as u8; len])
            });
            assert_eq!(*piece.unwrap(), vec![chunk as u8; len]);
            unpacked
        };
        assert_eq!([ask(0, 4), ask(1, 4), ask(0, 4), ask(2, 4)], [true, true, false, true]);
        assert_eq!([ask(1, 4), ask(0, 4)], [false, true], "0 was the oldest");
        assert_eq!([ask(3, 11), ask(3, 11)], [true, true], "what is larger than all room is not held");
        assert!(kept.held.lock().unwrap().bytes <= 10);
        assert!(kept.piece(PieceKey::image(1, 0, 0), || Err("no".into())).is_err());
    }
}
