//! Counter-based random streams: every draw is a function of a seed and of where it is used.
//!
//! A [`Stream`] is addressed by a seed, the [`Purpose`] it serves and three numbers (for a view: epoch,
//! sample, view and operation). Two streams with the same address give the same numbers whatever was drawn
//! before, on whichever thread, so results depend neither on the number of threads nor on interruptions.
//!
//! Generator: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011), checked
//! against the authors' known answers.

use multiversion::multiversion;

/// What a stream is used for. Streams of different purposes are independent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Purpose {
    /// Initial weights; `at` = (parameter number, 0, 0).
    Weights = 1,
    /// The order of samples in an epoch; `at` = (epoch, 0, 0).
    Order = 2,
    /// Drawing a view; `at` = (epoch, sample, view and operation packed).
    View = 3,
    /// Splitting a data set into train, validation and test; `at` = (0, 0, 0).
    Split = 4,
    /// Choosing which labels are known; `at` = (class or 0, 0, 0).
    Labels = 5,
    /// Evaluation protocols: subsampling, restarts, bootstrap; `at` is the protocol's own.
    Evaluation = 6,
    /// Objectives and their state: queues, prototypes, memory banks; `at` is the objective's own.
    Objective = 7,
    /// Noise inside a network in training; `at` = (step, view, layer).
    Network = 8,
    /// Inputs made to try readers on; `at` = (number, number, 0).
    Mutation = 9,
    /// Choosing which images are learned from; `at` = (class or 0, 0, 0).
    Images = 10,
    /// Choosing which cells of a field of view are cut out; `at` = the first bits of a hash of the field's name.
    Cells = 11,
}

/// Blocks of four numbers that are made at a time where many are asked for.
const LANES: usize = 8;

/// An addressed sequence of random numbers.
#[derive(Clone, Debug)]
pub struct Stream {
    key: [u32; 2],
    counter: [u32; 4],
    block: [u32; 4],
    used: usize,
}

impl Stream {
    /// The stream of `seed` for `purpose` at the place `at`.
    pub fn new(seed: u64, purpose: Purpose, at: [u32; 3]) -> Stream {
        let key = mix(seed ^ mix(u64::from(purpose as u32)));
        Stream {
            key: [key as u32, (key >> 32) as u32],
            counter: [0, at[0], at[1], at[2]],
            block: [0; 4],
            used: 4,
        }
    }

    /// The next 32 random bits. A stream holds 2^34 of them before it repeats.
    pub fn next_u32(&mut self) -> u32 {
        if self.used == 4 {
            self.block = philox4x32(self.counter, self.key);
            self.counter[0] = self.counter[0].wrapping_add(1);
            self.used = 0;
        }
        self.used += 1;
        self.block[self.used - 1]
    }

    /// Fills `bits` with what as many calls of [`Stream::next_u32`] would give, faster.
    pub fn fill_u32(&mut self, bits: &mut [u32]) {
        let left = bits.len().min(4 - self.used);
        let (first, rest) = bits.split_at_mut(left);
        first.fill_with(|| self.next_u32());
        let (wide, rest) = rest.as_chunks_mut();
        for bits in wide {
            blocks(self.counter, self.key, bits);
            self.counter[0] = self.counter[0].wrapping_add(LANES as u32);
        }
        rest.fill_with(|| self.next_u32());
    }

    /// The next 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        u64::from(self.next_u32()) | u64::from(self.next_u32()) << 32
    }

    /// Uniform in `[0, 1)`, with 53 random bits.
    pub fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Uniform in `[low, high)`; `low` when both are equal.
    pub fn range(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// True with probability `p`; never for `p <= 0`, always for `p >= 1`.
    pub fn chance(&mut self, p: f64) -> bool {
        self.uniform() < p
    }

    /// Uniform in `0..n`, without bias (Lemire's rejection).
    ///
    /// # Panics
    /// When `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        assert!(n > 0, "below(0): there is nothing to choose from");
        let n = n as u64;
        let threshold = n.wrapping_neg() % n;
        loop {
            let product = u128::from(self.next_u64()) * u128::from(n);
            if product as u64 >= threshold {
                return (product >> 64) as usize;
            }
        }
    }

    /// Standard normal (Box and Muller; one value per pair of uniforms).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Shuffles `items` uniformly (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }

    /// A uniformly random order of `0..n`.
    pub fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        self.shuffle(&mut order);
        order
    }
}

/// The finaliser of SplitMix64: spreads every input bit over all output bits.
fn mix(x: u64) -> u64 {
    let z = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

fn philox4x32(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    philox(counter.map(|word| [u64::from(word)]), key).map(|[word]| word as u32)
}

/// The blocks of `counter` and those that follow, one after the other.
#[multiversion(targets("x86_64+avx2"))]
fn blocks(counter: [u32; 4], key: [u32; 2], out: &mut [u32; 4 * LANES]) {
    let mut counters = counter.map(|word| [u64::from(word); LANES]);
    for (word, number) in counters[0].iter_mut().zip(0..) {
        *word = u64::from(counter[0].wrapping_add(number));
    }
    let words = philox(counters, key);
    for (i, out) in out.iter_mut().enumerate() {
        *out = words[i % 4][i / 4] as u32;
    }
}

/// `N` blocks side by side: vector instructions compute them together, and none waits for another's products.
///
/// `words[i]` holds word i of each, in the lower halves: the upper ones are left as they come, so that no number is moved
/// between a product and the next.
#[inline(always)]
fn philox<const N: usize>(mut words: [[u64; N]; 4], mut key: [u32; 2]) -> [[u64; N]; 4] {
    for _ in 0..10 {
        let mut next = [[0; N]; 4];
        for i in 0..N {
            let first = (words[0][i] & LOWER) * 0xD251_1F53;
            let second = (words[2][i] & LOWER) * 0xCD9E_8D57;
            next[0][i] = (second >> 32) ^ words[1][i] ^ u64::from(key[0]);
            next[1][i] = second;
            next[2][i] = (first >> 32) ^ words[3][i] ^ u64::from(key[1]);
            next[3][i] = first;
        }
        words = next;
        key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
    }
    words
}

/// The lower half of 64 bits.
const LOWER: u64 = 0xFFFF_FFFF;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn many_numbers_at_once_are_those_one_by_one(before in 0usize..9, count in 0usize..200, after in 0usize..3) {
            let (mut one, mut many) = (Stream::new(1, Purpose::View, [2; 3]), Stream::new(1, Purpose::View, [2; 3]));
            (0..before).for_each(|_| assert_eq!(one.next_u32(), many.next_u32()));
            let mut bits = vec![0; count];
            many.fill_u32(&mut bits);
            prop_assert_eq!(bits, (0..count).map(|_| one.next_u32()).collect::<Vec<_>>());
            (0..after).for_each(|_| assert_eq!(one.next_u32(), many.next_u32()));
        }
    }

    #[test]
    fn philox_gives_the_authors_known_answers() {
        let ones = u32::MAX;
        assert_eq!(philox4x32([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox4x32([ones; 4], [ones; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        assert_eq!(
            philox4x32([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn addresses_give_different_streams_and_the_same_address_the_same() {
        let first = |seed, purpose, at| Stream::new(seed, purpose, at).next_u64();
        let base = first(1, Purpose::View, [0, 0, 0]);
        assert_eq!(base, first(1, Purpose::View, [0, 0, 0]));
        for other in [
            first(2, Purpose::View, [0, 0, 0]),
            first(1, Purpose::Order, [0, 0, 0]),
            first(1, Purpose::View, [1, 0, 0]),
            first(1, Purpose::View, [0, 1, 0]),
            first(1, Purpose::View, [0, 0, 1]),
        ] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn moments_are_those_of_the_distributions() {
        let mut stream = Stream::new(7, Purpose::Evaluation, [0; 3]);
        let n = 200_000;
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let uniform: Vec<f64> = (0..n).map(|_| stream.uniform()).collect();
        assert!((mean(&uniform) - 0.5).abs() < 0.004);
        let normal: Vec<f64> = (0..n).map(|_| stream.normal()).collect();
        let squares: Vec<f64> = normal.iter().map(|v| v * v).collect();
        assert!(mean(&normal).abs() < 0.012 && (mean(&squares) - 1.0).abs() < 0.02);
    }

    proptest! {
        #[test]
        fn below_stays_below(seed: u64, n in 1usize..1000) {
            let mut stream = Stream::new(seed, Purpose::Split, [0; 3]);
            prop_assert!((0..50).all(|_| stream.below(n) < n));
        }

        #[test]
        fn permutation_holds_every_index_once(seed: u64, n in 0usize..200) {
            let mut order = Stream::new(seed, Purpose::Order, [0; 3]).permutation(n);
            order.sort_unstable();
            prop_assert_eq!(order, (0..n).collect::<Vec<_>>());
        }
    }
}
