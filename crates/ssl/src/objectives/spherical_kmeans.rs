//! k-means on the sphere, as DeepCluster v2 clusters its memory (Caron et al., NeurIPS 2020, appendix; Dhillon and
//! Modha 2001).

use burn::tensor::{Tensor, TensorData};
use twinlens_eval::clustering::spherical_means;
use twinlens_nn::ops::read;

/// Samples compared with all centroids at a time.
const CHUNK: usize = 4096;

/// A clustering.
#[derive(Clone, Debug)]
pub struct Clusters {
    /// Unit rows `[K, D]`.
    pub centroids: Tensor<2>,
    /// The cluster of each sample.
    pub assignments: Vec<usize>,
    /// The mean of every sample's cosine with its centroid.
    pub mean_similarity: f64,
}

/// `iterations` times: every sample goes to the centroid with the largest cosine (the first on ties), and every
/// centroid becomes the mean of its samples, scaled to length 1; one without samples stays. Then samples are assigned
/// once more.
///
/// Shapes: unit rows `x [N, D]`, `centroids [K, D]`. Means are added up in f64, in the order of the samples.
pub fn spherical_kmeans(x: Tensor<2>, centroids: Tensor<2>, iterations: usize) -> Clusters {
    let x = x.without_autodiff();
    let values = read(x.clone());
    let mut centroids = centroids.without_autodiff();
    for _ in 0..iterations {
        let (assignments, _) = assign(&x, &centroids);
        centroids = means(&values, &assignments, centroids);
    }
    let (assignments, similarities) = assign(&x, &centroids);
    let mean = similarities.iter().map(|&s| f64::from(s)).sum::<f64>() / similarities.len().max(1) as f64;
    Clusters { centroids, assignments, mean_similarity: mean }
}

/// Each sample's centroid and its dot product with it.
fn assign(x: &Tensor<2>, centroids: &Tensor<2>) -> (Vec<usize>, Vec<f32>) {
    let [n, _] = x.dims();
    let columns = centroids.clone().transpose();
    let (mut places, mut similarities) = (Vec::with_capacity(n), Vec::with_capacity(n));
    for start in (0..n).step_by(CHUNK) {
        let products = x.clone().narrow(0, start, CHUNK.min(n - start)).matmul(columns.clone());
        let (most, at) = products.max_dim_with_indices(1);
        places.extend(at.into_data().convert::<i64>().iter::<i64>().map(|place| place as usize));
        similarities.extend(read(most));
    }
    (places, similarities)
}

fn means(values: &[f32], assignments: &[usize], old: Tensor<2>) -> Tensor<2> {
    let [k, d] = old.dims();
    let mut centroids: Vec<f64> = read(old.clone()).into_iter().map(f64::from).collect();
    spherical_means(values, d, assignments, &mut centroids);
    let centroids = centroids.into_iter().map(|value| value as f32).collect();
    Tensor::from_data(TensorData::new(centroids, [k, d]), &old.device())
}
