//! The health of a representation: every measure that needs no labels, in one verdict.

use serde::{Deserialize, Serialize};

use super::intrinsic_dimension::check_keep;
use super::{
    CorrelationMeans, CrossCorrelation, Information, LevinaBickel, TwoNn, alignment, covariance_spectrum,
    effective_rank, embedding_std, information, levina_bickel, participation_ratio, rankme, singular_values,
    two_nn, uniformity,
};
use crate::Better::{Higher, Lower};
use crate::draws::{Draw, stream};
use crate::settings::{above_zero, at_least};
use crate::{Better, EvalError, Features, Judgement, Measure, MeasureOf, Unit};

/// Settings of the health protocol.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HealthProtocol {
    /// Exponent of [`alignment`].
    pub alpha: f64,
    /// Sharpness of [`uniformity`].
    pub t: f64,
    /// Share of the ratios that [`two_nn`] fits.
    pub keep: f64,
    /// Neighbours of [`levina_bickel`].
    pub neighbours: usize,
    /// Share of the mean variance that [`information`] adds to covariances.
    pub ridge: f64,
    /// Measures that compare all pairs are taken of so many rows at most, drawn from the seed.
    pub pairwise_rows: usize,
}

impl Default for HealthProtocol {
    /// The papers' alpha 2, t 2 and 0.9 of the ratios; 20 neighbours; a ridge of 1e-4; 10,000 rows.
    fn default() -> HealthProtocol {
        HealthProtocol { alpha: 2.0, t: 2.0, keep: 0.9, neighbours: 20, ridge: 1e-4, pairwise_rows: 10_000 }
    }
}

/// What features say about themselves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Health {
    /// Number of rows.
    pub samples: usize,
    /// Features per row.
    pub dim: usize,
    /// [`embedding_std`]: 0 is collapse.
    pub embedding_std: f64,
    /// What it is where rows spread evenly over the sphere, `1 / sqrt(dim)`.
    pub embedding_std_full: f64,
    /// [`effective_rank`] of the centred features.
    pub effective_rank: f64,
    /// [`rankme`] of the features as they are.
    pub rankme: f64,
    /// [`participation_ratio`] of the covariance's eigenvalues.
    pub participation_ratio: f64,
    /// [`alignment`] of two views of each image; `None` without views.
    pub alignment: Option<f64>,
    /// Means of the [`CrossCorrelation`] of two views; `None` without views.
    #[serde(default)]
    pub cross_correlation: Option<CorrelationMeans>,
    /// [`information`] of two views; `None` without views, or where it is undefined.
    #[serde(default)]
    pub information: Option<Information>,
    /// [`uniformity`]; `None` for one row.
    pub uniformity: Option<f64>,
    /// The intrinsic dimension by two neighbours; `None` where it is undefined.
    pub two_nn: Option<TwoNn>,
    /// The intrinsic dimension by many neighbours; `None` where it is undefined.
    pub levina_bickel: Option<LevinaBickel>,
    /// [`covariance_spectrum`].
    pub spectrum: Vec<f64>,
}

/// All measures, in the order in which they are shown. Which intrinsic dimension is better is nobody's to say in general;
/// like the ranks, more of it is read as more being kept of the images.
pub static HEALTH_MEASURES: [MeasureOf<Health>; 12] = [
    of_health("effective_rank", "effective rank", Higher, |found| Some(found.effective_rank)),
    of_health("rankme", "RankMe", Higher, |found| Some(found.rankme)),
    of_health("participation_ratio", "participation ratio", Higher, |found| Some(found.participation_ratio)),
    of_health("alignment", "alignment", Lower, |found| found.alignment),
    of_health("correlation_diagonal", "C diagonal", Higher, |found| Some(found.cross_correlation?.diagonal)),
    of_health("correlation_off_diagonal", "|C| off diagonal", Lower, |found| {
        Some(found.cross_correlation?.off_diagonal_size)
    }),
    of_health("log_det", "log|C_Z|", Higher, |found| Some(found.information?.log_det)),
    of_health("log_det_given_image", "log|C_Z given X|", Lower, |found| {
        Some(found.information?.log_det_given_image)
    }),
    of_health("uniformity", "uniformity", Lower, |found| found.uniformity),
    of_health("two_nn", "TwoNN", Higher, |found| Some(found.two_nn?.mle)),
    of_health("levina_bickel", "k-NN dimension", Higher, |found| Some(found.levina_bickel?.harmonic)),
    of_health("std_of_sphere", "std / sphere", Higher, |found| {
        Some(found.embedding_std / found.embedding_std_full)
    }),
];

const fn of_health(
    id: &'static str,
    title: &'static str,
    better: Better,
    of: fn(&Health) -> Option<f64>,
) -> MeasureOf<Health> {
    Measure { id, title, unit: Unit::Number, better, of }
}

impl HealthProtocol {
    /// Refuses settings that no data allow.
    ///
    /// # Errors
    /// [`EvalError::Setting`] for an `alpha`, `t` or `ridge` that is not above 0, a `keep` outside (0, 1], fewer than 2 neighbours or rows.
    pub fn check(&self) -> Result<(), EvalError> {
        above_zero("alpha", &[self.alpha])?;
        above_zero("t", &[self.t])?;
        check_keep(self.keep)?;
        above_zero("ridge", &[self.ridge])?;
        at_least("neighbours", 2, self.neighbours)?;
        at_least("pairwise_rows", 2, self.pairwise_rows)
    }

    /// Measures `features`, and how far two `views` of the same images agree where there are any. `seed` draws the rows
    /// whose pairs are compared, where there are too many.
    ///
    /// # Errors
    /// Fewer than 2 rows; settings out of range; views of different shape; a failed eigenvalue iteration. A dimension that
    /// these features do not define is a warning.
    pub fn run(
        &self,
        features: &Features,
        views: Option<(&Features, &Features)>,
        seed: u64,
    ) -> Result<Judgement<Health>, EvalError> {
        self.check()?;
        let mut warnings = Vec::new();
        let spectrum = covariance_spectrum(features)?;
        let (raw, centred) = (singular_values(features, false)?, singular_values(features, true)?);
        let pairs = self.sample(features, seed, &mut warnings)?;
        let (mut agreement, mut correlation, mut entropies) = (None, None, None);
        if let Some((one, other)) = views {
            agreement = Some(alignment(one, other, self.alpha)?);
            correlation = Some(CrossCorrelation::new(one, other)?.means());
            entropies = keep_defined(information(&[one, other], self.ridge), &mut warnings)?;
        }
        let mut defined = |found: Result<f64, EvalError>| keep_defined(found, &mut warnings);
        let uniformity = defined(uniformity(&pairs, self.t))?;
        let two_nn = keep_defined(two_nn(&pairs, self.keep), &mut warnings)?;
        let levina_bickel = keep_defined(levina_bickel(&pairs, self.neighbours), &mut warnings)?;
        let outcome = Health {
            samples: features.rows(),
            dim: features.dim(),
            embedding_std: embedding_std(features),
            embedding_std_full: 1.0 / (features.dim() as f64).sqrt(),
            effective_rank: effective_rank(&centred),
            rankme: rankme(&raw),
            participation_ratio: participation_ratio(&centred),
            alignment: agreement,
            cross_correlation: correlation,
            information: entropies,
            uniformity,
            two_nn,
            levina_bickel,
            spectrum,
        };
        let seeds = [("sample".to_owned(), seed)].into();
        Ok(Judgement { seeds, warnings, ..Judgement::new(self.settings(), outcome) })
    }

    fn sample(
        &self,
        features: &Features,
        seed: u64,
        warnings: &mut Vec<String>,
    ) -> Result<Features, EvalError> {
        let rows = features.rows();
        if rows <= self.pairwise_rows {
            return Ok(features.clone());
        }
        warnings.push(format!(
            "uniformity and intrinsic dimension are those of {} of the {rows} images",
            self.pairwise_rows
        ));
        let mut drawn = stream(seed, Draw::Sample, 0).permutation(rows);
        drawn.truncate(self.pairwise_rows);
        features.subset(&drawn)
    }

    fn settings(&self) -> [(&'static str, serde_json::Value); 6] {
        [
            ("alpha", self.alpha.into()),
            ("t", self.t.into()),
            ("keep", self.keep.into()),
            ("neighbours", self.neighbours.into()),
            ("ridge", self.ridge.into()),
            ("pairwise_rows", self.pairwise_rows.into()),
        ]
    }
}

/// A measure, or nothing and a warning where these features do not define it.
fn keep_defined<T>(found: Result<T, EvalError>, warnings: &mut Vec<String>) -> Result<Option<T>, EvalError> {
    match found {
        Ok(value) => Ok(Some(value)),
        Err(error @ (EvalError::Undefined { .. } | EvalError::TooFew { .. })) => {
            warnings.push(error.to_string());
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::random_features;

    #[test]
    fn every_measure_is_that_of_its_function() {
        let (x, y) = (random_features(80, 6, 1), random_features(80, 6, 2));
        let protocol = HealthProtocol { neighbours: 7, ..HealthProtocol::default() };
        let verdict = protocol.run(&x, Some((&x, &y)), 0).unwrap();
        assert_eq!(verdict.outcome.spectrum, covariance_spectrum(&x).unwrap());
        assert_eq!(verdict.outcome.effective_rank, effective_rank(&singular_values(&x, true).unwrap()));
        assert_eq!(verdict.outcome.rankme, rankme(&singular_values(&x, false).unwrap()));
        assert_eq!(verdict.outcome.alignment, Some(alignment(&x, &y, 2.0).unwrap()));
        let correlation = CrossCorrelation::new(&x, &y).unwrap().means();
        assert_eq!(verdict.outcome.cross_correlation, Some(correlation));
        assert_eq!(verdict.outcome.information, Some(information(&[&x, &y], 1e-4).unwrap()));
        assert_eq!(verdict.outcome.uniformity, Some(uniformity(&x, 2.0).unwrap()));
        assert_eq!(verdict.outcome.two_nn, Some(two_nn(&x, 0.9).unwrap()));
        assert_eq!(verdict.outcome.levina_bickel, Some(levina_bickel(&x, 7).unwrap()));
        assert_eq!(verdict.outcome.embedding_std, embedding_std(&x));
        assert!((verdict.outcome.embedding_std_full - 6f64.sqrt().recip()).abs() < 1e-15);
        assert!(verdict.warnings.is_empty(), "{:?}", verdict.warnings);
        let json = serde_json::to_string(&verdict.outcome).unwrap();
        assert_eq!(serde_json::from_str::<Health>(&json).unwrap(), verdict.outcome);
    }

    #[test]
    fn what_these_features_do_not_define_is_told() {
        let equal = Features::new(30, 2, vec![1.0; 60]).unwrap();
        let verdict = HealthProtocol::default().run(&equal, None, 0).unwrap();
        assert_eq!(
            (verdict.outcome.two_nn, verdict.outcome.levina_bickel, verdict.outcome.alignment),
            (None, None, None)
        );
        assert!(
            verdict.outcome.embedding_std < 1e-12 && verdict.outcome.effective_rank == 0.0,
            "{verdict:?}"
        );
        assert_eq!(verdict.warnings.len(), 2);
        let few = HealthProtocol::default().run(&random_features(5, 3, 1), None, 0).unwrap();
        assert!(few.outcome.levina_bickel.is_none() && few.outcome.two_nn.is_some());
        assert!(HealthProtocol::default().run(&random_features(1, 3, 1), None, 0).is_err());
        let flat = HealthProtocol { t: 0.0, ..HealthProtocol::default() };
        assert!(matches!(
            flat.run(&random_features(5, 3, 1), None, 0),
            Err(EvalError::Setting { setting: "t", .. })
        ));
    }

    #[test]
    fn pairs_of_many_rows_are_those_of_a_sample() {
        let x = random_features(120, 4, 1);
        let protocol = HealthProtocol { pairwise_rows: 60, ..HealthProtocol::default() };
        let verdict = protocol.run(&x, None, 0).unwrap();
        assert!(verdict.warnings[0].contains("60 of the 120 images"));
        assert_eq!(verdict.outcome.samples, 120);
        let other = protocol.run(&x, None, 1).unwrap();
        assert_ne!(verdict.outcome.uniformity, other.outcome.uniformity);
        assert_eq!(verdict, protocol.run(&x, None, 0).unwrap());
    }
}
