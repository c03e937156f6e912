//! Matrices of 3 x 3.

/// Rows of numbers.
pub type Matrix = [[f64; 3]; 3];

/// The determinant of `m`.
pub fn determinant(m: Matrix) -> f64 {
    (0..3).map(|j| m[0][j] * minor(m, 0, j)).sum()
}

/// The inverse of `m`, by its minors; entries that are not finite where there is none.
pub fn inverse(m: Matrix) -> Matrix {
    let determinant = determinant(m);
    std::array::from_fn(|i| std::array::from_fn(|j| minor(m, j, i) / determinant))
}

/// The determinant of what is left of `m` without row `i` and column `j`, with its sign.
fn minor(m: Matrix, i: usize, j: usize) -> f64 {
    let (a, b) = ((i + 1) % 3, (i + 2) % 3);
    let (c, d) = ((j + 1) % 3, (j + 2) % 3);
    m[a][c] * m[b][d] - m[a][d] * m[b][c]
}

/// Rows become columns.
pub(crate) fn transposed(m: Matrix) -> Matrix {
    std::array::from_fn(|i| std::array::from_fn(|j| m[j][i]))
}

/// `row m`.
pub(crate) fn row_times(row: [f64; 3], m: Matrix) -> [f64; 3] {
    std::array::from_fn(|j| (0..3).map(|k| row[k] * m[k][j]).sum())
}

/// `m column`.
pub(crate) fn times_column(m: Matrix, column: [f64; 3]) -> [f64; 3] {
    m.map(|row| row.iter().zip(&column).map(|(a, b)| a * b).sum())
}

/// The eigenvectors of a symmetric `m`, of length 1, that of the largest eigenvalue first: by Jacobi's rotations (G. H. Golub and
/// C. F. Van Loan, "Matrix Computations", section 8.5).
pub(crate) fn eigenvectors(m: Matrix) -> [[f64; 3]; 3] {
    let (mut m, mut vectors) = (m, [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]);
    for _ in 0..50 {
        for (p, q) in [(0, 1), (0, 2), (1, 2)] {
            if m[p][q] != 0.0 {
                turn(&mut m, &mut vectors, p, q);
            }
        }
        if m[0][1] == 0.0 && m[0][2] == 0.0 && m[1][2] == 0.0 {
            break;
        }
    }
    let mut order = [0, 1, 2];
    order.sort_by(|&a, &b| m[b][b].total_cmp(&m[a][a]));
    order.map(|at| vectors[at])
}

/// The rotation in the plane of axes `p` and `q` after which their entry of `m` is 0; `vectors` are turned with it.
fn turn(m: &mut Matrix, vectors: &mut Matrix, p: usize, q: usize) {
    let tau = (m[q][q] - m[p][p]) / (2.0 * m[p][q]);
    let tangent = tau.signum() / (tau.abs() + tau.hypot(1.0));
    let cosine = tangent.hypot(1.0).recip();
    let sine = tangent * cosine;
    let moved = tangent * m[p][q];
    m[p][p] -= moved;
    m[q][q] += moved;
    (m[p][q], m[q][p]) = (0.0, 0.0);
    let k = 3 - p - q;
    let (a, b) = (m[k][p], m[k][q]);
    (m[k][p], m[k][q]) = (cosine * a - sine * b, sine * a + cosine * b);
    (m[p][k], m[q][k]) = (m[k][p], m[k][q]);
    let (a, b) = (vectors[p], vectors[q]);
    let mixed = |x: f64, y: f64| std::array::from_fn(|entry| x * a[entry] + y * b[entry]);
    (vectors[p], vectors[q]) = (mixed(cosine, -sine), mixed(sine, cosine));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_inverse_undoes() {
        let m = [[2.0, 1.0, 0.5], [-1.0, 3.0, 0.0], [0.25, 0.0, -4.0]];
        let inverse = inverse(m);
        for (i, row) in m.into_iter().enumerate() {
            for (j, product) in row_times(row, inverse).into_iter().enumerate() {
                assert!((product - f64::from(u8::from(i == j))).abs() < 1e-12);
            }
        }
        assert!((determinant(m) - -28.375).abs() < 1e-12);
        assert_eq!(transposed(m)[0], [2.0, -1.0, 0.25]);
    }

    proptest! {
        #[test]
        fn eigenvectors_are_only_made_longer(entries in prop::array::uniform6(-10.0..10.0f64)) {
            let [a, b, c, d, e, f] = entries;
            let m = [[a, b, c], [b, d, e], [c, e, f]];
            let vectors = eigenvectors(m);
            let dot = |a: [f64; 3], b: [f64; 3]| a.iter().zip(&b).map(|(a, b)| a * b).sum::<f64>();
            let mut before = f64::INFINITY;
            for (at, &vector) in vectors.iter().enumerate() {
                let image = times_column(m, vector);
                let value = dot(image, vector);
                prop_assert!((0..3).all(|k| (image[k] - value * vector[k]).abs() < 1e-9), "{vector:?}");
                prop_assert!(value <= before + 1e-9, "in falling order");
                before = value;
                for (other, &with) in vectors.iter().enumerate() {
                    prop_assert!((dot(vector, with) - f64::from(u8::from(at == other))).abs() < 1e-12);
                }
            }
        }
    }
}
