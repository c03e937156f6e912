//! Tensors start here: the op seam, encoders, heads, weights in and out, optimisers.
//!
//! A network is two things kept apart: a *description* ([`network::Encoder`]: stages of layers, which hold sizes and
//! [`weights::Id`]s) and its [`weights::Weights`], a named list of parameters and buffers. A forward
//! pass brings both together in a [`weights::Pass`]. So a second set of weights for the same network (a target
//! network, an average, a checkpoint) is a clone of the list, and everything that walks over parameters
//! (optimisers, files, averages, freezing) is one loop.
//!
//! Images are `[N, H, W, C]` everywhere; files keep torchvision's names and orders (see [`weights`]).
//!
//! ```
//! use twinlens_nn::encoders::{Stem, find};
//! use twinlens_nn::weights::Weights;
//!
//! let mut weights = Weights::new(0, &twinlens_nn::device::open("cpu")?);
//! let encoder = find("resnet18")?.build(&mut weights.root(), Stem::Cifar, 3);
//! assert_eq!(weights.export("")["conv1.weight"].shape, [64, 3, 3, 3]);
//! assert!(encoder.stages().iter().any(|stage| stage.name() == "layer3"));
//! # Ok::<(), twinlens_nn::NnError>(())
//! ```

pub mod device;
pub mod encoders;
mod error;
pub mod heads;
pub mod layers;
pub mod lpips;
pub mod network;
pub mod norms;
pub mod onnx;
pub mod ops;
pub mod optim;
pub mod weights;

pub use error::NnError;
pub use twinlens_kernels::{Precision, has_bf16};
