//! Writes small TIFFs of any kind, one strip or tile after the other.

/// What a TIFF shall be.
#[derive(Clone)]
pub struct TiffWriter {
    width: u32,
    height: u32,
    pub big_endian: bool,
    bits: usize,
    samples: usize,
    photometric: u32,
    tags: Vec<(u16, u16, u32, Vec<u8>)>,
    behind: Vec<u8>,
}

/// Numbers of `bits` bits, the uppermost first, in rows that begin at a byte.
pub fn packed(values: &[u32], in_row: usize, bits: usize) -> Vec<u8> {
    let row = |row: &[u32]| -> Vec<u8> {
        let text: String = row.iter().map(|value| format!("{value:0bits$b}")).collect();
        let bytes = text.as_bytes().chunks(8).map(|byte| format!("{:0<8}", String::from_utf8_lossy(byte)));
        bytes.map(|byte| u8::from_str_radix(&byte, 2).unwrap()).collect()
    };
    values.chunks(in_row).flat_map(row).collect()
}

impl TiffWriter {
    pub fn new(width: usize, height: usize, bits: usize, samples: usize, photometric: u32) -> TiffWriter {
        let (width, height) = (width as u32, height as u32);
        TiffWriter {
            width,
            height,
            big_endian: false,
            bits,
            samples,
            photometric,
            tags: Vec::new(),
            behind: Vec::new(),
        }
    }

    /// With a tag of numbers.
    pub fn tag(mut self, tag: u16, values: &[u32]) -> TiffWriter {
        let long = values.iter().any(|&value| value > 0xffff);
        let bytes = values
            .iter()
            .flat_map(|&value| if long { self.u32(value) } else { self.u16(value as u16) })
            .collect();
        self.tags.push((tag, if long { 4 } else { 3 }, values.len() as u32, bytes));
        self
    }

    pub fn text(mut self, tag: u16, text: &str) -> TiffWriter {
        let bytes = [text.as_bytes(), b"\0"].concat();
        self.tags.push((tag, 2, bytes.len() as u32, bytes));
        self
    }

    /// With whole numbers as fractions.
    pub fn fractions(mut self, tag: u16, values: &[u32]) -> TiffWriter {
        let bytes = values.iter().flat_map(|&value| [self.u32(2 * value), self.u32(2)].concat()).collect();
        self.tags.push((tag, 5, values.len() as u32, bytes));
        self
    }

    /// With three times one third.
    pub fn thirds(mut self, tag: u16) -> TiffWriter {
        let bytes = [self.u32(1), self.u32(3)].concat().repeat(3);
        self.tags.push((tag, 5, 3, bytes));
        self
    }

    /// With bytes that follow the pixels and that no tag knows of.
    pub fn with_data_behind(mut self, bytes: &[u8]) -> TiffWriter {
        self.behind = bytes.to_vec();
        self
    }

    /// One image of these strips or tiles.
    pub fn write(&self, chunks: &[&[u8]]) -> Vec<u8> {
        let mut bytes = self.header();
        self.append(&mut bytes, 4, chunks);
        bytes
    }

    /// One image for each of these pages.
    pub fn write_pages(&self, pages: &[&[u8]]) -> Vec<u8> {
        let all: Vec<(TiffWriter, &[u8])> = pages.iter().map(|&page| (self.clone(), page)).collect();
        self.chain(&all)
    }

    /// Images of different kinds in one file.
    pub fn chain(&self, images: &[(TiffWriter, &[u8])]) -> Vec<u8> {
        let mut bytes = self.header();
        let mut link = 4;
        for (writer, page) in images {
            link = writer.append(&mut bytes, link, &[page]);
        }
        bytes
    }

    fn header(&self) -> Vec<u8> {
        let start: &[u8] = if self.big_endian { b"MM\0*" } else { b"II*\0" };
        [start, &[0; 4]].concat()
    }

    /// Appends an image, notes at `link` where its directory is, and returns where the next link stands.
    fn append(&self, bytes: &mut Vec<u8>, link: usize, chunks: &[&[u8]]) -> usize {
        let (mut offsets, mut counts) = (Vec::new(), Vec::new());
        for chunk in chunks {
            offsets.push(bytes.len() as u32);
            counts.push(chunk.len() as u32);
            bytes.extend(*chunk);
        }
        bytes.extend(&self.behind);
        let tiled = self.tags.iter().any(|&(tag, ..)| tag == 322);
        let mut all = self.clone();
        let given: Vec<u16> = self.tags.iter().map(|tag| tag.0).collect();
        let bits = vec![self.bits as u32; self.samples];
        for (tag, values) in [
            (256, &[self.width][..]),
            (257, &[self.height]),
            (258, &bits),
            (262, &[self.photometric]),
            (if tiled { 324 } else { 273 }, &offsets),
            (277, &[self.samples as u32]),
            (if tiled { 325 } else { 279 }, &counts),
        ] {
            if !given.contains(&tag) && !values.is_empty() {
                all = all.tag(tag, values);
            }
        }
        all.tags.sort_by_key(|tag| tag.0);
        all.append_directory(bytes, link)
    }

    fn append_directory(&self, bytes: &mut Vec<u8>, link: usize) -> usize {
        let at = bytes.len();
        bytes[link..link + 4].copy_from_slice(&self.u32(at as u32));
        let mut beyond = at + 2 + 12 * self.tags.len() + 4;
        let mut rest: Vec<u8> = Vec::new();
        bytes.extend(self.u16(self.tags.len() as u16));
        for (tag, kind, count, value) in &self.tags {
            bytes.extend([self.u16(*tag), self.u16(*kind), self.u32(*count)].concat());
            if value.len() <= 4 {
                bytes.extend(value.iter().chain(&[0; 4]).take(4));
                continue;
            }
            bytes.extend(self.u32(beyond as u32));
            beyond += value.len();
            rest.extend(value);
        }
        let link = bytes.len();
        bytes.extend([0; 4]);
        bytes.extend(rest);
        link
    }

    fn u16(&self, value: u16) -> Vec<u8> {
        if self.big_endian { value.to_be_bytes().to_vec() } else { value.to_le_bytes().to_vec() }
    }

    fn u32(&self, value: u32) -> Vec<u8> {
        if self.big_endian { value.to_be_bytes().to_vec() } else { value.to_le_bytes().to_vec() }
    }
}
