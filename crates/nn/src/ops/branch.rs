//! Residual branches with layer scale, through which stochastic depth lets only some images of a batch.

use std::sync::Arc;

use burn::tensor::{Tensor, TensorData};
use twinlens_kernels::{layer_scale_backward, layer_scale_forward, select_images, select_images_backward};

use super::arrays::array;
use super::body::Body;
use super::bridge::{Array, CpuOp, Kind, Point, Values, by_kind, run};

/// The images of a batch that go through a branch, and the number that the branch's result is multiplied by.
#[derive(Clone, Debug)]
pub struct DropPathMask {
    /// Ascending, and never none.
    images: Arc<[usize]>,
    batch: usize,
    scale: f32,
}

impl DropPathMask {
    /// All images of a batch, as they are.
    pub fn all(batch: usize) -> DropPathMask {
        DropPathMask { images: (0..batch).collect(), batch, scale: 1.0 }
    }

    /// The images of a batch for which `keeps` says so, asked in their order.
    pub fn drawn(batch: usize, scale: f32, mut keeps: impl FnMut() -> bool) -> DropPathMask {
        let images: Vec<usize> = (0..batch).filter(|_| keeps()).collect();
        if images.is_empty() {
            // One image, counted zero times, so that the branch's parameters have gradients, which are 0.
            return DropPathMask { images: Arc::new([0]), batch, scale: 0.0 };
        }
        DropPathMask { images: images.into(), batch, scale }
    }

    fn is_all(&self) -> bool {
        self.images.len() == self.batch
    }

    /// What each image's result is multiplied by, 0 for those that are dropped.
    fn scales(&self) -> Vec<f32> {
        let mut scales = vec![0.0; self.batch];
        self.images.iter().for_each(|&image| scales[image] = self.scale);
        scales
    }
}

/// The images of `x`, `[batch, ...]`, that are kept, for a branch whose result goes to [`join`].
///
/// On other back ends than the CPU these are all images, as shapes that change slow them down; `join` then drops some results.
pub fn keep<const D: usize>(x: Tensor<D>, kept: &DropPathMask) -> Tensor<D> {
    if kept.is_all() || Body::of(&x) == Body::Composed {
        return x;
    }
    let mut shape = x.dims();
    shape[0] = kept.images.len();
    run(Keep { kept: kept.clone() }, [x.into()], shape).0
}

#[derive(Clone, Debug)]
struct Keep {
    kept: DropPathMask,
}

impl CpuOp<1> for Keep {
    type Saved = ();

    fn forward(&self, [x]: [Values<'_>; 1]) -> (Array, ()) {
        (by_kind!(x, |x| self.selected(x)), ())
    }

    fn backward(&self, at: Point<'_, 1, ()>) -> [Option<Array>; 1] {
        [Some(by_kind!(at.inputs[0], |x| self.put_back(Kind::of(at.gradient), x)))]
    }
}

impl Keep {
    fn selected<E: Kind>(&self, x: &[E]) -> Array {
        let mut y = array(x.len() / self.kept.batch * self.kept.images.len());
        select_images(x, &self.kept.images, &mut y);
        E::array(y)
    }

    fn put_back<E: Kind>(&self, dy: &[E], x: &[E]) -> Array {
        let mut dx = array(x.len());
        select_images_backward(dy, &self.kept.images, &mut dx);
        E::array(dx)
    }
}

/// The end of a residual block with layer scale, `shortcut + scale gamma branch` (Touvron et al. 2021, equation 3), for the
/// images that are kept, and `shortcut` for the others.
///
/// `shortcut` is `[batch, ..., channels]`, `branch` what became of [`keep`]'s result, `gamma` `[channels]`.
pub fn join<const D: usize>(
    shortcut: Tensor<D>,
    branch: Tensor<D>,
    gamma: Tensor<1>,
    kept: &DropPathMask,
) -> Tensor<D> {
    match Body::of(&shortcut) {
        Body::Kernels => {
            let shape = shortcut.dims();
            let join = Join { kept: kept.clone() };
            run(join, [shortcut.into(), branch.into(), gamma.into()], shape).0
        }
        Body::Composed => join_composed(shortcut, branch, gamma, kept),
    }
}

/// With a branch of all images.
pub(crate) fn join_composed<const D: usize>(
    shortcut: Tensor<D>,
    branch: Tensor<D>,
    gamma: Tensor<1>,
    kept: &DropPathMask,
) -> Tensor<D> {
    let branch = branch * gamma.unsqueeze();
    if kept.is_all() && kept.scale == 1.0 {
        return shortcut + branch;
    }
    let mut shape = [1; D];
    shape[0] = kept.batch;
    let scales = TensorData::new(kept.scales(), shape);
    let scales = Tensor::<D>::from_data(scales, &branch.device().without_autodiff());
    shortcut + branch * scales
}

#[derive(Clone, Debug)]
struct Join {
    kept: DropPathMask,
}

impl CpuOp<3> for Join {
    type Saved = ();
    const PASSES: [bool; 3] = [true, false, false];

    fn forward(&self, [shortcut, branch, gamma]: [Values<'_>; 3]) -> (Array, ()) {
        let gamma = self.scaled(gamma.singles());
        (by_kind!(shortcut, |shortcut| self.joined(shortcut, Kind::of(branch), &gamma)), ())
    }

    fn backward(&self, at: Point<'_, 3, ()>) -> [Option<Array>; 3] {
        let [_, branch, gamma] = at.inputs;
        let gamma = self.scaled(gamma.singles());
        let [dbranch, dgamma] =
            by_kind!(branch, |branch| self.gradients(Kind::of(at.gradient), branch, &gamma));
        [None, Some(dbranch), Some(dgamma)]
    }
}

impl Join {
    fn scaled(&self, numbers: &[f32]) -> Vec<f32> {
        numbers.iter().map(|x| self.kept.scale * x).collect()
    }

    fn joined<E: Kind>(&self, shortcut: &[E], branch: &[E], gamma: &[f32]) -> Array {
        let mut y = array(shortcut.len());
        layer_scale_forward(shortcut, branch, gamma, &self.kept.images, &mut y);
        E::array(y)
    }

    fn gradients<E: Kind>(&self, dy: &[E], branch: &[E], gamma: &[f32]) -> [Array; 2] {
        let (mut dbranch, mut dgamma) = (array(branch.len()), array(gamma.len()));
        layer_scale_backward(dy, branch, gamma, &self.kept.images, &mut dbranch, &mut dgamma);
        [E::array(dbranch), self.scaled(&dgamma).into()]
    }
}
