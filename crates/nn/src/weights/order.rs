//! The order of values inside the program and in files.

/// How an entry's values are laid out inside the program, relative to torchvision's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WeightOrder {
    /// As in torchvision.
    Plain,
    /// torchvision `[out, in, kh, kw]`, inside `[kh, kw, in, out]`.
    Convolution,
    /// torchvision `[out, in]`, inside `[in, out]`.
    Linear,
}

impl WeightOrder {
    /// Values in torchvision's order, from the program's; `shape` is torchvision's.
    pub fn to_torch(self, shape: &[usize], inside: &[f32]) -> Vec<f32> {
        let mut out = vec![0.0; inside.len()];
        self.pairs(shape, |torch, program| out[torch] = inside[program]);
        out
    }

    /// Values in the program's order, from torchvision's; `shape` is torchvision's.
    pub fn from_torch(self, shape: &[usize], torch: &[f32]) -> Vec<f32> {
        let mut out = vec![0.0; torch.len()];
        self.pairs(shape, |from, program| out[program] = torch[from]);
        out
    }

    /// Calls `visit(position in torchvision's order, position inside)` for every value.
    fn pairs(self, shape: &[usize], mut visit: impl FnMut(usize, usize)) {
        let [outputs, inputs, taps] = match (self, shape) {
            (WeightOrder::Convolution, &[out, inp, kh, kw]) => [out, inp, kh * kw],
            (WeightOrder::Linear, &[out, inp]) => [out, inp, 1],
            _ => [1, 1, shape.iter().product()],
        };
        for output in 0..outputs {
            for input in 0..inputs {
                for tap in 0..taps {
                    visit((output * inputs + input) * taps + tap, (tap * inputs + input) * outputs + output);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn convolution_moves_taps_out_and_outputs_in() {
        let torch: Vec<f32> = (0..24).map(|v| v as f32).collect();
        let inside = WeightOrder::Convolution.from_torch(&[2, 3, 2, 2], &torch);
        // Tap (0, 0), input 0: output 0 is flat 0, output 1 is flat 12.
        assert_eq!(&inside[..2], &[0.0, 12.0]);
        assert_eq!(WeightOrder::Convolution.to_torch(&[2, 3, 2, 2], &inside), torch);
    }

    #[test]
    fn linear_is_transposed_and_plain_untouched() {
        assert_eq!(
            WeightOrder::Linear.from_torch(&[2, 3], &[0., 1., 2., 3., 4., 5.]),
            [0., 3., 1., 4., 2., 5.]
        );
        assert_eq!(WeightOrder::Plain.from_torch(&[3], &[1., 2., 3.]), [1., 2., 3.]);
    }
}
