//! Inputs from seeds: a small mutator whose every input is a function of target, seed and number.

use twinlens_random::{Purpose, Stream};

/// The most changes to one input.
const MOST: usize = 6;

/// The longest run of bytes that is moved, repeated or removed at a time.
const RUN: usize = 64;

/// Numbers as text that readers should think about.
const NUMBERS: [&str; 8] =
    ["0", "-1", "1", "65536", "4294967295", "18446744073709551615", "99999999999999999999999", "1e309"];

/// Input number `number` of those that `seed` gives: the seeds themselves first, then changes of them.
pub fn input(seeds: &[Vec<u8>], seed: u64, number: usize) -> Vec<u8> {
    if let Some(unchanged) = seeds.get(number) {
        return unchanged.clone();
    }
    let mut draw = Stream::new(seed, Purpose::Mutation, [number as u32, (number >> 32) as u32, 0]);
    let mut bytes = if seeds.is_empty() { Vec::new() } else { seeds[draw.below(seeds.len())].clone() };
    for _ in 0..=draw.below(MOST) {
        change(&mut bytes, seeds, &mut draw);
    }
    bytes
}

fn change(bytes: &mut Vec<u8>, seeds: &[Vec<u8>], draw: &mut Stream) {
    if bytes.is_empty() {
        bytes.extend((0..1 + draw.below(RUN)).map(|_| draw.next_u32() as u8));
        return;
    }
    let at = draw.below(bytes.len());
    let run = at..bytes.len().min(at + 1 + draw.below(RUN));
    match draw.below(9) {
        0 => bytes[at] ^= 1 << draw.below(8),
        1 => bytes[at] = draw.next_u32() as u8,
        2 => bytes.truncate(at),
        3 => drop(bytes.drain(run)),
        4 => insert(bytes, at, &run.map(|_| draw.next_u32() as u8).collect::<Vec<u8>>()),
        5 => bytes.extend_from_within(run),
        6 => extreme(&mut bytes[at..], draw),
        7 => number(bytes, at, draw),
        _ => splice(bytes, at, seeds, draw),
    }
}

fn insert(bytes: &mut Vec<u8>, at: usize, what: &[u8]) {
    bytes.splice(at..at, what.iter().copied());
}

/// Sets a whole number of 1, 2, 4 or 8 bytes to one that is at, or beside, an end of its type.
fn extreme(field: &mut [u8], draw: &mut Stream) {
    let width = (1 << draw.below(4)).min(field.len());
    let near = (draw.below(5) as i64 - 2) as u64;
    let value = near.wrapping_add([0, u64::MAX >> 1, u64::MAX][draw.below(3)] >> (64 - 8 * width.min(8)));
    let value = value.to_le_bytes();
    let big_endian = draw.chance(0.5);
    for (i, byte) in field[..width].iter_mut().enumerate() {
        *byte = value[if big_endian { width - 1 - i } else { i }];
    }
}

/// Replaces the number written in digits that is the first at or after `at`.
fn number(bytes: &mut Vec<u8>, at: usize, draw: &mut Stream) {
    let Some(start) = bytes[at..].iter().position(u8::is_ascii_digit).map(|first| at + first) else { return };
    let digits = bytes[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    bytes.splice(start..start + digits, NUMBERS[draw.below(NUMBERS.len())].bytes());
}

/// Goes on, from `at`, as another seed does from the same place or from anywhere.
fn splice(bytes: &mut Vec<u8>, at: usize, seeds: &[Vec<u8>], draw: &mut Stream) {
    let Some(other) = seeds.get(draw.below(seeds.len().max(1))).filter(|other| !other.is_empty()) else {
        return;
    };
    let from = if draw.chance(0.5) { at.min(other.len()) } else { draw.below(other.len()) };
    bytes.truncate(at);
    bytes.extend(&other[from..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_are_a_function_of_their_number_and_differ() {
        let seeds = vec![(0..200).collect::<Vec<u8>>(), b"shape (12, 34)".to_vec()];
        assert_eq!((input(&seeds, 1, 0), input(&seeds, 1, 1)), (seeds[0].clone(), seeds[1].clone()));
        let inputs: std::collections::HashSet<_> = (2..1002).map(|n| input(&seeds, 1, n)).collect();
        assert!(inputs.len() > 900, "{} of 1000 differ", inputs.len());
        assert!((2..1002).all(|n| input(&seeds, 1, n) == input(&seeds, 1, n)));
        assert!((2..1002).any(|n| input(&seeds, 1, n) != input(&seeds, 2, n)));
    }

    #[test]
    fn numbers_in_text_become_extreme() {
        let changed = |place: u32| {
            let mut text = b"(12, 34)".to_vec();
            number(&mut text, 4, &mut Stream::new(1, Purpose::Mutation, [place, 0, 0]));
            String::from_utf8(text).unwrap()
        };
        let texts: Vec<String> = (0..200).map(changed).collect();
        assert!(NUMBERS.iter().all(|number| texts.contains(&format!("(12, {number})"))), "{texts:?}");
    }

    #[test]
    fn fields_become_the_ends_of_their_type_and_what_lies_beside_them() {
        let changed = |place: u32| {
            let mut bytes = [9; 5];
            extreme(&mut bytes[1..], &mut Stream::new(1, Purpose::Mutation, [place, 0, 0]));
            bytes
        };
        let all: Vec<[u8; 5]> = (0..2000).map(changed).collect();
        for expected in [
            [9, 0, 9, 9, 9],
            [9, 255, 9, 9, 9],
            [9, 0, 1, 9, 9],
            [9, 127, 255, 255, 255],
            [9, 254, 255, 255, 255],
        ] {
            assert!(all.contains(&expected), "{expected:?}");
        }
    }

    #[test]
    fn without_seeds_there_are_inputs_all_the_same() {
        assert!((0..100).any(|n| input(&[], 1, n).len() > 1));
    }
}
