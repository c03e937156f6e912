//! How a volume lies in the patient: from the affine of a file to the anatomical direction of every axis.

use crate::matrix::{Matrix, determinant, inverse, transposed};

/// Rows of `[x y z 1] -> millimetres right, anterior and superior`.
pub(super) type Affine = [[f64; 4]; 3];

/// For right, anterior and superior: the stored axis that runs along it, and whether it runs against it.
pub(super) type Axes = [(usize, bool); 3];

/// Those of a file that does not say them, as nibabel takes such files: x runs to the left, y forward, z up.
pub(super) const UNKNOWN: Axes = [(0, true), (1, false), (2, false)];

/// Below this determinant axes of length 1 lie in one plane.
const FLAT: f64 = 1e-9;

/// The affine of a unit quaternion with `i, j, k` as parts `[b, c, d]`, an offset and sizes of a voxel; `mirrored` turns z
/// around (method 2 of `nifti1.h`). Sizes that are no sizes are 1.
pub(super) fn from_quaternion(
    [b, c, d]: [f64; 3],
    offset: [f64; 3],
    size: [f64; 3],
    mirrored: bool,
) -> Affine {
    let squares = b * b + c * c + d * d;
    // Rounding may leave a little more than 1, or a little less where it was 1.
    let (a, scale) =
        if squares > 1.0 - 1e-7 { (0.0, squares.sqrt().recip()) } else { ((1.0 - squares).sqrt(), 1.0) };
    let [b, c, d] = [b, c, d].map(|part| part * scale);
    let rotation = [
        [a * a + b * b - c * c - d * d, 2.0 * (b * c - a * d), 2.0 * (b * d + a * c)],
        [2.0 * (b * c + a * d), a * a + c * c - b * b - d * d, 2.0 * (c * d - a * b)],
        [2.0 * (b * d - a * c), 2.0 * (c * d + a * b), a * a + d * d - b * b - c * c],
    ];
    let [x, y, z] = size.map(|size| if size > 0.0 { size } else { 1.0 });
    let size = [x, y, if mirrored { -z } else { z }];
    std::array::from_fn(|row| {
        let [x, y, z] = std::array::from_fn(|axis| rotation[row][axis] * size[axis]);
        [x, y, z, offset[row]]
    })
}

/// The anatomical direction closest to each stored axis, as nibabel's `io_orientation` finds it: of the rotation closest to
/// the axes, the strongest entry decides first, and no direction is given twice.
pub(super) fn closest(affine: &Affine) -> Axes {
    let mut left = rotation(affine);
    let strength = |axis: usize| left.iter().map(|row| row[axis] * row[axis]).fold(0.0, f64::max);
    let mut order = [0, 1, 2];
    order.sort_by(|&a, &b| strength(b).total_cmp(&strength(a)));
    let mut found: [Option<(usize, bool)>; 3] = [None; 3];
    let mut without = Vec::new();
    for axis in order {
        let of = |direction: usize| left[direction][axis];
        // The first of equals, as NumPy's argmax.
        let most = (1..3).fold(0, |best, next| if of(next).abs() > of(best).abs() { next } else { best });
        if of(most).abs() <= 1e-8 {
            without.push(axis);
            continue;
        }
        found[most] = Some((axis, of(most) < 0.0));
        left[most] = [0.0; 3];
    }
    found.map(|found| found.or_else(|| without.pop().map(|axis| (axis, false))).unwrap_or((0, false)))
}

/// The rotation (or rotation and reflection) closest to the axes, each taken at length 1: the orthogonal factor of the polar
/// decomposition, by Newton's iteration `X <- (X + X^-T) / 2` (N. J. Higham, "Computing the polar decomposition", 1986).
/// Axes that lie in one plane have none and stay as they are.
fn rotation(affine: &Affine) -> Matrix {
    let length = |axis: usize| affine.iter().map(|row| row[axis] * row[axis]).sum::<f64>().sqrt();
    let lengths = [0, 1, 2].map(|axis| if length(axis) > 0.0 { length(axis) } else { 1.0 });
    let mut x: Matrix =
        std::array::from_fn(|row| std::array::from_fn(|axis| affine[row][axis] / lengths[axis]));
    if determinant(x).abs() < FLAT {
        return x;
    }
    for _ in 0..100 {
        let back = transposed(inverse(x));
        let next: Matrix = std::array::from_fn(|i| std::array::from_fn(|j| (x[i][j] + back[i][j]) / 2.0));
        let moved = next.as_flattened().iter().zip(x.as_flattened()).map(|(a, b)| (a - b).abs());
        let moved = moved.fold(0.0, f64::max);
        x = next;
        if moved < 1e-15 {
            break;
        }
    }
    x
}
