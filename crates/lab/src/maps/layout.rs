//! Ways of laying features out in the plane.

use twinlens_eval::maps::{Pca, Tsne};
use twinlens_eval::neighbours::cosine_others;
use twinlens_eval::{EvalError, Features};
use twinlens_report::Frame;

/// Nearest others that an interactive map names for each image, if there are so many.
const NEAREST: usize = 8;
/// The usual perplexity, where there are images enough for it.
const PERPLEXITY: f64 = 30.0;

/// A method with its settings.
#[derive(Clone, Debug, PartialEq)]
pub enum Layout {
    /// t-SNE.
    Tsne(Tsne),
    /// The first two principal components.
    Pca,
}

impl Layout {
    /// t-SNE with the usual settings for so many images.
    pub fn usual(images: usize) -> Layout {
        let perplexity = (images.saturating_sub(1) / 3) as f64;
        Layout::Tsne(Tsne { perplexity: perplexity.min(PERPLEXITY), ..Tsne::default() })
    }

    /// The method and what matters of its settings, in words.
    pub fn name(&self) -> String {
        match self {
            Layout::Tsne(tsne) => {
                format!("t-SNE (perplexity {}, start from the principal components)", tsne.perplexity)
            }
            Layout::Pca => "The first two principal components".to_owned(),
        }
    }

    /// How such a map is to be read.
    pub fn reading(&self) -> &'static str {
        match self {
            Layout::Tsne(_) => {
                "Near points have similar features; distances between groups and their sizes mean little."
            }
            Layout::Pca => "Distances mean something, as far as these two directions hold the variance.",
        }
    }

    /// The method's name in messages, and the images that it needs at least.
    pub(super) fn needs(&self) -> (&'static str, usize) {
        match self {
            Layout::Tsne(_) => ("t-SNE", 4),
            Layout::Pca => ("a map of principal components", 2),
        }
    }

    /// A map, near the one `before` as far as the features allow it, with the nearest others of each image by its features.
    ///
    /// # Errors
    /// As [`Layout::run`]; fewer than two images.
    pub fn frame(
        &self,
        name: String,
        features: &Features,
        before: Option<&Frame>,
    ) -> Result<Frame, EvalError> {
        let points = self.run(features, before.map(|frame| &frame.points[..]))?;
        let neighbours = cosine_others(features, NEAREST.min(features.rows().saturating_sub(1)))?;
        Ok(Frame { name, points, neighbours })
    }

    /// Where each row lies: near where it was on the map `before`, as far as the features allow it.
    ///
    /// # Errors
    /// Settings that do not fit the number of rows; rows that are all equal.
    pub fn run(&self, features: &Features, before: Option<&[[f32; 2]]>) -> Result<Vec<[f32; 2]>, EvalError> {
        match (self, before) {
            (Layout::Tsne(tsne), None) => tsne.run(features).map(|map| map.points),
            (Layout::Tsne(tsne), Some(before)) => tsne.run_after(features, before).map(|map| map.points),
            (Layout::Pca, _) => principal(features).map(|points| towards(points, before)),
        }
    }
}

/// The first two principal coordinates; the second is 0 where features have one dimension.
fn principal(features: &Features) -> Result<Vec<[f32; 2]>, EvalError> {
    let components = features.dim().min(features.rows()).min(2);
    let pca = Pca::fit(features, components)?;
    if pca.variances()[0] == 0.0 {
        return Err(EvalError::NoSpread { rows: features.rows() });
    }
    let projected = pca.project(features)?;
    Ok(projected.iter().map(|row| [row[0], row.get(1).copied().unwrap_or(0.0)]).collect())
}

/// Principal coordinates with the signs, which are arbitrary, that bring them nearest to an earlier map.
fn towards(mut points: Vec<[f32; 2]>, before: Option<&[[f32; 2]]>) -> Vec<[f32; 2]> {
    for axis in 0..2 {
        let pairs = points.iter().zip(before.unwrap_or_default());
        let product: f64 = pairs.map(|(now, then)| f64::from(now[axis]) * f64::from(then[axis])).sum();
        if product < 0.0 {
            points.iter_mut().for_each(|point| point[axis] = -point[axis]);
        }
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rows: &[[f32; 3]]) -> Features {
        Features::new(rows.len(), 3, rows.concat()).unwrap()
    }

    #[test]
    fn perplexity_fits_few_images() {
        let perplexity = |images| match Layout::usual(images) {
            Layout::Tsne(tsne) => tsne.perplexity,
            Layout::Pca => f64::NAN,
        };
        assert_eq!([10, 90, 91, 5000].map(perplexity), [3.0, 29.0, 30.0, 30.0]);
    }

    #[test]
    fn principal_components_keep_the_signs_of_the_map_before() {
        let features = rows(&[[-3.0, 1.0, 0.0], [-1.0, -1.0, 0.0], [1.0, -1.0, 0.0], [3.0, 1.0, 0.0]]);
        let plain = Layout::Pca.run(&features, None).unwrap();
        let mirrored: Vec<[f32; 2]> = plain.iter().map(|[x, y]| [-x, *y]).collect();
        assert_eq!(Layout::Pca.run(&features, Some(&mirrored)).unwrap(), mirrored);
        assert_eq!(Layout::Pca.run(&features, Some(&plain)).unwrap(), plain);
    }

    #[test]
    fn equal_features_are_told_as_such() {
        let equal = rows(&[[1.0; 3]; 40]);
        for layout in [Layout::Pca, Layout::usual(40)] {
            assert!(matches!(layout.run(&equal, None), Err(EvalError::NoSpread { rows: 40 })));
        }
    }
}
