//! JPEG-LS, lossless and near-lossless (ITU-T T.87; names as there). No crate in pure Rust decodes it that does not bring a
//! whole DICOM system with it.

use std::array::from_fn;

use super::lossless::segments;
use crate::decode::Refusal;

/// Where the data of a scan begin, behind its header.
const SOS: u8 = 0xDA;
const SOF: u8 = 0xF7;
const PRESETS: u8 = 0xF8;
const RESTARTS: u8 = 0xDD;

/// How long a run is that one bit stands for, as a power of 2.
const J: [u32; 32] =
    [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// Components of a pixel, at most.
const MOST: usize = 4;

/// The samples of an image of `sides` (rows, columns), pixel by pixel, and their bits.
pub(super) fn decode(bytes: &[u8], sides: [usize; 2], samples: usize) -> Result<(Vec<u32>, u32), Refusal> {
    let [rows, columns] = sides;
    let mut frame = None;
    let mut presets = [0; 5];
    let mut values = vec![0; rows * columns * samples];
    let mut done = 0;
    let mut rest = bytes;
    while done < samples {
        let mut data_begin = None;
        for (marker, data) in segments(rest) {
            match marker {
                SOF => frame = Some(Frame::of(data, sides, samples)?),
                PRESETS => presets = presets_of(data)?,
                RESTARTS if data.iter().any(|&byte| byte > 0) => {
                    return Err("JPEG-LS: restarts are not read".into());
                }
                SOS => {
                    let begin = data.as_ptr_range().end as usize - rest.as_ptr() as usize;
                    data_begin = Some((begin, data));
                    break;
                }
                _ => {}
            }
        }
        let (begin, header) = data_begin.ok_or("JPEG-LS: the data break off")?;
        let bits = frame.ok_or("JPEG-LS: no frame header")?;
        let scan = Scan::of(header, bits, presets, columns)?;
        let (first, count) = (done, scan.components);
        if first + count > samples {
            return Err("JPEG-LS: more components than the frame has".into());
        }
        let used = scan.decode(&rest[begin..], rows, |row, component, line| {
            let places = (first + component..).step_by(samples);
            for (value, place) in line.iter().zip(places) {
                values[row * columns * samples + place] = *value as u32;
            }
        })?;
        done += count;
        rest = &rest[begin + used..];
    }
    Ok((values, frame.unwrap_or(8)))
}

/// A frame header says its bits, and must have the size that is expected.
struct Frame;

impl Frame {
    fn of(data: &[u8], [rows, columns]: [usize; 2], samples: usize) -> Result<u32, Refusal> {
        let &[bits @ 2..=16, a, b, c, d, count, ..] = data else {
            return Err("JPEG-LS: a damaged header".into());
        };
        let found =
            [u16::from_be_bytes([a, b]).into(), u16::from_be_bytes([c, d]).into(), usize::from(count)];
        if found != [rows, columns, samples] {
            let [height, width, count] = found;
            let reason = format!(
                "JPEG-LS: {height} x {width} pixels of {count} samples, but the file says {rows} x {columns} of {samples}"
            );
            return Err(reason.into());
        }
        Ok(bits.into())
    }
}

/// MAXVAL, T1, T2, T3 and RESET; 0 where they are as usual.
fn presets_of(data: &[u8]) -> Result<[i32; 5], Refusal> {
    match data {
        [1, rest @ ..] if rest.len() >= 10 => {
            Ok(from_fn(|at| u16::from_be_bytes([rest[2 * at], rest[2 * at + 1]]).into()))
        }
        _ => Err("JPEG-LS: tables of values are not read".into()),
    }
}

/// How components lie in a scan.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Interleave {
    /// There is only one, or lines of each follow each other.
    Lines,
    Samples,
}

/// What is known of errors in one surrounding.
#[derive(Clone, Copy)]
struct Context {
    a: i64,
    b: i64,
    c: i32,
    n: i64,
}

/// The same of samples that end a run.
#[derive(Clone, Copy)]
struct RunContext {
    a: i64,
    n: i64,
    negative: i64,
}

struct Scan {
    components: usize,
    interleave: Interleave,
    width: usize,
    near: i32,
    most: i32,
    thresholds: [i32; 3],
    reset: i64,
    range: i32,
    /// Bits of an error.
    error_bits: u32,
    limit: u32,
    contexts: Vec<Context>,
    run_contexts: [RunContext; 2],
    run_index: [usize; MOST],
}

impl Scan {
    fn of(header: &[u8], bits: u32, presets: [i32; 5], width: usize) -> Result<Scan, Refusal> {
        let damaged = || Refusal::from("JPEG-LS: a damaged header of a scan");
        let components = usize::from(*header.first().ok_or_else(damaged)?);
        let &[near, interleave, transform] = header.get(1 + 2 * components..).ok_or_else(damaged)? else {
            return Err(damaged());
        };
        let interleave = match (interleave, components) {
            (0, 1) | (1, 1..=MOST) => Interleave::Lines,
            (2, 1..=MOST) => Interleave::Samples,
            _ => return Err(damaged()),
        };
        if transform != 0 {
            return Err("JPEG-LS: a point transform is not read".into());
        }
        let near = i32::from(near);
        let most = if presets[0] > 0 { presets[0] } else { (1 << bits) - 1 };
        let usual = usual_thresholds(most, near);
        let thresholds = from_fn(|at| if presets[at + 1] > 0 { presets[at + 1] } else { usual[at] });
        let reset = if presets[4] > 0 { i64::from(presets[4]) } else { 64 };
        let sound = most < 1 << bits && near <= most / 2 && thresholds[0] > near && thresholds.is_sorted();
        if !sound || thresholds[2] > most || reset < 3 {
            return Err(damaged());
        }
        let range = (most + 2 * near) / (2 * near + 1) + 1;
        let bits_for = |count: i32| 32 - (count - 1).leading_zeros();
        let sample_bits = bits_for(most + 1).max(2);
        let a = i64::from((range + 32) / 64).max(2);
        Ok(Scan {
            components,
            interleave,
            width,
            near,
            most,
            thresholds,
            reset,
            range,
            error_bits: bits_for(range),
            limit: 2 * (sample_bits + sample_bits.max(8)),
            contexts: vec![Context { a, b: 0, c: 0, n: 1 }; 365],
            run_contexts: [RunContext { a, n: 1, negative: 0 }; 2],
            run_index: [0; MOST],
        })
    }

    /// Hands over the lines of each component, and returns how many bytes were read.
    fn decode(
        mut self,
        bytes: &[u8],
        rows: usize,
        mut take: impl FnMut(usize, usize, &[i32]),
    ) -> Result<usize, Refusal> {
        let mut bits = Bits { bytes, at: 0, held: 0, count: 0, stuffed: false };
        // A line begins with what is left of it, and ends with what is right.
        let mut above: Vec<Vec<i32>> = vec![vec![0; self.width + 2]; self.components];
        let mut lines = above.clone();
        for row in 0..rows {
            for (line, above) in lines.iter_mut().zip(&mut above) {
                line[0] = above[1];
                above[self.width + 1] = above[self.width];
            }
            match self.interleave {
                Interleave::Lines => {
                    for component in 0..self.components {
                        let one = component..component + 1;
                        self.line(&mut bits, &above[one.clone()], &mut lines[one], component)?;
                    }
                }
                Interleave::Samples => self.line(&mut bits, &above, &mut lines, 0)?,
            }
            for (component, line) in lines.iter().enumerate() {
                take(row, component, &line[1..=self.width]);
            }
            std::mem::swap(&mut above, &mut lines);
        }
        Ok(bits.at)
    }

    /// One line of components that are decoded together; runs are counted at `index`.
    fn line(
        &mut self,
        bits: &mut Bits<'_>,
        above: &[Vec<i32>],
        lines: &mut [Vec<i32>],
        index: usize,
    ) -> Result<(), Refusal> {
        let mut at = 1;
        while at <= self.width {
            let mut surroundings = [0; MOST];
            for ((surrounding, line), above) in surroundings.iter_mut().zip(&*lines).zip(above) {
                let [a, b, c, d] = [line[at - 1], above[at], above[at - 1], above[at + 1]];
                let [first, second, third] = [d - b, b - c, c - a].map(|step| self.quantized(step));
                *surrounding = 81 * first + 9 * second + third;
            }
            if surroundings == [0; MOST] {
                at = self.run(bits, above, lines, at, index)?;
                continue;
            }
            for ((surrounding, line), above) in surroundings.iter().zip(lines.iter_mut()).zip(above) {
                line[at] = self.regular(bits, *surrounding, [line[at - 1], above[at], above[at - 1]])?;
            }
            at += 1;
        }
        Ok(())
    }

    fn quantized(&self, step: i32) -> i32 {
        let size = step.abs();
        let [first, second, third] = self.thresholds;
        let level = match size {
            _ if size <= self.near => 0,
            _ if size < first => 1,
            _ if size < second => 2,
            _ if size < third => 3,
            _ => 4,
        };
        level * step.signum()
    }

    /// A sample by its neighbours: left, above, above left.
    fn regular(
        &mut self,
        bits: &mut Bits<'_>,
        surrounding: i32,
        [a, b, c]: [i32; 3],
    ) -> Result<i32, Refusal> {
        let sign = if surrounding < 0 { -1 } else { 1 };
        let place = surrounding.unsigned_abs() as usize;
        let context = self.contexts.get(place).copied().ok_or("JPEG-LS: damaged")?;
        let expected = match c {
            _ if c >= a.max(b) => a.min(b),
            _ if c <= a.min(b) => a.max(b),
            _ => a + b - c,
        };
        let expected = (expected + sign * context.c).clamp(0, self.most);
        let k = k_of(context.n, context.a);
        let mapped = bits.golomb(k, self.limit, self.error_bits)?;
        let odd = mapped & 1 == 1;
        let half = (mapped >> 1) as i64;
        let error = match self.near == 0 && k == 0 && 2 * context.b <= -context.n {
            true if odd => half,
            true => -half - 1,
            false if odd => -half - 1,
            false => half,
        };
        let error = self.checked(error)?;
        self.contexts[place] = context.learned(error, self.near, self.reset);
        Ok(self.value(expected, sign * error))
    }

    /// Errors of sound data lie within the range.
    fn checked(&self, error: i64) -> Result<i32, Refusal> {
        let sound = error.abs() <= i64::from(self.range);
        if sound { Ok(error as i32) } else { Err("JPEG-LS: the data are damaged".into()) }
    }

    /// What is expected and the error make a sample.
    fn value(&self, expected: i32, error: i32) -> i32 {
        let step = 2 * self.near + 1;
        let value = expected + error * step;
        let value = match value {
            _ if value < -self.near => value + self.range * step,
            _ if value > self.most + self.near => value - self.range * step,
            _ => value,
        };
        value.clamp(0, self.most)
    }

    /// A run of the value on the left, and the sample that ends it; returns the place behind.
    fn run(
        &mut self,
        bits: &mut Bits<'_>,
        above: &[Vec<i32>],
        lines: &mut [Vec<i32>],
        start: usize,
        index: usize,
    ) -> Result<usize, Refusal> {
        let mut end = start;
        let past = self.width + 1;
        loop {
            let power = J[self.run_index[index]];
            if bits.take(1)? == 0 {
                end += bits.take(power)? as usize;
                break;
            }
            let whole = end + (1 << power) <= past;
            end = past.min(end + (1 << power));
            if whole {
                self.run_index[index] = (self.run_index[index] + 1).min(31);
            }
            if end == past {
                break;
            }
        }
        if end > past {
            return Err("JPEG-LS: the data are damaged".into());
        }
        for line in lines.iter_mut() {
            let left = line[start - 1];
            line[start..end].fill(left);
        }
        if end == past {
            return Ok(past);
        }
        let together = lines.len() > 1;
        for (line, above) in lines.iter_mut().zip(above) {
            line[end] = self.end_of_run(bits, [line[end - 1], above[end]], index, together)?;
        }
        self.run_index[index] = self.run_index[index].saturating_sub(1);
        Ok(end + 1)
    }

    /// The sample that ends a run, by its neighbours: left and above.
    fn end_of_run(
        &mut self,
        bits: &mut Bits<'_>,
        [a, b]: [i32; 2],
        index: usize,
        together: bool,
    ) -> Result<i32, Refusal> {
        let alike = !together && (a - b).abs() <= self.near;
        let kind = usize::from(alike);
        let context = self.run_contexts[kind];
        let k = k_of(context.n, if alike { context.a + (context.n >> 1) } else { context.a });
        let mapped = bits.golomb(k, self.limit - J[self.run_index[index]] - 1, self.error_bits)?;
        let sum = mapped as i64 + kind as i64;
        let odd = sum & 1 == 1;
        let size = (sum + 1) >> 1;
        let negative = (k != 0 || 2 * context.negative >= context.n) == odd;
        let error = self.checked(if negative { -size } else { size })?;
        self.run_contexts[kind] = context.learned(error, mapped as i64 + 1 - kind as i64, self.reset);
        Ok(match alike {
            true => self.value(a, error),
            false if a > b => self.value(b, -error),
            false => self.value(b, error),
        })
    }
}

/// Bits that are not coded by their number.
fn k_of(n: i64, a: i64) -> u32 {
    let mut k = 0;
    while n << k < a && k < 32 {
        k += 1;
    }
    k
}

impl Context {
    fn learned(mut self, error: i32, near: i32, reset: i64) -> Context {
        self.b += i64::from(error * (2 * near + 1));
        self.a += i64::from(error.abs());
        if self.n == reset {
            self.a >>= 1;
            self.b >>= 1;
            self.n >>= 1;
        }
        self.n += 1;
        if self.b <= -self.n {
            self.b = (self.b + self.n).max(1 - self.n);
            self.c = (self.c - 1).max(-128);
        } else if self.b > 0 {
            self.b = (self.b - self.n).min(0);
            self.c = (self.c + 1).min(127);
        }
        self
    }
}

impl RunContext {
    fn learned(mut self, error: i32, twice: i64, reset: i64) -> RunContext {
        self.negative += i64::from(error < 0);
        self.a += twice >> 1;
        if self.n == reset {
            self.a >>= 1;
            self.n >>= 1;
            self.negative >>= 1;
        }
        self.n += 1;
        self
    }
}

/// T1, T2 and T3 where they are not stated.
fn usual_thresholds(most: i32, near: i32) -> [i32; 3] {
    let (basis, slack) = ([3, 7, 21], [3, 5, 7]);
    let mut least = near + 1;
    from_fn(|at| {
        let own = 2 + at as i32;
        let value = match most {
            128.. => (most.min(4095) + 128) / 256 * (basis[at] - own) + own + slack[at] * near,
            _ => (basis[at] / (256 / (most + 1)) + slack[at] * near).max(own),
        };
        least = if value > most || value < least { least } else { value };
        least
    })
}

/// The bits of a scan: behind a byte of ones follows a byte of 7 bits.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    held: u64,
    count: u32,
    stuffed: bool,
}

impl Bits<'_> {
    fn fill(&mut self) -> Result<(), Refusal> {
        let byte = *self.bytes.get(self.at).ok_or("JPEG-LS: the data break off")?;
        if self.stuffed && byte >= 0x80 {
            return Err("JPEG-LS: the data break off".into()); // a marker
        }
        let bits = if self.stuffed { 7 } else { 8 };
        self.held = self.held << bits | u64::from(byte);
        self.count += bits;
        self.stuffed = byte == 0xFF;
        self.at += 1;
        Ok(())
    }

    /// The next `count` bits, at most 32.
    fn take(&mut self, count: u32) -> Result<u32, Refusal> {
        while self.count < count {
            self.fill()?;
        }
        self.count -= count;
        let taken = (self.held >> self.count) & ((1 << count) - 1);
        Ok(taken as u32)
    }

    /// A number of Golomb's code with `k` bits, of at most `limit` bits in all.
    fn golomb(&mut self, k: u32, limit: u32, error_bits: u32) -> Result<u64, Refusal> {
        let most = limit.saturating_sub(error_bits + 1);
        let mut zeros = 0;
        while zeros < most && self.take(1)? == 0 {
            zeros += 1;
        }
        if zeros < most {
            return Ok(u64::from(zeros) << k | u64::from(self.take(k)?));
        }
        // The zeros are as many as there may be: a one ends them all the same.
        if self.take(1)? == 0 {
            return Err("JPEG-LS: the data are damaged".into());
        }
        Ok(u64::from(self.take(error_bits)?) + 1)
    }
}
