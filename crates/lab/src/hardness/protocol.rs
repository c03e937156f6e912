//! The measures over the pairs of a policy, and of each of its operations alone.

use rayon::prelude::*;
use serde::Serialize;
use twinlens_data::ImageSource;
use twinlens_eval::EvalError;
use twinlens_eval::hardness::{Pair, absolute_difference, ssim};
use twinlens_eval::maps::sample;
use twinlens_eval::statistics::mean_and_deviation;
use twinlens_nn::lpips::Lpips;
use twinlens_views::{BuildContext, DrawKey, Policy, ViewPolicy, Workspace};

use super::perceptual_distances;
use crate::LabError;

/// Images whose views are in memory at a time: a matter of memory, never of the result.
const AT_A_TIME: usize = 8;

/// Which pairs are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HardnessProtocol {
    /// Images, each of which gives a pair; all of them if there are fewer.
    pub images: usize,
    /// Seed of the choice of images and of the views.
    pub seed: u64,
}

/// How far the two views of a pair lie apart.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Hardness {
    /// The operation that was applied alone; `None` for the whole policy.
    pub operation: Option<String>,
    /// The number of pairs.
    pub pairs: usize,
    /// [`absolute_difference`].
    pub absolute_difference: Spread,
    /// [`ssim`].
    pub ssim: Spread,
    /// [`perceptual_distances`], where there are weights.
    pub lpips: Option<Spread>,
}

/// A measure over pairs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// The mean.
    pub mean: f64,
    /// The sample standard deviation, with the divisor n - 1.
    pub std: f64,
}

impl Hardness {
    /// The operation, or that it is all of them.
    pub fn part(&self) -> &str {
        self.operation.as_deref().unwrap_or("whole policy")
    }
}

impl HardnessProtocol {
    /// Measures `policy` on images of `source`: first the whole of it, then each of its operations alone
    /// ([`ViewPolicy::only`]) with the probability that it has: those of the first view in their order, then those of the
    /// second alone. Those that are never applied are left out.
    ///
    /// A pair is the first two views of an image in the epoch 0 of a run with this seed; of a policy of one view, that
    /// view drawn twice. `progress` is told (images done, images in all).
    ///
    /// # Errors
    /// Fewer than two images; an image that cannot be read; views of two sizes; LPIPS on other channels than 1 and 3.
    pub fn run(
        &self,
        source: &dyn ImageSource,
        policy: &[ViewPolicy],
        context: &BuildContext,
        mut lpips: Option<&mut Lpips>,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Vec<Hardness>, LabError> {
        let samples = sample(source.len(), self.images, self.seed);
        let mut rows = rows(&pair_of(policy)?, context)?;
        let mut done = 0;
        for samples in samples.chunks(AT_A_TIME) {
            let views = |workspace: &mut Workspace, sample: &usize| {
                let place = DrawKey { seed: self.seed, epoch: 0, sample: *sample as u32 };
                let image = source.image(*sample)?;
                rows.iter()
                    .map(|row| row.views(place, &image, workspace))
                    .collect::<Result<Vec<_>, LabError>>()
            };
            // Collected one by one, so that the first error is told, whichever thread was first.
            let drawn: Vec<Result<_, LabError>> =
                samples.par_iter().map_init(Workspace::default, views).collect();
            let drawn = drawn.into_iter().collect::<Result<Vec<_>, LabError>>()?;
            for (number, row) in rows.iter_mut().enumerate() {
                let views: Vec<&[Vec<f32>; 2]> = drawn.iter().map(|rows| &rows[number]).collect();
                row.measure(&views, lpips.as_deref_mut())?;
            }
            done += samples.len();
            progress(done, self.images.min(source.len()));
        }
        rows.into_iter().map(Row::told).collect()
    }
}

/// The two policies that make a pair.
fn pair_of(policy: &[ViewPolicy]) -> Result<[ViewPolicy; 2], LabError> {
    let views = policy.iter().flat_map(|views| std::iter::repeat_n(views, views.count));
    let views: Vec<&ViewPolicy> = views.take(2).collect();
    let alone = |view: &ViewPolicy| ViewPolicy { count: 1, operations: view.operations.clone() };
    match views.as_slice() {
        [one, other] => Ok([alone(one), alone(other)]),
        [one] => Ok([alone(one), alone(one)]),
        _ => Err(EvalError::TooFew { what: "views", expected: 1, got: 0 }.into()),
    }
}

/// A line of the table: what draws it, and what was measured so far.
struct Row {
    operation: Option<String>,
    policy: Policy,
    differences: Vec<f64>,
    similarities: Vec<f64>,
    distances: Option<Vec<f64>>,
}

/// The whole pair, then each operation alone.
fn rows(pair: &[ViewPolicy; 2], context: &BuildContext) -> Result<Vec<Row>, LabError> {
    let channels = context.channels;
    // Values from 0 to 1, as the measures want them.
    let context = BuildContext { mean: vec![0.0; channels], std: vec![1.0; channels], ..context.clone() };
    let row = |operation: Option<&str>, pair: &[ViewPolicy]| {
        let policy = Policy::build(pair, context.clone())?;
        let [one, other] = [0, 1].map(|view| policy.shape(view));
        if one != other {
            let reason =
                format!("its first two views have {} and {} pixels a side", one.height, other.height);
            let what = "the difference between the views of a pair";
            return Err(EvalError::Undefined { what, reason }.into());
        }
        let operation = operation.map(str::to_owned);
        Ok(Row { operation, policy, differences: vec![], similarities: vec![], distances: None })
    };
    let mut names: Vec<&str> = Vec::new();
    for operation in pair.iter().flat_map(|view| &view.operations) {
        if operation.p() > 0.0 && !names.contains(&operation.name()) {
            names.push(operation.name());
        }
    }
    let alone = names.iter().map(|name| row(Some(name), &pair.clone().map(|view| view.only(name, &context))));
    std::iter::once(row(None, pair)).chain(alone).collect()
}

impl Row {
    /// Both views of `image`.
    fn views(
        &self,
        place: DrawKey,
        image: &twinlens_data::Image,
        workspace: &mut Workspace,
    ) -> Result<[Vec<f32>; 2], LabError> {
        let mut view = |number: usize| {
            let mut values = vec![0.0; self.policy.shape(number).samples()];
            self.policy.write(number, place, image, workspace, &mut values)?;
            Ok::<Vec<f32>, LabError>(values)
        };
        Ok([view(0)?, view(1)?])
    }

    fn measure(&mut self, views: &[&[Vec<f32>; 2]], lpips: Option<&mut Lpips>) -> Result<(), LabError> {
        let shape = self.policy.shape(0);
        let shape = [shape.height, shape.width, shape.channels];
        let pairs = views.iter().map(|[one, other]| Pair::new(one, other, shape));
        let pairs = pairs.collect::<Result<Vec<Pair<'_>>, EvalError>>()?;
        let measured: Vec<(f64, f64)> =
            pairs.par_iter().map(|pair| (absolute_difference(*pair), ssim(*pair))).collect();
        for (difference, similarity) in measured {
            self.differences.push(difference);
            self.similarities.push(similarity);
        }
        if let Some(lpips) = lpips {
            self.distances.get_or_insert_default().extend(perceptual_distances(&pairs, lpips)?);
        }
        Ok(())
    }

    fn told(self) -> Result<Hardness, LabError> {
        let spread = |values: &[f64]| {
            let (mean, std) = mean_and_deviation("pairs of views", values)?;
            Ok::<Spread, LabError>(Spread { mean, std })
        };
        Ok(Hardness {
            pairs: self.differences.len(),
            absolute_difference: spread(&self.differences)?,
            ssim: spread(&self.similarities)?,
            lpips: self.distances.as_deref().map(spread).transpose()?,
            operation: self.operation,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;
    use twinlens_data::{DataError, Image, PixelType, Pixels};
    use twinlens_random::{Purpose, Stream};
    use twinlens_views::presets;

    use super::super::perceptual::tests::lpips_of;
    use super::*;

    fn on_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
    }

    /// Random images of `side` pixels.
    #[derive(Debug)]
    struct Noise {
        images: usize,
        side: usize,
        channels: usize,
    }

    impl ImageSource for Noise {
        fn len(&self) -> usize {
            self.images
        }

        fn image(&self, index: usize) -> Result<Image, DataError> {
            let mut stream = Stream::new(index as u64, Purpose::Evaluation, [0; 3]);
            let samples = self.side * self.side * self.channels;
            let pixels = Pixels::U8((0..samples).map(|_| stream.next_u32() as u8).collect());
            Image::new(self.side, self.side, self.channels, pixels)
        }

        fn label(&self, _: usize) -> Option<usize> {
            None
        }
    }

    fn context(size: usize, channels: usize) -> BuildContext {
        let mean = vec![0.4; channels];
        BuildContext { size, channels, pixel_type: PixelType::U8, mean, std: vec![0.2; channels] }
    }

    fn views(operations: &serde_json::Value) -> Vec<ViewPolicy> {
        serde_json::from_value(json!([{"count": 2, "operations": operations}])).unwrap()
    }

    fn measured(
        policy: &[ViewPolicy],
        seed: u64,
        lpips: Option<&mut Lpips>,
    ) -> Result<Vec<Hardness>, LabError> {
        let source = Noise { images: 12, side: 20, channels: 3 };
        let protocol = HardnessProtocol { images: 10, seed };
        protocol.run(&source, policy, &context(16, 3), lpips, &mut |_, _| {})
    }

    #[test]
    fn the_whole_comes_first_and_what_is_never_applied_is_left_out() {
        let found = measured(&presets::preset("barlow-twins").unwrap(), 0, None).unwrap();
        let names: Vec<Option<&str>> = found.iter().map(|row| row.operation.as_deref()).collect();
        let expected = [
            None,
            Some("random_resized_crop"),
            Some("color_jitter"),
            Some("grayscale"),
            Some("gaussian_blur"),
            Some("horizontal_flip"),
            // Only in the second view.
            Some("solarize"),
        ];
        assert_eq!(names, expected);
        assert!(found.iter().all(|row| row.pairs == 10 && row.lpips.is_none()));
        assert!(
            found.iter().all(|row| row.absolute_difference.mean > 0.0 && row.ssim.mean < 1.0),
            "{found:?}"
        );
        // One view is drawn twice.
        assert!(
            measured(&presets::preset("crop-flip").unwrap(), 0, None).unwrap()[0].absolute_difference.mean
                > 0.0
        );
    }

    #[test]
    fn an_operation_alone_is_measured_as_it_stands() {
        // Both views inverted are alike; one of two is as far from the other as an image from its negative.
        let invert = |p: f64| json!({"op": "invert", "p": p});
        let resize = [json!({"op": "resize"}), json!({"op": "center_crop"})];
        let of = |one: f64, other: f64| {
            let view = |p| json!({"operations": [resize[0], resize[1], invert(p)]});
            let views: Vec<ViewPolicy> = serde_json::from_value(json!([view(one), view(other)])).unwrap();
            let found = measured(&views, 0, None).unwrap();
            let invert = found.iter().find(|row| row.operation.as_deref() == Some("invert")).unwrap().clone();
            assert_eq!(Hardness { operation: None, ..invert.clone() }, found[0]);
            invert.absolute_difference.mean
        };
        assert_eq!(of(1.0, 1.0), 0.0);
        let (never, half) = (of(0.0, 1.0), of(0.5, 0.5));
        assert!(never > 0.2 && half > 0.1 * never && half < 0.9 * never, "{never} {half}");
    }

    #[test]
    fn threads_change_nothing_and_the_seed_does() {
        let case = twinlens_golden::cases("metrics/lpips_views").swap_remove(0);
        let policy = presets::preset("simclr").unwrap();
        let on = |threads, seed| {
            on_threads(threads, || measured(&policy, seed, Some(&mut lpips_of(&case))).unwrap())
        };
        let found = on(1, 3);
        assert_eq!(found, on(3, 3));
        assert_ne!(found, on(1, 4));
        assert!(found.iter().all(|row| row.lpips.is_some_and(|lpips| lpips.mean > 0.0)));
    }

    #[test]
    fn what_has_no_pairs_is_refused() {
        let flip = views(&json!([{"op": "horizontal_flip"}]));
        let run = |images, channels, policy: &[ViewPolicy], lpips: Option<&mut Lpips>| {
            let source = Noise { images, side: 16, channels };
            let protocol = HardnessProtocol { images: 10, seed: 0 };
            protocol
                .run(&source, policy, &context(16, channels), lpips, &mut |_, _| {})
                .unwrap_err()
                .to_string()
        };
        assert!(run(1, 3, &flip, None).contains("at least 2, got 1"));
        let mut sizes = presets::preset("dino-multicrop").unwrap();
        sizes.remove(0);
        let error = run(5, 3, &sizes, None);
        assert!(error.contains("16 and 7 pixels a side"), "{error}");
        let case = twinlens_golden::cases("metrics/lpips_views").swap_remove(0);
        assert!(run(5, 2, &flip, Some(&mut lpips_of(&case))).contains("2 channels"));
        // Not the size that the policy was built for.
        assert!(measured(&flip, 0, None).unwrap_err().to_string().contains("add random_resized_crop"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8))]
        #[test]
        fn a_policy_without_chance_has_equal_views(seed: u64) {
            let nothing = views(&json!([{"op": "resize"}, {"op": "center_crop"}, {"op": "solarize", "p": 0.0}]));
            let found = measured(&nothing, seed, None).unwrap();
            prop_assert_eq!(found.len(), 3);
            for row in found {
                prop_assert_eq!(row.absolute_difference, Spread { mean: 0.0, std: 0.0 });
                prop_assert!((row.ssim.mean - 1.0).abs() < 1e-9);
            }
        }
    }
}
