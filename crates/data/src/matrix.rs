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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inverse_undoes() {
        let m = [[2.0, 1.0, 0.5], [-1.0, 3.0, 0.0], [0.25, 0.0, -4.0]];
        let inverse = inverse(m);
        for (i, row) in m.iter().enumerate() {
            for j in 0..3 {
                let product: f64 = (0..3).map(|k| row[k] * inverse[k][j]).sum();
                assert!((product - f64::from(u8::from(i == j))).abs() < 1e-12);
            }
        }
        assert!((determinant(m) - -28.375).abs() < 1e-12);
        assert_eq!(transposed(m)[0], [2.0, -1.0, 0.25]);
    }
}
