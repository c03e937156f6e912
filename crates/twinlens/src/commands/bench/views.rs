//! Two views of an image, normalised, on one thread.

use std::time::Instant;

use serde_json::json;
use twinlens_data::{Image, PixelType, Pixels};
use twinlens_random::{Purpose, Stream};
use twinlens_ssl::SslError;
use twinlens_views::ops::{
    ColorJitter, GaussianBlur, Grayscale, HorizontalFlip, OperationSetting, RandomResizedCrop, Solarize,
};
use twinlens_views::{BuildContext, DrawKey, Interpolation, Policy, ViewPolicy, Workspace};

use super::{BenchArgs, Figures, REPETITIONS, Work, median, round};
use crate::exit::Outcome;
use crate::terminal::Terminal;

/// What differs between the policies.
pub(super) struct Recipe {
    /// Strengths of brightness, contrast, saturation and hue.
    jitter: [f64; 4],
    /// Probability of a blur.
    blur: f64,
    /// Probability of solarisation.
    solarize: f64,
}

/// SimCLR's appendix A; in the order of operations that other libraries' examples have, so that both do the same work.
const SIMCLR: Recipe = Recipe { jitter: [0.8, 0.8, 0.8, 0.2], blur: 0.5, solarize: 0.0 };
/// Barlow Twins: blur and solarisation of its two views, which differ, on average (1.0 and 0.1, 0.0 and 0.2), so that one
/// policy makes both.
pub(super) const BARLOW: Recipe = Recipe { jitter: [0.4, 0.4, 0.2, 0.1], blur: 0.55, solarize: 0.1 };

impl Recipe {
    /// Two views drawn alike.
    pub(super) fn views(&self) -> Vec<ViewPolicy> {
        let [brightness, contrast, saturation, hue] = self.jitter;
        let interpolation = Interpolation::Bicubic;
        let operations = vec![
            OperationSetting::RandomResizedCrop(RandomResizedCrop { interpolation, ..Default::default() }),
            OperationSetting::HorizontalFlip(HorizontalFlip { p: 0.5 }),
            OperationSetting::ColorJitter(ColorJitter {
                brightness,
                contrast,
                saturation,
                hue,
                p: 0.8,
                ..Default::default()
            }),
            OperationSetting::Grayscale(Grayscale { p: 0.2 }),
            OperationSetting::GaussianBlur(GaussianBlur { p: self.blur, ..Default::default() }),
            OperationSetting::Solarize(Solarize { threshold: Some(128.0), p: self.solarize }),
        ];
        vec![ViewPolicy { count: 2, operations }]
    }
}

/// Views by a recipe of images of `size` pixels a side, as large themselves.
pub(super) struct Views {
    name: &'static str,
    recipe: Recipe,
    size: usize,
}

/// The policies at the size of thumbnails and of photographs.
pub(super) const CASES: &[Views] = &[
    Views { name: "views-simclr-32", recipe: SIMCLR, size: 32 },
    Views { name: "views-simclr-224", recipe: SIMCLR, size: 224 },
    Views { name: "views-barlow-32", recipe: BARLOW, size: 32 },
    Views { name: "views-barlow-224", recipe: BARLOW, size: 224 },
];

/// How many different images.
const IMAGES: u32 = 64;
/// Length of a repetition.
const SECONDS: f64 = 1.0;

impl Work for Views {
    fn name(&self) -> &str {
        self.name
    }

    fn what(&self) -> String {
        let policy = if self.recipe.solarize > 0.0 { "Barlow Twins" } else { "SimCLR" };
        format!("two views of an image by {policy}'s policy, {} px, one thread", self.size)
    }

    fn time(&self, args: &BenchArgs, _: &Terminal) -> Outcome<Figures> {
        let mut maker = Maker::new(&self.recipe, self.size)?;
        let images_per_s = images_per_s(args, SECONDS, |epoch, sample| maker.make(epoch, sample))?;
        Ok(figures(images_per_s, ", two views each"))
    }
}

/// Images a second of `make` on one thread: the median of repetitions of `seconds`, after one that does not count.
pub(super) fn images_per_s(
    args: &BenchArgs,
    seconds: f64,
    mut make: impl FnMut(u32, u32) -> Outcome,
) -> Outcome<f64> {
    per_second(seconds, &mut make)?;
    let rates = (0..args.repetitions(REPETITIONS)).map(|_| per_second(seconds, &mut make));
    Ok(median(rates.collect::<Outcome<_>>()?))
}

/// What is told of them, with what there is to say of an image.
pub(super) fn figures(images_per_s: f64, of_each: &str) -> Figures {
    let document = json!({ "images_per_s": round(images_per_s, 1) });
    Figures { threads: 1, ..Figures::new(document, format!("{images_per_s:.1} images/s{of_each}")) }
}

/// What views are made for: 8-bit RGB images of `size` pixels a side.
pub(super) fn context(size: usize) -> BuildContext {
    BuildContext { size, channels: 3, pixel_type: PixelType::U8, mean: vec![0.5; 3], std: vec![0.25; 3] }
}

/// Different images of noise.
pub(super) fn images(size: usize) -> Vec<Image> {
    let mut stream = Stream::new(0, Purpose::Evaluation, [0; 3]);
    let mut image = || {
        let samples = (0..size * size * 3).map(|_| stream.next_u32() as u8).collect();
        Image { height: size, width: size, channels: 3, pixels: Pixels::U8(samples) }
    };
    (0..IMAGES).map(|_| image()).collect()
}

/// Images a second, over `seconds`, of `make`, which is given the epoch and the number of an image.
fn per_second(seconds: f64, mut make: impl FnMut(u32, u32) -> Outcome) -> Outcome<f64> {
    let (start, mut made) = (Instant::now(), 0);
    loop {
        make(made / IMAGES, made % IMAGES)?;
        made += 1;
        let elapsed = start.elapsed().as_secs_f64();
        if elapsed >= seconds {
            return Ok(f64::from(made) / elapsed);
        }
    }
}

/// Makes all views of an image, normalised.
struct Maker {
    policy: Policy,
    images: Vec<Image>,
    views: Vec<Vec<f32>>,
    workspace: Workspace,
}

impl Maker {
    fn new(recipe: &Recipe, size: usize) -> Outcome<Maker> {
        let policy = Policy::build(&recipe.views(), context(size)).map_err(SslError::Views)?;
        let views = (0..policy.views()).map(|view| vec![0.0; policy.shape(view).samples()]).collect();
        Ok(Maker { policy, images: images(size), views, workspace: Workspace::default() })
    }

    fn make(&mut self, epoch: u32, sample: u32) -> Outcome {
        let place = DrawKey { seed: 0, epoch, sample };
        for (view, out) in self.views.iter_mut().enumerate() {
            let image = &self.images[sample as usize];
            self.policy.write(view, place, image, &mut self.workspace, out).map_err(SslError::Views)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The views of the first image in `epoch`.
    fn made(recipe: &Recipe, epoch: u32) -> Vec<Vec<f32>> {
        let mut maker = Maker::new(recipe, 8).unwrap();
        maker.make(epoch, 0).unwrap();
        maker.views
    }

    #[test]
    fn every_image_has_two_views_drawn_anew_each_time() {
        let first = made(&SIMCLR, 0);
        assert_eq!(first.iter().map(Vec::len).collect::<Vec<_>>(), [8 * 8 * 3; 2]);
        assert_ne!(first[0], first[1]);
        assert_ne!(first, made(&SIMCLR, 1), "the same image in the next epoch");
        assert_ne!(first, made(&BARLOW, 0));
        assert!(first.concat().iter().all(|value| (-2.0..=2.0).contains(value)), "(0 to 1 - 0.5) / 0.25");
    }

    #[test]
    fn images_are_timed_in_order_and_at_least_one() {
        let mut made = Vec::new();
        let rate = per_second(0.0, |epoch, sample| {
            made.push((epoch, sample));
            Ok(())
        });
        assert!(rate.unwrap() > 0.0);
        assert_eq!(made, [(0, 0)]);
    }
}
