//! What becomes of a convolution's sums.

use std::ops::Range;

use multiversion::multiversion;

use crate::element::Element;
use crate::parallel::with_buffer;

/// What is done with the sums of a convolution before they are written: `max(sum + bias, 0)`, or a part of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Epilogue<'a> {
    /// A number for each output channel.
    pub bias: Option<&'a [f32]>,
    /// Whether negative results become 0 (NaN stays NaN).
    pub relu: bool,
}

impl<'a> Epilogue<'a> {
    /// The same for some of the channels.
    pub(crate) fn of_channels(self, channels: Range<usize>) -> Epilogue<'a> {
        Epilogue { bias: self.bias.map(|bias| &bias[channels]), ..self }
    }

    /// Below every result but NaN.
    #[inline(always)]
    pub(crate) fn floor(self) -> f32 {
        if self.relu { 0.0 } else { f32::NEG_INFINITY }
    }

    /// Writes the results of sums, one for each channel.
    pub(crate) fn put<E: Element>(self, sums: &[f32], out: &mut [E]) {
        put(self, sums, out);
    }

    /// Writes the results of the sums, rows of channels, that `work` writes.
    pub(crate) fn put_rows<E: Element>(self, channels: usize, out: &mut [E], work: impl FnOnce(&mut [f32])) {
        if let Some(out) = E::singles_mut(out) {
            work(out);
            if self.relu || self.bias.is_some() {
                out.chunks_exact_mut(channels).for_each(|row| finish(self, row));
            }
            return;
        }
        with_buffer(out.len(), |sums| {
            work(sums);
            for (sums, out) in sums.chunks_exact(channels).zip(out.chunks_exact_mut(channels)) {
                put(self, sums, out);
            }
        });
    }
}

/// A comparison, not `f32::max`, which would turn NaN into 0.
#[inline(always)]
pub(crate) fn at_least(floor: f32, value: f32) -> f32 {
    if value < floor { floor } else { value }
}

#[multiversion(targets("x86_64+avx512f+avx512bw", "x86_64+avx2+fma"))]
fn put<E: Element>(epilogue: Epilogue, sums: &[f32], out: &mut [E]) {
    let floor = epilogue.floor();
    let result = |sum: f32| E::nearest(at_least(floor, sum));
    let pairs = out.iter_mut().zip(sums);
    match epilogue.bias {
        Some(bias) => pairs.zip(bias).for_each(|((out, sum), bias)| *out = result(sum + bias)),
        None => pairs.for_each(|(out, &sum)| *out = result(sum)),
    }
}

/// [`put`] in place.
#[multiversion(targets("x86_64+avx512f", "x86_64+avx2+fma"))]
fn finish(epilogue: Epilogue, sums: &mut [f32]) {
    let floor = epilogue.floor();
    match epilogue.bias {
        Some(bias) => sums.iter_mut().zip(bias).for_each(|(sum, bias)| *sum = at_least(floor, *sum + bias)),
        None => sums.iter_mut().for_each(|sum| *sum = at_least(floor, *sum)),
    }
}
