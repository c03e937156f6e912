//! How far two views of an image lie apart, as images. Measures take a [`Pair`].

mod absolute_difference;
mod pair;
mod ssim;

pub use absolute_difference::absolute_difference;
pub use pair::Pair;
pub use ssim::ssim;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn golden_ssim_and_absolute_difference() {
        for case in twinlens_golden::cases("metrics/ssim") {
            let shape = case.shape("in.one").try_into().unwrap();
            let pair = Pair::new(case.f32("in.one"), case.f32("in.other"), shape).unwrap();
            case.check("out.ssim", &[ssim(pair)]);
            case.check("out.absolute_difference", &[absolute_difference(pair)]);
        }
    }

    fn any_images() -> impl Strategy<Value = (Vec<f32>, Vec<f32>, [usize; 3])> {
        (1usize..16, 1usize..16, 1usize..4).prop_flat_map(|(height, width, channels)| {
            let image = || prop::collection::vec(0.0f32..=1.0, height * width * channels);
            (image(), image(), Just([height, width, channels]))
        })
    }

    proptest! {
        #[test]
        fn equal_images_are_as_alike_as_can_be_and_order_does_not_matter((one, other, shape) in any_images()) {
            let same = Pair::new(&one, &one, shape).unwrap();
            prop_assert_eq!(absolute_difference(same), 0.0);
            prop_assert!((ssim(same) - 1.0).abs() < 1e-9);
            let (there, back) = (Pair::new(&one, &other, shape).unwrap(), Pair::new(&other, &one, shape).unwrap());
            prop_assert_eq!(absolute_difference(there), absolute_difference(back));
            prop_assert_eq!(ssim(there), ssim(back));
            prop_assert!((0.0..=1.0).contains(&absolute_difference(there)));
            prop_assert!((-1.0..=1.0 + 1e-9).contains(&ssim(there)));
        }

        #[test]
        fn black_and_white_are_one_apart(shape in (1usize..16, 1usize..16, 1usize..4)) {
            let (height, width, channels) = shape;
            let [black, white] = [0.0, 1.0].map(|level| vec![level; height * width * channels]);
            let pair = Pair::new(&black, &white, [height, width, channels]).unwrap();
            prop_assert_eq!(absolute_difference(pair), 1.0);
            // No structure: what is left of the formula is C1 / (1 + C1).
            prop_assert!((ssim(pair) - 1e-4 / (1.0 + 1e-4)).abs() < 1e-9);
        }
    }
}
