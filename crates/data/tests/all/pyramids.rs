//! Writes TIFFs and BigTIFFs with several images: in tiles or strips, in the main list or below another image.

use std::io::{Cursor, Write};

use image::codecs::jpeg::JpegEncoder;

/// The value of a tag: its type, how many, its bytes.
type Value = (u16, u64, Vec<u8>);

/// How the pieces of a picture are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    None,
    Deflate,
    Lzw,
    PackBits,
    /// Each piece a JPEG of its own.
    Jpeg,
    /// With their tables in a tag.
    JpegTables,
}

/// One image of a file, little-endian.
#[derive(Clone, Debug)]
pub struct Picture {
    pub width: usize,
    pub height: usize,
    /// Samples of a pixel.
    pub samples: usize,
    /// Bytes of a sample.
    pub bytes: usize,
    /// The pixels, interleaved.
    pub raster: Vec<u8>,
    /// Width and height of a tile, or the width of the picture and the rows of a strip.
    pub tile: [usize; 2],
    pub tiled: bool,
    pub planar: bool,
    pub codec: Codec,
    pub tags: Vec<(u16, Value)>,
    /// Images below it.
    pub below: Vec<Picture>,
}

/// An RGB picture of tiles of 16 x 16 pixels whose values depend on the place and on `seed`.
pub fn rgb(width: usize, height: usize, seed: usize) -> Picture {
    let value = |x: usize, y: usize, c: usize| (x * 7 + y * 13 + c * 71 + seed * 29 + x * y % 11) as u8;
    let raster =
        (0..height).flat_map(|y| (0..width).flat_map(move |x| (0..3).map(move |c| value(x, y, c)))).collect();
    Picture::of(width, height, 3, raster)
}

impl Picture {
    pub fn of(width: usize, height: usize, samples: usize, raster: Vec<u8>) -> Picture {
        let (tags, below) = (Vec::new(), Vec::new());
        let bytes = raster.len() / (width * height * samples);
        Picture {
            width,
            height,
            samples,
            bytes,
            raster,
            tile: [16, 16],
            tiled: true,
            planar: false,
            codec: Codec::None,
            tags,
            below,
        }
    }

    pub fn codec(self, codec: Codec) -> Picture {
        Picture { codec, ..self }
    }

    pub fn strips(self, rows: usize) -> Picture {
        let tile = [self.width, rows];
        Picture { tile, tiled: false, ..self }
    }

    /// With whole numbers.
    pub fn tag(mut self, tag: u16, values: &[u32]) -> Picture {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.tags.push((tag, (4, values.len() as u64, bytes)));
        self
    }

    pub fn text(mut self, tag: u16, text: &str) -> Picture {
        let bytes = [text.as_bytes(), b"\0"].concat();
        self.tags.push((tag, (2, bytes.len() as u64, bytes)));
        self
    }

    pub fn fraction(mut self, tag: u16, value: [u32; 2]) -> Picture {
        self.tags.push((tag, (5, 1, value.iter().flat_map(|part| part.to_le_bytes()).collect())));
        self
    }

    pub fn below(mut self, below: Vec<Picture>) -> Picture {
        self.below = below;
        self
    }

    /// The rectangle of it, interleaved.
    pub fn cut(&self, [x, y]: [usize; 2], [width, height]: [usize; 2]) -> Vec<u8> {
        let pixel = self.samples * self.bytes;
        let row = |row: usize| &self.raster[(row * self.width + x) * pixel..][..width * pixel];
        (y..y + height).flat_map(|at| row(at).to_vec()).collect()
    }

    /// Its strips or tiles before they are compressed; the edge of tiles is filled up with the last pixels.
    fn pieces(&self) -> Vec<Vec<u8>> {
        let [wide, high] = self.tile;
        let planes = if self.planar { self.samples } else { 1 };
        let mut pieces = Vec::new();
        for (plane, top) in
            (0..planes).flat_map(|plane| (0..self.height).step_by(high).map(move |top| (plane, top)))
        {
            for left in (0..self.width).step_by(wide) {
                let rows = if self.tiled { high } else { high.min(self.height - top) };
                let mut piece = Vec::new();
                for (y, x) in (top..top + rows).flat_map(|y| (left..left + wide).map(move |x| (y, x))) {
                    let at = y.min(self.height - 1) * self.width + x.min(self.width - 1);
                    let pixel = &self.raster[at * self.samples * self.bytes..][..self.samples * self.bytes];
                    match self.planar {
                        true => piece.extend(&pixel[plane * self.bytes..][..self.bytes]),
                        false => piece.extend(pixel),
                    }
                }
                pieces.push(piece);
            }
        }
        pieces
    }

    fn compressed(&self) -> (Vec<Vec<u8>>, Option<Vec<u8>>) {
        let pieces = self.pieces();
        let samples = if self.planar { 1 } else { self.samples };
        let jpeg = |piece: &Vec<u8>| jpeg(piece, self.tile[0], samples);
        match self.codec {
            Codec::None => (pieces, None),
            Codec::Deflate => (pieces.iter().map(|piece| deflated(piece)).collect(), None),
            Codec::Lzw => (pieces.iter().map(|piece| lzw(piece)).collect(), None),
            Codec::PackBits => (pieces.iter().map(|piece| packbits(piece)).collect(), None),
            Codec::Jpeg => (pieces.iter().map(jpeg).collect(), None),
            Codec::JpegTables => {
                let parted: Vec<[Vec<u8>; 2]> =
                    pieces.iter().map(|piece| without_tables(&jpeg(piece))).collect();
                let tables = parted[0][0].clone();
                (parted.into_iter().map(|[_, rest]| rest).collect(), Some(tables))
            }
        }
    }

    /// Appends it and what is below it, and gives where its directory is and where the place of the next one goes.
    fn append(&self, file: &mut Vec<u8>, big: bool) -> (usize, usize) {
        let below: Vec<u64> = self.below.iter().map(|picture| picture.append(file, big).0 as u64).collect();
        let (pieces, tables) = self.compressed();
        let number = if big { 16 } else { 4 };
        let list = |values: &[u64]| -> Value {
            let bytes = values
                .iter()
                .flat_map(|value| value.to_le_bytes()[..if big { 8 } else { 4 }].to_vec())
                .collect();
            (number, values.len() as u64, bytes)
        };
        let mut offsets = Vec::new();
        for piece in &pieces {
            offsets.push(file.len() as u64);
            file.extend(piece);
        }
        let counts: Vec<u64> = pieces.iter().map(|piece| piece.len() as u64).collect();
        let compression = match self.codec {
            Codec::None => 1,
            Codec::Deflate => 8,
            Codec::Lzw => 5,
            Codec::PackBits => 32773,
            Codec::Jpeg | Codec::JpegTables => 7,
        };
        let photometric = match (self.samples, compression) {
            (1, _) => 1,
            (_, 7) if !self.planar => 6,
            _ => 2,
        };
        let one = |value: usize| list(&[value as u64]);
        let mut all = self.tags.clone();
        let usual = [
            (256, one(self.width)),
            (257, one(self.height)),
            (258, list(&vec![8 * self.bytes as u64; self.samples])),
            (259, one(compression)),
            (262, one(photometric)),
            (277, one(self.samples)),
            (284, one(if self.planar { 2 } else { 1 })),
        ];
        let [wide, high] = self.tile;
        let placed = match self.tiled {
            true => vec![(322, one(wide)), (323, one(high)), (324, list(&offsets)), (325, list(&counts))],
            false => vec![(273, list(&offsets)), (278, one(high)), (279, list(&counts))],
        };
        let tables = tables.map(|tables| (347, (7, tables.len() as u64, tables)));
        let subs = (!below.is_empty()).then(|| (330, list(&below)));
        let given: Vec<u16> = all.iter().map(|(tag, _)| *tag).collect();
        let more = usual.into_iter().chain(placed).chain(tables).chain(subs);
        all.extend(more.filter(|(tag, _)| !given.contains(tag)));
        // A tag without values is one that is left out.
        all.retain(|(_, (_, count, _))| *count > 0);
        all.sort_by_key(|(tag, _)| *tag);
        directory(file, &all, big)
    }
}

/// Appends a directory; gives where it is and where the place of the next one goes.
fn directory(file: &mut Vec<u8>, tags: &[(u16, Value)], big: bool) -> (usize, usize) {
    let (counted, offset) = if big { (8, 8) } else { (2, 4) };
    let number = |value: u64, len: usize| value.to_le_bytes()[..len].to_vec();
    let at = file.len();
    let mut rest = at + counted + tags.len() * (4 + 2 * offset) + offset;
    let mut behind: Vec<u8> = Vec::new();
    file.extend(number(tags.len() as u64, counted));
    for (tag, (kind, count, bytes)) in tags {
        file.extend([number((*tag).into(), 2), number((*kind).into(), 2), number(*count, offset)].concat());
        if bytes.len() <= offset {
            file.extend(bytes.iter().chain(&[0; 8]).take(offset));
        } else {
            file.extend(number(rest as u64, offset));
            rest += bytes.len();
            behind.extend(bytes);
        }
    }
    let next = file.len();
    file.extend(vec![0; offset]);
    file.extend(behind);
    (at, next)
}

/// A file of these images, in the main list.
pub fn tiff(pictures: &[Picture], big: bool) -> Vec<u8> {
    let mut file = if big { b"II\x2b\0\x08\0\0\0".to_vec() } else { b"II\x2a\0".to_vec() };
    let offset = if big { 8 } else { 4 };
    let mut next = file.len();
    file.extend(vec![0; offset]);
    for picture in pictures {
        let (at, link) = picture.append(&mut file, big);
        file[next..next + offset].copy_from_slice(&(at as u64).to_le_bytes()[..offset]);
        next = link;
    }
    file
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn lzw(bytes: &[u8]) -> Vec<u8> {
    weezl::encode::Encoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8).encode(bytes).unwrap()
}

/// Runs of one value, and all else as it is.
fn packbits(bytes: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    let mut rest = bytes;
    while let [first, ..] = rest {
        let run = rest.iter().take(128).take_while(|byte| *byte == first).count();
        if run > 1 {
            packed.extend([(1 - run as i32) as i8 as u8, *first]);
        } else {
            packed.extend([0, *first]);
        }
        rest = &rest[run..];
    }
    packed
}

fn jpeg(raster: &[u8], width: usize, samples: usize) -> Vec<u8> {
    let kind = if samples == 1 { image::ExtendedColorType::L8 } else { image::ExtendedColorType::Rgb8 };
    let mut file = Cursor::new(Vec::new());
    let height = raster.len() / width / samples;
    JpegEncoder::new_with_quality(&mut file, 95).encode(raster, width as u32, height as u32, kind).unwrap();
    file.into_inner()
}

/// The tables of a JPEG as one that has nothing else, and the JPEG without them.
pub fn without_tables(jpeg: &[u8]) -> [Vec<u8>; 2] {
    let (mut tables, mut rest) = (vec![0xFF, 0xD8], vec![0xFF, 0xD8]);
    let mut at = 2;
    loop {
        let kind = jpeg[at + 1];
        let len = usize::from(u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]]));
        let segment = &jpeg[at..at + 2 + len];
        match kind {
            0xDB | 0xC4 => tables.extend(segment),
            0xDA => {
                rest.extend(&jpeg[at..]);
                tables.extend([0xFF, 0xD9]);
                return [tables, rest];
            }
            _ => rest.extend(segment),
        }
        at += 2 + len;
    }
}
