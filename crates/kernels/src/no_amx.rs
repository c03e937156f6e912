//! Stands for [`amx`](crate::amx) where the processor cannot have it.

use std::ops::Range;

use crate::bf16::Bf16;
use crate::matrix::{Panels, Product, Target};

pub(crate) const SIDE: usize = 16;
pub(crate) const BLOCK: usize = 2 * SIDE;

pub(crate) fn processor_has() -> bool {
    false
}

pub(crate) fn available() -> bool {
    false
}

/// There is none.
#[derive(Clone, Copy)]
pub(crate) enum Tiles {}

#[derive(Clone, Copy)]
#[expect(dead_code, reason = "there is nothing that could read them")]
pub(crate) struct LeftRows<'a> {
    pub words: &'a [u32],
    pub stride: usize,
    pub steps: &'a [usize],
}

pub(crate) struct Ahead(());

impl Ahead {
    pub fn new(_: [Range<*const f32>; 2]) -> Ahead {
        Ahead(())
    }
}

pub(crate) fn following(_: &[f32]) -> Range<*const f32> {
    std::ptr::null()..std::ptr::null()
}

pub(crate) fn steps_between(_: &[usize]) -> Vec<usize> {
    Vec::new()
}

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
