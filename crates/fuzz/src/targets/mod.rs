//! The targets: one reader each, one file each.

use crate::Target;

mod arrays;
mod cifar;
mod dicom;
mod idx;
mod layout;
mod nifti;
mod npy;
mod npz;
mod objects;
mod ome;
mod parquet;
mod plates;
#[cfg(feature = "weights")]
mod pth;
mod raster;
#[cfg(feature = "weights")]
mod safetensors;
#[cfg(feature = "settings")]
mod settings;
mod tables;
mod tar;
mod tiff;
#[cfg(feature = "weights")]
mod weights;
mod zip;

/// All targets.
pub const TARGETS: &[Target] = &[
    npz::TARGET,
    npy::TARGET,
    idx::TARGET,
    cifar::TARGET,
    tiff::TARGET,
    raster::TARGET,
    dicom::TARGET,
    nifti::TARGET,
    zip::TARGET,
    tar::TARGET,
    layout::TARGET,
    tables::TARGET,
    objects::TARGET,
    plates::TARGET,
    ome::TARGET,
    parquet::TARGET,
    #[cfg(feature = "weights")]
    safetensors::TARGET,
    #[cfg(feature = "weights")]
    pth::TARGET,
    #[cfg(feature = "settings")]
    settings::TARGET,
];
