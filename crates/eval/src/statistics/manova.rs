//! Do groups differ in the means of several quantities at once?

use super::distributions::fisher_upper;
use super::variance::grouped;
use crate::linalg::general_eigenvalues;
use crate::{EvalError, Features};

/// Eigenvalues of `(E + H)^-1 H` up to this are 0, as in statsmodels.
const NO_EFFECT: f64 = 1e-8;

/// One of the four classical tests.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ManovaTest {
    /// The statistic.
    pub value: f64,
    /// The F that it is compared by.
    pub f: f64,
    /// Degrees of freedom of that F.
    pub freedom: (f64, f64),
    /// Probability of an F at least as large if the groups had the same means.
    pub p_value: f64,
}

/// The outcome of a one-way multivariate analysis of variance. `e` are the eigenvalues of `E^-1 H`, with `E` and
/// `H` the matrices of squares and products within and between groups.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Manova {
    /// Wilks' lambda, `prod 1 / (1 + e)`, by Rao's F.
    pub wilks: ManovaTest,
    /// Pillai's trace, `sum e / (1 + e)`.
    pub pillai: ManovaTest,
    /// Hotelling and Lawley's trace, `sum e`.
    pub hotelling: ManovaTest,
    /// Roy's greatest root, `max e`; its F is an upper bound, so its p is optimistic.
    pub roy: ManovaTest,
}

/// One-way multivariate analysis of variance of the rows `y`, `[n, quantities]`; `groups` gives the group of
/// each row. Statistics, F approximations and degrees of freedom are those of statsmodels and SAS (Rencher and
/// Christensen, "Methods of multivariate analysis", section 6.1).
///
/// # Errors
/// Lists of different length, fewer than two groups, too few rows for the quantities;
/// [`EvalError::Undefined`] when a combination of the quantities does not vary within groups.
pub fn manova(y: &Features, groups: &[usize]) -> Result<Manova, EvalError> {
    let (n, quantities) = (y.rows(), y.dim());
    let (groups, count) = grouped(groups, n)?;
    if n < count + quantities {
        let what = "rows of these groups and quantities";
        return Err(EvalError::TooFew { what, expected: count + quantities, got: n });
    }
    let (within, between) = squares_and_products(y, &groups, count);
    let effects = general_eigenvalues(&between, &within, quantities).ok_or_else(|| EvalError::Undefined {
        what: "a multivariate analysis",
        reason: "a combination of the quantities does not vary within groups (leave one out)".to_string(),
    })?;
    let shape = Shape { p: quantities as f64, q: count as f64 - 1.0, v: (n - count) as f64 };
    let effects: Vec<f64> = effects.into_iter().filter(|e| e / (1.0 + e) > NO_EFFECT).collect();
    Ok(Manova {
        wilks: shape.wilks(effects.iter().map(|e| 1.0 / (1.0 + e)).product()),
        pillai: shape.pillai(effects.iter().map(|e| e / (1.0 + e)).sum()),
        hotelling: shape.hotelling(effects.iter().sum()),
        roy: shape.roy(effects.iter().copied().fold(0.0, f64::max)),
    })
}

/// `E` and `H`, each `[quantities, quantities]`.
fn squares_and_products(y: &Features, groups: &[usize], count: usize) -> (Vec<f64>, Vec<f64>) {
    let quantities = y.dim();
    let mean = y.column_means();
    let centred = |row: &[f32]| -> Vec<f64> {
        row.iter().zip(&mean).map(|(&value, mean)| f64::from(value) - mean).collect()
    };
    let mut means = vec![vec![0.0; quantities]; count];
    let mut sizes = vec![0.0; count];
    for (row, &group) in y.iter().zip(groups) {
        means[group].iter_mut().zip(centred(row)).for_each(|(sum, value)| *sum += value);
        sizes[group] += 1.0;
    }
    for (mean, size) in means.iter_mut().zip(&sizes) {
        mean.iter_mut().for_each(|sum| *sum /= size);
    }
    let (mut within, mut between) = (vec![0.0; quantities * quantities], vec![0.0; quantities * quantities]);
    for (row, &group) in y.iter().zip(groups) {
        let row = centred(row);
        let residual: Vec<f64> = row.iter().zip(&means[group]).map(|(value, mean)| value - mean).collect();
        add_outer(&mut within, &residual, 1.0);
    }
    for (mean, &size) in means.iter().zip(&sizes) {
        add_outer(&mut between, mean, size);
    }
    (within, between)
}

fn add_outer(matrix: &mut [f64], vector: &[f64], weight: f64) {
    for (row, a) in matrix.chunks_exact_mut(vector.len()).zip(vector) {
        row.iter_mut().zip(vector).for_each(|(slot, b)| *slot += weight * a * b);
    }
}

/// Quantities `p`, degrees of freedom of the hypothesis `q` and of the error `v`.
struct Shape {
    p: f64,
    q: f64,
    v: f64,
}

impl Shape {
    fn test(value: f64, f: f64, freedom: (f64, f64)) -> ManovaTest {
        ManovaTest { value, f, freedom, p_value: fisher_upper(f, freedom) }
    }

    /// `s`, `m`, `n` of the tables of these statistics.
    fn table(&self) -> (f64, f64, f64) {
        (self.p.min(self.q), ((self.p - self.q).abs() - 1.0) / 2.0, (self.v - self.p - 1.0) / 2.0)
    }

    fn wilks(&self, lambda: f64) -> ManovaTest {
        let Shape { p, q, v } = *self;
        let squares = p * p + q * q - 5.0;
        let t = if squares > 0.0 { ((p * p * q * q - 4.0) / squares).sqrt() } else { 1.0 };
        let freedom = (p * q, (v - (p - q + 1.0) / 2.0) * t - (p * q - 2.0) / 2.0);
        let root = lambda.powf(1.0 / t);
        Shape::test(lambda, (1.0 - root) / root * freedom.1 / freedom.0, freedom)
    }

    fn pillai(&self, trace: f64) -> ManovaTest {
        let (s, m, n) = self.table();
        let freedom = (s * (2.0 * m + s + 1.0), s * (2.0 * n + s + 1.0));
        Shape::test(trace, freedom.1 / freedom.0 * trace / (s - trace), freedom)
    }

    fn hotelling(&self, trace: f64) -> ManovaTest {
        let Shape { p, q, .. } = *self;
        let (s, m, n) = self.table();
        if n > 0.0 {
            let b = (p + 2.0 * n) * (q + 2.0 * n) / (2.0 * (2.0 * n + 1.0) * (n - 1.0));
            let freedom = (p * q, 4.0 + (p * q + 2.0) / (b - 1.0));
            let c = (freedom.1 - 2.0) / (2.0 * n);
            return Shape::test(trace, freedom.1 / freedom.0 * trace / c, freedom);
        }
        let freedom = (s * (2.0 * m + s + 1.0), 2.0 * (s * n + 1.0));
        Shape::test(trace, freedom.1 / (s * s * (2.0 * m + s + 1.0)) * trace, freedom)
    }

    fn roy(&self, root: f64) -> ManovaTest {
        let Shape { p, q, v } = *self;
        let freedom = (p.max(q), v - p.max(q) + q);
        Shape::test(root, freedom.1 / freedom.0 * root, freedom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::anova_oneway;
    use crate::testing::{blobs, classes_of, features_of};
    use proptest::prelude::*;

    #[test]
    fn golden_manova() {
        for case in twinlens_golden::cases("metrics/manova") {
            let found = manova(&features_of(&case, "in.y"), &classes_of(&case, "in.groups")).unwrap();
            let tests = [
                ("wilks", found.wilks),
                ("pillai", found.pillai),
                ("hotelling", found.hotelling),
                ("roy", found.roy),
            ];
            for (name, test) in tests {
                case.check(&format!("out.{name}"), &[test.value]);
                case.check(&format!("out.{name}_f"), &[test.f]);
                case.check(&format!("out.{name}_num_df"), &[test.freedom.0]);
                case.check(&format!("out.{name}_den_df"), &[test.freedom.1]);
                case.check(&format!("out.{name}_p"), &[test.p_value]);
                // The tolerance above is absolute; small p-values have digits too.
                let want = f64::from(case.scalar(&format!("out.{name}_p")));
                assert!((test.p_value / want).ln().abs() < 1e-2, "{name}: {} against {want}", test.p_value);
            }
        }
    }

    #[test]
    fn what_cannot_be_analysed_is_refused() {
        let set = blobs(8, 2, 4, 1.0, 1);
        let one = manova(set.features(), &[0; 8]);
        assert!(matches!(one, Err(EvalError::TooFew { what: "different groups", .. })));
        let few = blobs(5, 2, 4, 1.0, 1);
        assert!(matches!(manova(few.features(), few.labels()), Err(EvalError::TooFew { expected: 6, .. })));
        let rows = set.features().iter().flat_map(|row| [row[0], row[1], 2.0 * row[0]]);
        let dependent = Features::new(8, 3, rows.collect()).unwrap();
        assert!(matches!(manova(&dependent, set.labels()), Err(EvalError::Undefined { .. })));
    }

    proptest! {
        #[test]
        fn one_quantity_is_an_analysis_of_variance_and_mixing_quantities_changes_nothing(
            seed: u64, classes in 2usize..4
        ) {
            let set = blobs(30, classes, 1, 2.0, seed);
            let values: Vec<f64> = set.features().values().iter().map(|&v| v.into()).collect();
            let anova = anova_oneway(&values, set.labels()).unwrap();
            let found = manova(set.features(), set.labels()).unwrap();
            for test in [found.wilks, found.pillai, found.hotelling] {
                prop_assert!((test.f - anova.f).abs() < 1e-6 * (1.0 + anova.f), "{:?} {:?}", test, anova);
                // Near F = 0 the p-value falls with an infinite slope: rounding of F shows.
                let close = (test.p_value - anova.p_value).abs() < 1e-6;
                prop_assert!(close || anova.f < 0.01, "{:?} {:?}", test, anova);
            }
            let set = blobs(40, classes, 2, 2.0, seed);
            let mixed = set.features().iter().flat_map(|row| [row[0] + 0.5 * row[1], row[1] - row[0]]);
            let mixed = Features::new(40, 2, mixed.collect()).unwrap();
            let (plain, mixed) =
                (manova(set.features(), set.labels()).unwrap(), manova(&mixed, set.labels()).unwrap());
            prop_assert!((plain.wilks.value - mixed.wilks.value).abs() < 1e-4);
            prop_assert!((plain.pillai.value - mixed.pillai.value).abs() < 1e-4);
        }
    }
}
