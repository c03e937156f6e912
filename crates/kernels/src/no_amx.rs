//! Stands for [`amx`](crate::amx) where the processor cannot have it.

use half::bf16 as Bf16;

use crate::ahead::Ahead;
use crate::matrix::{Panels, Product, Target};
use crate::tiles::LeftRows;

pub(crate) fn processor_has() -> bool {
    false
}

pub(crate) fn available() -> bool {
    false
}

/// There is none.
#[derive(Clone, Copy)]
pub(crate) enum Tiles {}

impl Tiles {
    pub fn available() -> Option<Tiles> {
        None
    }

    pub fn run(self, _: Product<'_, Bf16>) {
        match self {}
    }

    pub fn multiply_tiles(
        self,
        _: LeftRows<'_>,
        _: &[usize],
        _: [&[u32]; 2],
        _: &mut [f32],
        _: Target,
        _: &mut Ahead,
    ) {
        match self {}
    }

    pub fn multiply_rows(
        self,
        _: LeftRows<'_>,
        _: usize,
        _: Panels<Bf16>,
        _: &mut [f32],
        _: Target,
        _: &mut Ahead,
    ) {
        match self {}
    }

    pub fn transpose_pixels(self, _: &[Bf16], _: usize, _: &mut [u32], _: usize) {
        match self {}
    }
}
