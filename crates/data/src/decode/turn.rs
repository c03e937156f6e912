//! Images turned upright, and channels taken out or put together.

use crate::{Image, Pixels};

/// The image turned as `orientation` (EXIF and TIFF tag 274, 1 to 8) says; other numbers leave it as it is.
pub(super) fn upright(image: Image, orientation: u8) -> Result<Image, String> {
    if !(2..=8).contains(&orientation) {
        return Ok(image);
    }
    let Image { height, width, channels, .. } = image;
    let (rows, columns) = if orientation >= 5 { (width, height) } else { (height, width) };
    let source = |y: usize, x: usize| match orientation {
        2 => (y, width - 1 - x),
        3 => (height - 1 - y, width - 1 - x),
        4 => (height - 1 - y, x),
        5 => (x, y),
        6 => (height - 1 - x, y),
        7 => (height - 1 - x, width - 1 - y),
        _ => (x, width - 1 - y),
    };
    let pixels = (0..rows).flat_map(|y| (0..columns).map(move |x| (y, x))).map(|(y, x)| source(y, x));
    let samples = pixels.flat_map(|(y, x)| (0..channels).map(move |c| (y * width + x) * channels + c));
    let pixels = image.pixels.gathered(samples);
    Image::new(rows, columns, channels, pixels).map_err(|error| error.to_string())
}

/// The image without all channels but those in `kept`.
pub(crate) fn only_channels(image: Image, kept: &[usize]) -> Result<Image, String> {
    let Image { height, width, channels, .. } = image;
    let samples = (0..height * width).flat_map(|pixel| kept.iter().map(move |c| pixel * channels + c));
    let pixels: Pixels = image.pixels.gathered(samples);
    Image::new(height, width, kept.len(), pixels).map_err(|error| error.to_string())
}

/// One image of the channels of several, which have the same size and type.
pub(crate) fn stacked(mut images: Vec<Image>) -> Result<Image, String> {
    let first = images.first().ok_or("an image without channels")?;
    let [height, width, channels] = [first.height, first.width, first.channels];
    if images.len() == 1 {
        return images.pop().ok_or("an image without channels".into());
    }
    let count = images.len();
    let alike = |image: &Image| [image.height, image.width, image.channels] == [height, width, channels];
    let planes = images.iter().all(alike).then(|| images.into_iter().map(|image| image.pixels));
    let pixels = planes.and_then(|planes| Pixels::interleaved(&planes.collect::<Vec<_>>(), channels));
    let pixels = pixels.ok_or("the channels of one image differ in size or type")?;
    Image::new(height, width, count * channels, pixels).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_eight_turns() {
        // Rows `1 2 3` and `4 5 6`, each with a second channel; what each orientation shows was drawn by hand.
        let image = Image::new(2, 3, 2, Pixels::I16(vec![1, -1, 2, -2, 3, -3, 4, -4, 5, -5, 6, -6])).unwrap();
        for (orientation, rows, first) in [
            (0, 2, [1, 2, 3, 4, 5, 6]),
            (1, 2, [1, 2, 3, 4, 5, 6]),
            (2, 2, [3, 2, 1, 6, 5, 4]),
            (3, 2, [6, 5, 4, 3, 2, 1]),
            (4, 2, [4, 5, 6, 1, 2, 3]),
            (5, 3, [1, 4, 2, 5, 3, 6]),
            (6, 3, [4, 1, 5, 2, 6, 3]),
            (7, 3, [6, 3, 5, 2, 4, 1]),
            (8, 3, [3, 6, 2, 5, 1, 4]),
        ] {
            let turned = upright(image.clone(), orientation).unwrap();
            assert_eq!((turned.height, turned.width), (rows, 6 / rows), "orientation {orientation}");
            let both = first.iter().flat_map(|&v| [v, -v]).collect();
            assert_eq!(turned.pixels, Pixels::I16(both), "orientation {orientation}");
            let one = only_channels(turned, &[0]).unwrap();
            assert_eq!((one.channels, one.pixels), (1, Pixels::I16(first.to_vec())));
        }
    }

    #[test]
    fn stacking_undoes_taking_apart() {
        let values: Vec<u16> = (0..60).collect();
        let image = Image::new(4, 3, 5, Pixels::U16(values)).unwrap();
        let apart = |kept: &[usize]| only_channels(image.clone(), kept).unwrap();
        let single: Vec<Image> = (0..5).map(|channel| apart(&[channel])).collect();
        assert_eq!(stacked(single).unwrap(), image);
        assert_eq!(stacked(vec![apart(&[0, 3]), apart(&[1, 2])]).unwrap(), apart(&[0, 3, 1, 2]));
        assert_eq!(stacked(vec![image.clone()]).unwrap(), image);
        let other = Image::new(4, 3, 5, Pixels::U8(vec![0; 60])).unwrap();
        let flat = Image::new(3, 4, 5, Pixels::U16(vec![0; 60])).unwrap();
        for wrong in [
            vec![image.clone(), other],
            vec![image.clone(), flat],
            vec![image.clone(), apart(&[1])],
            Vec::new(),
        ] {
            assert!(stacked(wrong).is_err());
        }
    }
}
