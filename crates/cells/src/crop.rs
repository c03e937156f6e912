//! A square around a cell.
//!
//! Its first row and column are `floor(centroid + 0.5) - size / 2` (whole division), so that with an odd size the centroid's
//! pixel is the one in the middle, and with an even size the one after the middle. What lies beyond the field is a constant,
//! or the field reflected without its edge pixel, as often as needed (`numpy.pad(mode="reflect")`).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_data::{Image, Pixels};

/// What a crop shows where it leaves the field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Padding {
    /// The field, reflected at its edge pixels.
    #[default]
    Reflect,
    /// One value.
    Constant,
}

/// Row and column of the first pixel of the crop of `size` pixels around a centroid.
pub fn top_left(centroid: [f64; 2], size: usize) -> [i64; 2] {
    centroid.map(|at| (at + 0.5).floor() as i64 - (size / 2) as i64)
}

/// Where place `at`, inside or outside, lies along `len` pixels that are reflected at both ends.
pub fn reflected(at: i64, len: usize) -> usize {
    if len < 2 {
        return 0;
    }
    let last = len as i64 - 1;
    let at = at.rem_euclid(2 * last);
    at.min(2 * last - at) as usize
}

/// The `size` x `size` pixels of `image` from `top_left` on; `fill` as near as the type of numbers has it.
pub fn crop(image: &Image, top_left: [i64; 2], size: usize, padding: Padding, fill: f64) -> Image {
    let along = |start: i64, len: usize| -> Vec<Option<usize>> {
        let place = |at: i64| match (padding, usize::try_from(at).ok().filter(|at| *at < len)) {
            (_, Some(inside)) => Some(inside),
            (Padding::Reflect, None) => Some(reflected(at, len)),
            (Padding::Constant, None) => None,
        };
        (start..start + size as i64).map(place).collect()
    };
    let places = [along(top_left[0], image.height), along(top_left[1], image.width)];
    let channels = image.channels;
    let pixels = match &image.pixels {
        Pixels::U8(values) => Pixels::U8(gathered(values, image.width, channels, &places, fill as u8)),
        Pixels::U16(values) => Pixels::U16(gathered(values, image.width, channels, &places, fill as u16)),
        Pixels::I16(values) => Pixels::I16(gathered(values, image.width, channels, &places, fill as i16)),
        Pixels::U32(values) => Pixels::U32(gathered(values, image.width, channels, &places, fill as u32)),
        Pixels::F32(values) => Pixels::F32(gathered(values, image.width, channels, &places, fill as f32)),
    };
    Image { height: size, width: size, channels, pixels }
}

fn gathered<T: Copy>(
    values: &[T],
    width: usize,
    channels: usize,
    [rows, columns]: &[Vec<Option<usize>>; 2],
    fill: T,
) -> Vec<T> {
    let mut out = Vec::with_capacity(rows.len() * columns.len() * channels);
    for row in rows {
        for column in columns {
            match row.zip(*column) {
                Some((row, column)) => {
                    let at = (row * width + column) * channels;
                    out.extend_from_slice(&values[at..at + channels]);
                }
                None => out.extend(std::iter::repeat_n(fill, channels)),
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use twinlens_golden::{Case, cases};

    use super::*;

    /// `values` of shape `[C, H, W]` as an image.
    fn image_of(case: &Case) -> Image {
        let [channels, height, width] = *case.shape("in.image") else { panic!("{}", case.name()) };
        let planes = case.as_f64("in.image");
        let area = height * width;
        let pixels =
            (0..planes.len()).map(|at| planes[(at % channels) * area + at / channels] as u16).collect();
        Image::new(height, width, channels, Pixels::U16(pixels)).unwrap()
    }

    #[test]
    fn crops_are_those_of_the_reference() {
        for case in cases("cells/crop") {
            let (image, size) = (image_of(&case), case.count("size"));
            let padding = match case.text("padding") {
                "reflect" => Padding::Reflect,
                "constant" => Padding::Constant,
                other => panic!("{}: {other}", case.name()),
            };
            let (mut corners, mut crops) = (Vec::new(), Vec::new());
            for centroid in case.f32("in.centroids").chunks(2) {
                let corner = top_left([centroid[0].into(), centroid[1].into()], size);
                let crop = crop(&image, corner, size, padding, case.number("fill"));
                let values = crop.pixels.to_f64();
                let channels = image.channels;
                let of_channel = |channel: usize| values.iter().skip(channel).step_by(channels).copied();
                crops.extend((0..channels).flat_map(of_channel));
                corners.extend(corner);
            }
            case.check_exact("out.top_left", &corners);
            case.check("out.crops", &crops);
        }
    }

    #[test]
    fn a_fill_beyond_the_type_is_its_end() {
        let image = Image::new(1, 1, 1, Pixels::U8(vec![9])).unwrap();
        let crop = crop(&image, [-1, -1], 2, Padding::Constant, 300.0);
        assert_eq!(crop.pixels, Pixels::U8(vec![255, 255, 255, 9]));
    }

    proptest! {
        #[test]
        fn a_crop_inside_is_a_part_of_the_field(y in 0i64..5, x in 0i64..6, size in 1usize..5) {
            let image = Image::new(9, 10, 2, Pixels::U16((0..180).collect())).unwrap();
            for padding in [Padding::Reflect, Padding::Constant] {
                let crop = crop(&image, [y, x], size, padding, 0.0);
                let Pixels::U16(values) = crop.pixels else { panic!() };
                for (at, value) in values.iter().enumerate() {
                    let (row, column, channel) = (at / 2 / size, at / 2 % size, at % 2);
                    let want = ((y as usize + row) * 10 + x as usize + column) * 2 + channel;
                    prop_assert_eq!(usize::from(*value), want);
                }
            }
        }

        #[test]
        fn reflection_walks_one_pixel_at_a_time(at in -100i64..100, len in 2usize..9) {
            prop_assert_eq!(reflected(at, len).abs_diff(reflected(at + 1, len)), 1);
            prop_assert_eq!(reflected(at, len), reflected(-at, len));
            prop_assert!(reflected(at, len) < len);
        }
    }
}
