//! DeepCluster v2: clusters of the last epoch's embeddings are this epoch's classes.

use std::ops::RangeInclusive;

use burn::tensor::{Tensor, TensorData};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_nn::NnError;
use twinlens_nn::heads::Mlp;
use twinlens_nn::norms::unit_rows;
use twinlens_nn::ops::read;
use twinlens_nn::weights::Scope;
use twinlens_random::{Purpose, Stream};

use super::heads::ProjectorSettings;
use super::method::{Batch, Ground, Images, MANY, Method, MethodConfig, Output, Registered};
use super::network::Network;
use super::state::{MethodState, load, load_values, save, save_values};
use crate::objectives::{DeepCluster, spherical_kmeans};
use crate::problems::Problems;
use crate::{SettingProblem, SslError};

/// Views whose embeddings are remembered: the first ones, of full size.
const REMEMBERED: usize = 2;

/// Settings of DeepCluster v2.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DeepClusterV2Settings {
    /// Constants of the loss.
    #[serde(flatten)]
    pub objective: DeepCluster,
    /// Clusters of each clustering; at most the number of images.
    pub prototypes: Vec<usize>,
    /// Iterations of k-means at the start of an epoch.
    pub iterations: usize,
    /// The head between encoder and objective.
    pub projector: ProjectorSettings,
}

impl Default for DeepClusterV2Settings {
    fn default() -> DeepClusterV2Settings {
        DeepClusterV2Settings {
            objective: DeepCluster::default(),
            prototypes: vec![3000; 3],
            iterations: 10,
            projector: ProjectorSettings::default(),
        }
    }
}

impl Registered for DeepClusterV2Settings {
    const SUMMARY: &'static str =
        "each view predicts the image's cluster among those of the last epoch's embeddings";
    const PAPER: &'static str = "Caron et al., NeurIPS 2020, arXiv:2006.09882, appendix";
    const LOSS: &'static str = "the mean of ln(prototypes) where all images look alike; it falls, and jumps up where a new \
         clustering begins";
}

impl MethodConfig for DeepClusterV2Settings {
    fn views(&self) -> RangeInclusive<usize> {
        2..=MANY
    }

    fn projector(&self) -> Option<&ProjectorSettings> {
        Some(&self.projector)
    }

    fn check(&self, problems: &mut Problems) {
        self.objective.check(problems);
        let sound = !self.prototypes.is_empty() && self.prototypes.iter().all(|&k| k > 1);
        let got = format!("{:?}", self.prototypes);
        problems.require("prototypes", sound, "at least one number, each at least 2", &got);
        problems.least_one("iterations", self.iterations);
        self.projector.check(problems);
    }

    fn build(&self, scope: &mut Scope<'_>, ground: Ground) -> Box<dyn Method> {
        let projector = self.projector.build(scope, ground.features);
        let dim = self.projector.output_dim;
        let device = scope.weights().device();
        Box::new(DeepClusterV2 {
            projector,
            seed: ground.seed,
            dim,
            memory: vec![vec![]; REMEMBERED],
            prototypes: self.prototypes.iter().map(|&k| Tensor::zeros([k, dim], device)).collect(),
            assignments: vec![vec![]; self.prototypes.len()],
            settings: self.clone(),
        })
    }
}

/// The memory is filled by a pass over all images before the first epoch, as in the authors' code (solo-learn starts
/// it with noise and learns nothing in the first epoch). It holds one place for every image; images that an epoch
/// leaves out keep their last embedding. Clusterings take the remembered views in turn.
#[derive(Debug)]
struct DeepClusterV2 {
    projector: Mlp,
    settings: DeepClusterV2Settings,
    seed: u64,
    dim: usize,
    /// The last embedding of every image, `[images, dim]`, for each remembered view; empty before the first epoch.
    memory: Vec<Vec<f32>>,
    /// The centroids of each clustering.
    prototypes: Vec<Tensor<2>>,
    /// The cluster of every image, for each clustering; empty before the first epoch.
    assignments: Vec<Vec<usize>>,
}

impl DeepClusterV2 {
    /// Embeds all images by the present weights, with batch statistics and without touching the running ones.
    fn fill_memory(&mut self, network: &Network<'_>, images: &dyn Images) -> Result<(), SslError> {
        self.memory = vec![vec![0.0; images.count() * self.dim]; REMEMBERED];
        let mut weights = network.weights().clone();
        let mut network = network.target(&mut weights);
        images.visit(&mut |indices, mut views| {
            views.truncate(REMEMBERED);
            let z = network.project(&self.projector, views);
            remember(&mut self.memory, self.dim, indices, &z);
        })
    }

    fn cluster(&mut self, network: &Network<'_>, epoch: usize) {
        for (clustering, &k) in self.settings.prototypes.iter().enumerate() {
            let memory = &self.memory[clustering % REMEMBERED];
            let images = memory.len() / self.dim;
            let place = [epoch as u32, clustering as u32, 1];
            let mut chosen = Stream::new(self.seed, Purpose::Objective, place).permutation(images);
            chosen.truncate(k);
            let rows: Vec<f32> =
                chosen.iter().flat_map(|&image| &memory[image * self.dim..][..self.dim]).copied().collect();
            let tensor = |values: Vec<f32>| {
                let shape = [values.len() / self.dim, self.dim];
                Tensor::<2>::from_data(TensorData::new(values, shape), network.device())
            };
            let clusters = spherical_kmeans(tensor(memory.clone()), tensor(rows), self.settings.iterations);
            self.prototypes[clustering] = clusters.centroids;
            self.assignments[clustering] = clusters.assignments;
        }
    }
}

/// Puts the unit rows of each remembered view in the images' places.
fn remember(memory: &mut [Vec<f32>], dim: usize, indices: &[usize], z: &[Tensor<2>]) {
    for (memory, z) in memory.iter_mut().zip(z).filter(|(memory, _)| !memory.is_empty()) {
        let rows = read(unit_rows(z.clone().without_autodiff()));
        for (&image, row) in indices.iter().zip(rows.chunks_exact(dim)) {
            memory[image * dim..][..dim].copy_from_slice(row);
        }
    }
}

impl Method for DeepClusterV2 {
    fn start_of_epoch(
        &mut self,
        network: &mut Network<'_>,
        images: &dyn Images,
        epoch: usize,
    ) -> Result<(), SslError> {
        if let Some(most) = self.settings.prototypes.iter().find(|&&k| k > images.count()) {
            return Err(SslError::Settings {
                problems: vec![SettingProblem {
                    key: "method.prototypes".into(),
                    expected: format!("at most the {} training images", images.count()),
                    got: most.to_string(),
                }],
            });
        }
        if self.memory.iter().any(Vec::is_empty) {
            self.fill_memory(network, images)?;
        }
        self.cluster(network, epoch);
        Ok(())
    }

    fn forward(&mut self, network: &mut Network<'_>, batch: Batch, _epoch: usize) -> Output {
        let z = network.project(&self.projector, batch.views);
        let assigned = |clusters: &Vec<usize>| {
            batch.indices.iter().map(|&image| clusters.get(image).copied()).collect::<Vec<_>>()
        };
        let assignments: Vec<_> = self.assignments.iter().map(assigned).collect();
        let loss = self.settings.objective.loss(&z, &self.prototypes, &assignments);
        remember(&mut self.memory, self.dim, &batch.indices, &z);
        Output::new(loss, &z[0])
    }

    fn state(&self) -> MethodState {
        let mut state = MethodState::new();
        for (view, memory) in self.memory.iter().enumerate() {
            let shape = [memory.len() / self.dim, self.dim];
            save_values(&mut state, &format!("memory_{view}"), &shape, memory.clone());
        }
        for (clustering, clusters) in self.assignments.iter().enumerate() {
            save(&mut state, &format!("prototypes_{clustering}"), &self.prototypes[clustering]);
            // Numbers of clusters are far below 2^24, so f32 holds them exactly.
            let values = clusters.iter().map(|&cluster| cluster as f32).collect();
            save_values(&mut state, &format!("assignments_{clustering}"), &[clusters.len()], values);
        }
        state
    }

    fn restore(&mut self, state: &MethodState) -> Result<(), NnError> {
        for (view, memory) in self.memory.iter_mut().enumerate() {
            let name = format!("memory_{view}");
            *memory = load_values(state, &name, &[None, Some(self.dim)])?.values.clone();
        }
        for clustering in 0..self.assignments.len() {
            let prototypes = &mut self.prototypes[clustering];
            let name = format!("prototypes_{clustering}");
            *prototypes = load(state, &name, prototypes.dims(), &prototypes.device())?;
            let name = format!("assignments_{clustering}");
            let clusters = load_values(state, &name, &[None])?;
            self.assignments[clustering] = clusters.values.iter().map(|&cluster| cluster as usize).collect();
        }
        Ok(())
    }

    fn uninformative_loss(&self) -> Option<f64> {
        let logs = self.settings.prototypes.iter().map(|&k| (k as f64).ln());
        Some(logs.sum::<f64>() / self.settings.prototypes.len() as f64)
    }

    fn collapse_advice(&self) -> &'static str {
        "DeepCluster collapses when one cluster swallows the images: lower method.prototypes towards a \
         few images a cluster, lower optim.lr, or lengthen schedule.warmup_epochs"
    }
}
