//! Clustering features, and judging clusters: against labels, against chance, and by themselves.
//!
//! [`KMeans`] clusters, [`choose_k`] picks its k by [`silhouette`]. [`Agreement`] compares two labellings of
//! the same samples whatever the names of their labels: mutual information, NMI, AMI, ARI, purity;
//! [`shuffled_ami`] tells what AMI is worth here when the labels mean nothing. [`ClusterProtocol`] does it all
//! and returns a [`Clusters`].

mod agreement;
mod chance;
mod choose;
mod kmeans;
mod protocol;
mod silhouette;

pub use agreement::{Agreement, Average};
pub use chance::{Shuffled, shuffled_ami};
pub use choose::{Choice, Tried, choose_k};
pub use kmeans::{Clustering, KMeans, spherical_means};
pub use protocol::{
    AGREEMENT_MEASURES, CLUSTER_MEASURES, Cluster, ClusterProtocol, Clusters, LabelAgreement, Number, RowName,
};
pub use silhouette::{silhouette, silhouette_samples};
