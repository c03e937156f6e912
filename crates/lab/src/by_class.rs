//! What the images of each class look like in numbers: texture and detail, without any network.

use serde::Serialize;
use twinlens_data::{DataError, DataSet, Image, Split};
use twinlens_eval::analyses::{ImageMeasures, PropertySettings, grey_of_planes, image_measures};
use twinlens_eval::texture::Grey;

use crate::{Events, LabError, on_screen};

/// The images of a class that are looked at, at most: the first of their split.
const IMAGES: usize = 500;

/// Means over images of a class.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassTexture {
    /// The class.
    pub class: String,
    /// How many of its images were looked at.
    pub images: usize,
    /// Contrast of co-occurring grey levels.
    pub contrast: f64,
    /// Their homogeneity.
    pub homogeneity: f64,
    /// Their energy.
    pub energy: f64,
    /// Their correlation.
    pub correlation: f64,
    /// Share of the energy above a quarter of a cycle a pixel; none where every image has one level.
    pub high_frequency: Option<f64>,
}

/// Texture and detail of every class of `data`, of at most 500 of its training images (or of the first split there is). Classes without
/// an image there are left out. For the measures see [`class_properties`](twinlens_eval::analyses::class_properties).
///
/// # Errors
/// A set without labels, images that cannot be read.
pub fn class_textures(data: &DataSet, events: &dyn Events) -> Result<Vec<ClassTexture>, LabError> {
    let source = Split::ALL.into_iter().find_map(|split| data.splits.get(split));
    let source = source.ok_or(DataError::NoSamples { what: "the texture of classes" })?;
    let mut measures: Vec<Vec<ImageMeasures>> = vec![Vec::new(); data.classes.len()];
    let task = events.begin("texture of classes");
    for index in 0..source.len() {
        if let Some(class) = source.label(index)
            && measures[class].len() < IMAGES
        {
            measures[class].push(measured(&source.image(index)?, &PropertySettings::default())?);
        }
        task.at(index as u64 + 1, source.len() as u64);
    }
    let found: Vec<ClassTexture> =
        data.classes.iter().zip(&measures).filter_map(|(class, images)| mean(class, images)).collect();
    if found.is_empty() {
        return Err(DataError::NoLabels { name: data.name.clone() }.into());
    }
    Ok(found)
}

fn mean(class: &str, images: &[ImageMeasures]) -> Option<ClassTexture> {
    let over =
        |values: &[f64]| (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64);
    let texture = |place: usize| over(&images.iter().map(|image| image.texture[place]).collect::<Vec<f64>>());
    let details: Vec<f64> = images.iter().filter_map(|image| image.high_frequency).collect();
    Some(ClassTexture {
        class: class.to_owned(),
        images: images.len(),
        contrast: texture(0)?,
        homogeneity: texture(1)?,
        energy: texture(2)?,
        correlation: texture(3)?,
        high_frequency: over(&details),
    })
}

/// Texture and detail of one image, as it looks on a screen.
pub(crate) fn measured(image: &Image, settings: &PropertySettings) -> Result<ImageMeasures, LabError> {
    let shown = on_screen(image)?;
    let (width, height) = (shown.width() as usize, shown.height() as usize);
    let plane = |channel: usize| shown.pixels().map(|pixel| pixel.0[channel]).collect::<Vec<u8>>();
    let planes = [0, 1, 2].map(plane);
    let grey = grey_of_planes(&planes.each_ref().map(Vec::as_slice))?;
    Ok(image_measures(Grey::new(&grey, height, width)?, settings)?)
}

#[cfg(test)]
mod tests {
    use twinlens_data::{DataSettings, OpenOptions, SplitPolicy};
    use twinlens_report::{Picture, RgbImage};

    use super::*;
    use crate::Silent;

    #[test]
    fn stripes_have_more_contrast_and_detail_than_slopes() {
        let folder = tempfile::tempdir().unwrap();
        for (class, value) in
            [("slope", (|at: u32| at as u8 * 10) as fn(u32) -> u8), ("stripes", |at| (at % 2) as u8 * 200)]
        {
            let place = folder.path().join(class);
            std::fs::create_dir(&place).unwrap();
            let picture = RgbImage::from_fn(16, 16, |x, _| [value(x); 3].into());
            std::fs::write(place.join("a.png"), Picture::png(&picture).unwrap().bytes()).unwrap();
        }
        let settings = DataSettings { splits: SplitPolicy::Defined, ..DataSettings::default() };
        let data = twinlens_data::open(folder.path(), &OpenOptions::from(settings)).unwrap();
        let found = class_textures(&data, &Silent).unwrap();
        let [slope, stripes] = &found[..] else { panic!("{found:?}") };
        assert_eq!((slope.class.as_str(), slope.images), ("slope", 1));
        assert!(stripes.contrast > 10.0 * slope.contrast, "{found:?}");
        assert!(stripes.high_frequency.unwrap() > 0.5 && slope.high_frequency.unwrap() < 0.5, "{found:?}");
    }
}
