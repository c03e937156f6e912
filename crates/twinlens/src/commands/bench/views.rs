//! Two views of an image, normalised, on one thread.

use std::time::Instant;

use serde_json::json;
use twinlens_data::{Image, PixelType, Pixels};
use twinlens_random::{Purpose, Stream};
use twinlens_ssl::SslError;
use twinlens_views::ops::{
    ColorJitter, GaussianBlur, Grayscale, HorizontalFlip, OperationSetting, RandomResizedCrop, Solarize,
};
use twinlens_views::{BuildContext, Interpolation, Place, Policy, ViewPolicy, Workspace};

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

/// Different images.
const IMAGES: u32 = 64;
/// Length of a repetition.
const SECONDS: f64 = 1.0;

impl Work for Views {
    fn name(&self) -> &'static str {
        self.name
    }

    fn what(&self) -> String {
        let policy = if self.recipe.solarize > 0.0 { "Barlow Twins" } else { "SimCLR" };
        format!("two views of an image by {policy}'s policy, {} px, one thread", self.size)
    }

    fn time(&self, args: &BenchArgs, _: &Terminal) -> Outcome<Figures> {
        let mut maker = Maker::new(&self.recipe, self.size)?;
        maker.per_second(SECONDS)?;
        let rates = (0..args.repetitions(REPETITIONS)).map(|_| maker.per_second(SECONDS));
        let images_per_s = median(rates.collect::<Outcome<_>>()?);
        let document = json!({ "images_per_s": round(images_per_s, 1) });
        let text = format!("{images_per_s:.1} images/s, two views each");
        Ok(Figures { threads: 1, ..Figures::new(document, text) })
    }
}

/// Makes views of the same images over and over, drawn anew each time.
struct Maker {
    policy: Policy,
    images: Vec<Image>,
    views: Vec<Vec<f32>>,
    workspace: Workspace,
    made: u32,
}

impl Maker {
    fn new(recipe: &Recipe, size: usize) -> Outcome<Maker> {
        let (channels, pixel_type) = (3, PixelType::U8);
        let context = BuildContext { size, channels, pixel_type, mean: vec![0.5; 3], std: vec![0.25; 3] };
        let policy = Policy::build(&recipe.views(), context).map_err(SslError::Views)?;
        let mut stream = Stream::new(0, Purpose::Evaluation, [0; 3]);
        let mut image = || {
            let samples = (0..size * size * channels).map(|_| stream.next_u32() as u8).collect();
            Image { height: size, width: size, channels, pixels: Pixels::U8(samples) }
        };
        let images = (0..IMAGES).map(|_| image()).collect();
        let views = (0..policy.views()).map(|view| vec![0.0; policy.shape(view).samples()]).collect();
        Ok(Maker { policy, images, views, workspace: Workspace::default(), made: 0 })
    }

    /// All views of the next image.
    fn next(&mut self) -> Outcome {
        let (epoch, sample) = (self.made / IMAGES, self.made % IMAGES);
        let place = Place { seed: 0, epoch, sample };
        for (view, out) in self.views.iter_mut().enumerate() {
            let image = &self.images[sample as usize];
            self.policy.write(view, place, image, &mut self.workspace, out).map_err(SslError::Views)?;
        }
        self.made += 1;
        Ok(())
    }

    /// Images a second, over `seconds`.
    fn per_second(&mut self, seconds: f64) -> Outcome<f64> {
        let (before, start) = (self.made, Instant::now());
        loop {
            self.next()?;
            let elapsed = start.elapsed().as_secs_f64();
            if elapsed >= seconds {
                return Ok(f64::from(self.made - before) / elapsed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The views of an image made `image` images after the first.
    fn made(recipe: &Recipe, image: u32) -> Vec<Vec<f32>> {
        let mut maker = Maker::new(recipe, 8).unwrap();
        (0..=image).for_each(|_| maker.next().unwrap());
        maker.views
    }

    #[test]
    fn every_image_has_two_views_drawn_anew_each_time() {
        let first = made(&SIMCLR, 0);
        assert_eq!(first.iter().map(Vec::len).collect::<Vec<_>>(), [8 * 8 * 3; 2]);
        assert_ne!(first[0], first[1]);
        assert_ne!(first, made(&SIMCLR, IMAGES), "the same image in the next epoch");
        assert_ne!(first, made(&BARLOW, 0));
        assert!(first.concat().iter().all(|value| (-2.0..=2.0).contains(value)), "(0 to 1 - 0.5) / 0.25");
    }

    #[test]
    fn at_least_one_image_is_timed() {
        let mut maker = Maker::new(&SIMCLR, 8).unwrap();
        assert!(maker.per_second(0.0).unwrap() > 0.0);
        assert_eq!(maker.made, 1);
    }
}
