//! Whether a JPEG holds all its data.
//!
//! The entropy-coded data of every scan are walked through code by code, without making pixels of them: each block must
//! be there, each code must exist, no coefficient may lie beyond the 64 of its block, and little may be left at the
//! end of a scan or of a restart interval. Baseline and progressive files (ITU-T T.81, annexes F and G) with Huffman
//! codes are checked; of others nothing is said, as they are not decoded.

/// Bytes left at the end of a scan: some encoders write one or two too many.
const MAX_LEFT: usize = 2;

const BREAKS_OFF: &str = "the data break off: the file is truncated or damaged";
const NO_CODE: &str = "the data are damaged: a code that does not exist";
const BEYOND: &str = "the data are damaged: a coefficient beyond its block";
const LEFT_OVER: &str = "the data are damaged: more of them than the picture has";
const TOO_BRIGHT: &str = "the data are damaged: brightness far beyond white or black";
const BAD_HEADER: &str = "a header is damaged";

/// The mean of a block of 8 bits lies within 1024 of the middle, in the units of its first coefficient; damage makes it
/// drift. Twice that leaves room for encoders that sharpen.
const BRIGHTEST: i32 = 2048;

type Checked<T> = Result<T, &'static str>;

/// Refuses a JPEG whose data are not all there.
pub(super) fn check(bytes: &[u8]) -> Checked<()> {
    let mut walk = Walk::default();
    let mut at = 2;
    let mut ended = false;
    while let Some((marker, after)) = next_marker(bytes, at) {
        let len = match marker {
            0xd9 => {
                ended = true;
                break;
            }
            0x01 | 0xd0..=0xd8 => 0,
            _ => usize::from(u16::from_be_bytes([
                *bytes.get(after).ok_or(BREAKS_OFF)?,
                *bytes.get(after + 1).ok_or(BREAKS_OFF)?,
            ])),
        };
        let segment = bytes.get(after..after + len).ok_or(BREAKS_OFF)?;
        at = after + len;
        let segment = segment.get(2..).unwrap_or_default();
        match marker {
            0xc4 => walk.tables(segment)?,
            0xdb => walk.steps(segment)?,
            0xc0..=0xc2 => walk.frame(segment, marker == 0xc2)?,
            0xc3 | 0xc5..=0xc7 | 0xc9..=0xcf => return Ok(()),
            0xdd => {
                walk.restart =
                    segment.first_chunk().map_or(0, |&number| usize::from(u16::from_be_bytes(number)));
            }
            0xda => at = walk.scan(segment, bytes, at)?,
            _ => {}
        }
    }
    walk.complete(ended)
}

/// The next marker from `at` on, and where it ends; what lies between is passed over.
fn next_marker(bytes: &[u8], mut at: usize) -> Option<(u8, usize)> {
    loop {
        at += bytes.get(at..)?.iter().position(|&byte| byte == 0xff)?;
        match *bytes.get(at + 1)? {
            0xff => at += 1,
            0 => at += 2,
            marker => return Some((marker, at + 2)),
        }
    }
}

/// What the headers said so far.
#[derive(Default)]
struct Walk {
    progressive: bool,
    components: Vec<Component>,
    /// MCUs across and down.
    units: [usize; 2],
    dc: [Option<Huffman>; 4],
    ac: [Option<Huffman>; 4],
    /// The step of the first coefficient in each quantisation table.
    steps: [i32; 4],
    /// MCUs between restart markers; 0 for none.
    restart: usize,
}

struct Component {
    id: u8,
    /// Which quantisation table it has.
    table: usize,
    /// The first coefficient of the last block, in units of its step.
    mean: i32,
    /// Blocks of one MCU, across and down.
    sampling: [usize; 2],
    /// Blocks that a scan of this component alone has.
    blocks: [usize; 2],
    /// Blocks with the padding of MCUs, in a row.
    stride: usize,
    /// Of progressive files: which coefficients of each block are not zero, bit by bit.
    history: Vec<u64>,
    /// Whether its first coefficients were there.
    seen: bool,
}

/// The part of the coefficients that one scan brings.
#[derive(Clone, Copy)]
struct Band {
    first: u32,
    last: u32,
    refine: bool,
    /// How many of the lowest bits later scans bring.
    low: u8,
}

impl Walk {
    fn frame(&mut self, segment: &[u8], progressive: bool) -> Checked<()> {
        let [_, h1, h0, w1, w0, count, list @ ..] = segment else { return Err(BAD_HEADER) };
        let height = usize::from(u16::from_be_bytes([*h1, *h0]));
        let width = usize::from(u16::from_be_bytes([*w1, *w0]));
        let one = |one: &[u8]| {
            (one[0], [usize::from(one[1] >> 4), usize::from(one[1] & 15)], usize::from(one[2] & 3))
        };
        let list: Vec<_> = list.chunks_exact(3).take(usize::from(*count)).map(one).collect();
        let most = |axis: usize| list.iter().map(|(_, sampling, _)| sampling[axis]).max().unwrap_or(0);
        let most = [most(0), most(1)];
        if list.iter().any(|(_, sampling, _)| sampling.contains(&0)) || list.is_empty() {
            return Err(BAD_HEADER);
        }
        self.progressive = progressive;
        self.units = [width.div_ceil(8 * most[0]), height.div_ceil(8 * most[1])];
        let component = |(id, sampling, table): (u8, [usize; 2], usize)| {
            let blocks =
                [(width * sampling[0]).div_ceil(8 * most[0]), (height * sampling[1]).div_ceil(8 * most[1])];
            let stride = self.units[0] * sampling[0];
            let history =
                if progressive { vec![0; stride * self.units[1] * sampling[1]] } else { Vec::new() };
            Component { id, table, mean: 0, sampling, blocks, stride, history, seen: false }
        };
        self.components = list.into_iter().map(component).collect();
        Ok(())
    }

    fn tables(&mut self, mut segment: &[u8]) -> Checked<()> {
        while let [which, rest @ ..] = segment {
            let (lengths, rest) = rest.split_first_chunk::<16>().ok_or(BAD_HEADER)?;
            let count = lengths.iter().map(|&count| usize::from(count)).sum();
            let (symbols, rest) = rest.split_at_checked(count).ok_or(BAD_HEADER)?;
            let tables = if which >> 4 == 0 { &mut self.dc } else { &mut self.ac };
            *tables.get_mut(usize::from(which & 15)).ok_or(BAD_HEADER)? =
                Some(Huffman::new(lengths, symbols));
            segment = rest;
        }
        Ok(())
    }

    /// Quantisation tables: of 8 bits or 16.
    fn steps(&mut self, mut segment: &[u8]) -> Checked<()> {
        while let [which, rest @ ..] = segment {
            let wide = which >> 4 != 0;
            let (table, rest) = rest.split_at_checked(if wide { 128 } else { 64 }).ok_or(BAD_HEADER)?;
            let first = if wide { u16::from_be_bytes([table[0], table[1]]) } else { u16::from(table[0]) };
            self.steps[usize::from(which & 3)] = i32::from(first);
            segment = rest;
        }
        Ok(())
    }

    /// Walks through the scan whose data begin at `at`; returns where they end.
    fn scan(&mut self, segment: &[u8], bytes: &[u8], at: usize) -> Checked<usize> {
        let [count, rest @ ..] = segment else { return Err(BAD_HEADER) };
        let (list, band) = rest.split_at_checked(2 * usize::from(*count)).ok_or(BAD_HEADER)?;
        let [first, last, bits, ..] = band else { return Err(BAD_HEADER) };
        let band = match self.progressive {
            false => Band { first: 0, last: 63, refine: false, low: 0 },
            true => Band {
                first: u32::from(*first),
                last: u32::from(*last),
                refine: bits >> 4 != 0,
                low: bits & 15,
            },
        };
        if band.last > 63 || band.first > band.last {
            return Err(BAD_HEADER);
        }
        let parts: Vec<(usize, u8)> = list
            .chunks_exact(2)
            .map(|one| Some((self.components.iter().position(|part| part.id == one[0])?, one[1])))
            .collect::<Option<_>>()
            .ok_or(BAD_HEADER)?;
        let mut bits = Bits { bytes, at, held: 0, count: 0 };
        self.units_of_scan(&parts, band, &mut bits)?;
        bits.finish(true)?;
        for &(part, _) in &parts {
            self.components[part].seen |= band.first == 0;
        }
        Ok(bits.at)
    }

    fn units_of_scan(&mut self, parts: &[(usize, u8)], band: Band, bits: &mut Bits<'_>) -> Checked<()> {
        let [across, down] = match parts {
            [(only, _)] => self.components[*only].blocks,
            _ => self.units,
        };
        let mut run = 0;
        self.components.iter_mut().for_each(|component| component.mean = 0);
        for unit in 0..across * down {
            if self.restart > 0 && unit > 0 && unit % self.restart == 0 {
                bits.restart()?;
                run = 0;
                self.components.iter_mut().for_each(|component| component.mean = 0);
            }
            let (row, column) = (unit / across, unit % across);
            for &(part, tables) in parts {
                let [wide, high] = if parts.len() == 1 { [1, 1] } else { self.components[part].sampling };
                for block in 0..wide * high {
                    let (y, x) = (row * high + block / wide, column * wide + block % wide);
                    self.block(part, tables, band, [y, x], &mut run, bits)?;
                }
            }
        }
        if run > 0 { Err(LEFT_OVER) } else { Ok(()) }
    }

    fn block(
        &mut self,
        part: usize,
        tables: u8,
        band: Band,
        [y, x]: [usize; 2],
        run: &mut u32,
        bits: &mut Bits<'_>,
    ) -> Checked<()> {
        let component = &mut self.components[part];
        let dc = self.dc.get(usize::from(tables >> 4)).and_then(Option::as_ref);
        let ac = self.ac.get(usize::from(tables & 15)).and_then(Option::as_ref);
        if !self.progressive {
            component.brighten(dc.ok_or(BAD_HEADER)?, &self.steps, band, bits)?;
            return sequential(ac.ok_or(BAD_HEADER)?, bits);
        }
        if (band.first, band.refine) == (0, false) {
            return component.brighten(dc.ok_or(BAD_HEADER)?, &self.steps, band, bits);
        }
        let history = component.history.get_mut(y * component.stride + x).ok_or(BAD_HEADER)?;
        match (band.first, band.refine) {
            (0, _) => bits.take(1).map(drop),
            (_, false) => ac_first(ac.ok_or(BAD_HEADER)?, band, history, run, bits),
            (_, true) => ac_refine(ac.ok_or(BAD_HEADER)?, band, history, run, bits),
        }
    }

    /// All components were there. A progressive file may go on at every scan: without its end it is not whole.
    fn complete(&self, ended: bool) -> Checked<()> {
        let all = self.components.iter().all(|component| component.seen);
        if all && (ended || !self.progressive) { Ok(()) } else { Err(BREAKS_OFF) }
    }
}

impl Component {
    /// The first coefficient of a block, coded as the difference to that of the block before (T.81, F.2.2.1).
    fn brighten(
        &mut self,
        table: &Huffman,
        steps: &[i32; 4],
        band: Band,
        bits: &mut Bits<'_>,
    ) -> Checked<()> {
        let size = u32::from(table.symbol(bits)?);
        if size > 15 {
            return Err(NO_CODE);
        }
        let code = bits.take(size)? as i32;
        let negative = size > 0 && code >> (size - 1) == 0;
        let difference = if negative { code - (1 << size) + 1 } else { code };
        self.mean = self.mean.saturating_add(difference << band.low.min(13));
        let step = steps[self.table];
        if self.mean.unsigned_abs().saturating_mul(step.unsigned_abs()) > (BRIGHTEST + step).unsigned_abs() {
            return Err(TOO_BRIGHT);
        }
        Ok(())
    }
}

fn sequential(table: &Huffman, bits: &mut Bits<'_>) -> Checked<()> {
    let mut at = 1;
    while at < 64 {
        let symbol = u32::from(table.symbol(bits)?);
        let (zeros, size) = (symbol >> 4, symbol & 15);
        match (zeros, size) {
            (15, 0) => at += 16,
            (_, 0) => break,
            _ if at + zeros > 63 => return Err(BEYOND),
            _ => {
                bits.take(size)?;
                at += zeros + 1;
            }
        }
    }
    Ok(())
}

/// The first bits of a band. `run` counts the blocks that are over already.
fn ac_first(
    table: &Huffman,
    band: Band,
    history: &mut u64,
    run: &mut u32,
    bits: &mut Bits<'_>,
) -> Checked<()> {
    if *run > 0 {
        *run -= 1;
        return Ok(());
    }
    let mut at = band.first;
    while at <= band.last {
        let symbol = u32::from(table.symbol(bits)?);
        let (zeros, size) = (symbol >> 4, symbol & 15);
        match (zeros, size) {
            (15, 0) => at += 16,
            (_, 0) => {
                *run = (1 << zeros) + bits.take(zeros)? - 1;
                break;
            }
            _ if at + zeros > band.last => return Err(BEYOND),
            _ => {
                bits.take(size)?;
                at += zeros;
                *history |= 1 << at;
                at += 1;
            }
        }
    }
    Ok(())
}

/// One more bit of a band: for coefficients that are not zero, and new ones between them.
fn ac_refine(
    table: &Huffman,
    band: Band,
    history: &mut u64,
    run: &mut u32,
    bits: &mut Bits<'_>,
) -> Checked<()> {
    let mut at = band.first;
    while *run == 0 && at <= band.last {
        let symbol = u32::from(table.symbol(bits)?);
        let (mut zeros, size) = (symbol >> 4, symbol & 15);
        match size {
            0 if zeros < 15 => {
                *run = (1 << zeros) + bits.take(zeros)?;
                break;
            }
            0 | 1 => bits.take(size).map(drop)?,
            _ => return Err(NO_CODE),
        }
        while at <= band.last {
            if *history >> at & 1 == 1 {
                bits.take(1)?;
            } else if zeros == 0 {
                break;
            } else {
                zeros -= 1;
            }
            at += 1;
        }
        if size == 1 {
            if at > band.last {
                return Err(BEYOND);
            }
            *history |= 1 << at;
        }
        at += 1;
    }
    if *run > 0 {
        let left = (at..=band.last).filter(|&at| *history >> at & 1 == 1).count();
        (0..left).try_for_each(|_| bits.take(1).map(drop))?;
        *run -= 1;
    }
    Ok(())
}

/// A Huffman code: for each length the first code beyond it, as 16 bits, and where its symbols begin.
struct Huffman {
    beyond: [u32; 16],
    offset: [i32; 16],
    symbols: Vec<u8>,
    /// For each byte that data may go on with: length and symbol of the code, if it is no longer than 8 bits.
    short: Vec<(u8, u8)>,
}

impl Huffman {
    fn new(lengths: &[u8; 16], symbols: &[u8]) -> Huffman {
        let (mut beyond, mut offset) = ([0; 16], [0; 16]);
        let mut short = vec![(0, 0); 256];
        let (mut code, mut first) = (0u32, 0usize);
        for (index, &count) in lengths.iter().enumerate() {
            let length = index as u32 + 1;
            offset[index] = first as i32 - code as i32;
            for (symbol, code) in symbols[first..].iter().take(usize::from(count)).zip(code..) {
                if length <= 8 && code < 1 << length {
                    let from = (code << (8 - length)) as usize;
                    short[from..from + (1 << (8 - length))].fill((length as u8, *symbol));
                }
            }
            code += u32::from(count);
            first += usize::from(count);
            beyond[index] = code << (16 - length);
            code <<= 1;
        }
        Huffman { beyond, offset, symbols: symbols.to_vec(), short }
    }

    fn symbol(&self, bits: &mut Bits<'_>) -> Checked<u8> {
        let next = bits.peek();
        let (length, symbol) = self.short[(next >> 8) as usize];
        if length > 0 {
            bits.take(u32::from(length))?;
            return Ok(symbol);
        }
        let index = self.beyond.iter().position(|&beyond| next < beyond).ok_or(NO_CODE)?;
        let at = (next >> (15 - index)) as i32 + self.offset[index];
        bits.take(index as u32 + 1)?;
        usize::try_from(at).ok().and_then(|at| self.symbols.get(at)).copied().ok_or(NO_CODE)
    }
}

/// The bits of a scan up to the next marker.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Bits that were read and not taken, from the uppermost bit on.
    held: u64,
    count: u32,
}

impl Bits<'_> {
    fn fill(&mut self) {
        while self.count <= 56 {
            let byte = match self.bytes.get(self.at..) {
                Some([0xff, 0, ..]) => {
                    self.at += 2;
                    0xff
                }
                Some([0xff, ..] | []) | None => return,
                Some([byte, ..]) => {
                    self.at += 1;
                    *byte
                }
            };
            self.held |= u64::from(byte) << (56 - self.count);
            self.count += 8;
        }
    }

    /// The next 16 bits; zeros where there are no more.
    fn peek(&mut self) -> u32 {
        if self.count < 16 {
            self.fill();
        }
        (self.held >> 48) as u32
    }

    /// The next `count` bits, at most 16.
    fn take(&mut self, count: u32) -> Checked<u32> {
        if self.count < count {
            self.fill();
        }
        if self.count < count {
            return Err(BREAKS_OFF);
        }
        let taken = (self.held >> 48) as u32 >> (16 - count);
        self.held <<= count;
        self.count -= count;
        Ok(taken)
    }

    /// Passes over what is left before the next marker, which must be little.
    ///
    /// At the end of a scan (`padded`) zeros do not count: some encoders fill up with them.
    fn finish(&mut self, padded: bool) -> Checked<()> {
        self.take(self.count % 8)?;
        let mut left = 0;
        while let Ok(byte) = self.take(8) {
            left += usize::from(byte != 0 || !padded);
        }
        if left > MAX_LEFT { Err(LEFT_OVER) } else { Ok(()) }
    }

    /// Passes over a restart marker.
    fn restart(&mut self) -> Checked<()> {
        self.finish(false)?;
        let (marker, after) = next_marker(self.bytes, self.at).ok_or(BREAKS_OFF)?;
        if !(0xd0..=0xd7).contains(&marker) {
            return Err(BREAKS_OFF);
        }
        self.at = after;
        Ok(())
    }
}
