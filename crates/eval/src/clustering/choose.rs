//! The number of clusters that the features themselves suggest.

use serde::{Deserialize, Serialize};

use super::silhouette::silhouettes;
use super::{Clustering, KMeans};
use crate::distances::Distance;
use crate::draws::{Draw, stream};
use crate::{EvalError, Features};

/// A number of clusters, and what the others would have given.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// The k with the largest silhouette, the smallest of several.
    pub k: usize,
    /// Its clustering.
    pub clustering: Clustering,
    /// Its silhouette; `None` where it is undefined (one cluster, or as many as rows).
    pub silhouette: Option<f64>,
    /// Every k tried with its silhouette.
    pub tried: Vec<Tried>,
}

/// A number of clusters that was tried.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tried {
    /// The number.
    pub k: usize,
    /// The silhouette; `None` where it is undefined.
    pub silhouette: Option<f64>,
}

/// Clusters `features` with each k of `candidates` (all else as in `settings`) and keeps the one with the
/// largest silhouette. Spherical clusters are judged by cosine distance, others by Euclidean.
///
/// Silhouettes need every distance, so beyond `silhouette_rows` rows they are those of that many rows drawn
/// without replacement from the seed, the same for every k.
///
/// # Errors
/// As [`KMeans::run`]; [`EvalError::Empty`] without candidates.
pub fn choose_k(
    features: &Features,
    candidates: &[usize],
    settings: &KMeans,
    silhouette_rows: usize,
) -> Result<Choice, EvalError> {
    let cluster = |&k: &usize| KMeans { k, ..settings.clone() }.run(features);
    let mut clusterings = candidates.iter().map(cluster).collect::<Result<Vec<_>, _>>()?;
    let silhouettes = sampled_silhouettes(features, &clusterings, settings, silhouette_rows)?;
    let tried = candidates.iter().zip(&silhouettes);
    let tried: Vec<Tried> = tried.map(|(&k, &silhouette)| Tried { k, silhouette }).collect();
    let value = |place: usize| tried[place].silhouette.unwrap_or(f64::NEG_INFINITY);
    let better = |best: usize, other: usize| {
        let (a, b) = (value(best), value(other));
        if b > a || (a == b && tried[other].k < tried[best].k) { other } else { best }
    };
    let nothing = || EvalError::Empty { what: "the list of numbers of clusters".to_string() };
    let best = (0..tried.len()).reduce(better).ok_or_else(nothing)?;
    let Tried { k, silhouette } = tried[best];
    Ok(Choice { k, clustering: clusterings.swap_remove(best), silhouette, tried })
}

fn sampled_silhouettes(
    features: &Features,
    clusterings: &[Clustering],
    settings: &KMeans,
    most: usize,
) -> Result<Vec<Option<f64>>, EvalError> {
    let mut rows: Vec<usize> = (0..features.rows()).collect();
    let sample = if rows.len() > most {
        rows = stream(settings.seed, Draw::Sample, 0).permutation(rows.len());
        rows.truncate(most);
        rows.sort_unstable();
        features.subset(&rows)?
    } else {
        features.clone()
    };
    let of_rows = |clustering: &Clustering| -> Vec<usize> {
        rows.iter().map(|&row| clustering.clusters[row]).collect()
    };
    let sampled: Vec<Vec<usize>> = clusterings.iter().map(of_rows).collect();
    let defined = |clusters: &[usize]| {
        let count = crate::features::numbered(clusters).1;
        count >= 2 && count < clusters.len()
    };
    let judged: Vec<&[usize]> =
        sampled.iter().map(Vec::as_slice).filter(|clusters| defined(clusters)).collect();
    let distance = if settings.spherical { Distance::Cosine } else { Distance::Euclidean };
    let mut values = silhouettes(&sample, &judged, distance)?.into_iter();
    Ok(sampled.iter().map(|clusters| if defined(clusters) { values.next() } else { None }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clustering::silhouette;
    use crate::testing::{blobs, random_features};

    #[test]
    fn finds_how_many_groups_there_are() {
        let set = blobs(200, 4, 8, 0.2, 1);
        let choice = choose_k(set.features(), &[2, 3, 4, 5, 6], &KMeans::default(), 1000).unwrap();
        assert_eq!(choice.k, 4);
        let alone = KMeans { k: 4, ..KMeans::default() }.run(set.features()).unwrap();
        let value = silhouette(set.features(), &alone.clusters, Distance::Euclidean).unwrap();
        assert_eq!((choice.clustering, choice.silhouette), (alone, Some(value)));
        let sampled = choose_k(set.features(), &[3, 4, 5], &KMeans::default(), 60).unwrap();
        assert!(sampled.k == 4 && sampled.silhouette != Some(value));
    }

    #[test]
    fn numbers_without_silhouette_lose() {
        let features = random_features(5, 2, 1);
        let choice = choose_k(&features, &[1, 5, 3], &KMeans::default(), 100).unwrap();
        assert_eq!((choice.k, choice.tried[0].silhouette, choice.tried[1].silhouette), (3, None, None));
        let one = choose_k(&features, &[1], &KMeans::default(), 100).unwrap();
        assert_eq!((one.k, one.silhouette), (1, None));
        assert!(matches!(choose_k(&features, &[], &KMeans::default(), 9), Err(EvalError::Empty { .. })));
        let many = choose_k(&features, &[6], &KMeans::default(), 9);
        assert_eq!(many, Err(EvalError::ClusterCount { k: 6, rows: 5 }));
    }
}
