//! The clustering protocol: do clusters of the features follow labels that they never saw?

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Agreement, Average, Choice, KMeans, Shuffled, Tried, choose_k, shuffled_ami};
use crate::settings::at_least;
use crate::{Better, Distance, EvalError, Features, Judgement, Measure, MeasureOf, Unit};

/// The largest number of clusters that [`Number::Auto`] tries.
const MOST_TRIED: usize = 20;
/// Silhouettes of more rows than this are those of a sample.
const SILHOUETTE_ROWS: usize = 10_000;

/// How many clusters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "NumberText", into = "NumberText")]
pub enum Number {
    /// So many.
    Fixed(usize),
    /// The one from 2 to 20 (or one less than there are rows) with the largest silhouette.
    Auto,
}

/// A [`Number`] as it is written: a count, or `"auto"`.
#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a whole number or `auto`")]
enum NumberText {
    Fixed(usize),
    Auto(Auto),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Auto {
    Auto,
}

impl From<NumberText> for Number {
    fn from(text: NumberText) -> Number {
        match text {
            NumberText::Fixed(k) => Number::Fixed(k),
            NumberText::Auto(Auto::Auto) => Number::Auto,
        }
    }
}

impl From<Number> for NumberText {
    fn from(number: Number) -> NumberText {
        match number {
            Number::Fixed(k) => NumberText::Fixed(k),
            Number::Auto => NumberText::Auto(Auto::Auto),
        }
    }
}

/// Settings of the clustering protocol: k-means, then every measure of its clusters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClusterProtocol {
    /// The number of clusters.
    pub k: Number,
    /// Restarts of k-means.
    pub restarts: usize,
    /// What makes rows near: by cosine, features are compared by direction alone.
    pub distance: Distance,
    /// Orders of the labels drawn for the control.
    pub permutations: usize,
    /// Rows nearest to each centroid that the verdict names.
    pub nearest: usize,
    /// What else is known of the images that clusters are compared with: columns of the table that came with them. With what
    /// groups the images they are compared unasked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub against: Vec<String>,
}

impl Default for ClusterProtocol {
    /// k by silhouette, 10 restarts, Euclidean, 100 permutations, 8 rows for each cluster.
    fn default() -> ClusterProtocol {
        ClusterProtocol {
            k: Number::Auto,
            restarts: 10,
            distance: Distance::Euclidean,
            permutations: 100,
            nearest: 8,
            against: Vec::new(),
        }
    }
}

/// The outcome of clustering one split's features.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Clusters {
    /// Number of rows clustered.
    pub samples: usize,
    /// Number of clusters asked for, or chosen.
    pub k: usize,
    /// Sum of squared distances to the centroids.
    pub inertia: f64,
    /// Mean silhouette, from -1 to 1; `None` where it is undefined.
    pub silhouette: Option<f64>,
    /// Every k tried, where k was chosen.
    pub tried: Vec<Tried>,
    /// How far clusters and labels agree; `None` without labels.
    pub agreement: Option<LabelAgreement>,
    /// How far clusters agree with what else is known of the images, by its name: clusters that follow the plate rather than the
    /// treatment are an artefact.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub against: BTreeMap<String, LabelAgreement>,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// The clusters, by falling size.
    pub clusters: Vec<Cluster>,
    /// The cluster of every row, a place in `clusters`.
    pub assignments: Vec<usize>,
    /// What every row is called, and its split; empty where that is not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<RowName>,
}

/// All measures, in the order in which they are shown.
pub static CLUSTER_MEASURES: [MeasureOf<Clusters>; 7] = [
    of_clusters("ami", "AMI", Unit::Number, |verdict| Some(verdict.agreement?.ami)),
    of_clusters("ami_max", "AMI by the larger entropy", Unit::Number, |verdict| verdict.agreement?.ami_max),
    of_clusters("ari", "ARI", Unit::Number, |verdict| Some(verdict.agreement?.ari)),
    of_clusters("nmi", "NMI", Unit::Number, |verdict| Some(verdict.agreement?.nmi)),
    of_clusters("purity", "purity", Unit::Share, |verdict| Some(verdict.agreement?.purity)),
    of_clusters("silhouette", "silhouette", Unit::Number, |verdict| verdict.silhouette),
    of_clusters("ami_shuffled", "AMI, labels shuffled", Unit::Number, |verdict| {
        Some(verdict.agreement?.shuffled.mean)
    }),
];

/// Those of clusters compared with something else than labels.
pub static AGREEMENT_MEASURES: [MeasureOf<LabelAgreement>; 2] = [
    Measure {
        id: "ami",
        title: "AMI",
        unit: Unit::Number,
        better: Better::Higher,
        of: |agreement| Some(agreement.ami),
    },
    Measure {
        id: "ami_max",
        title: "AMI by the larger entropy",
        unit: Unit::Number,
        better: Better::Higher,
        of: |agreement| agreement.ami_max,
    },
];

const fn of_clusters(
    id: &'static str,
    title: &'static str,
    unit: Unit,
    of: fn(&Clusters) -> Option<f64>,
) -> MeasureOf<Clusters> {
    Measure { id, title, unit, better: Better::Higher, of }
}

/// How far clusters and labels agree.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LabelAgreement {
    /// Mutual information adjusted for chance, arithmetic mean of the entropies.
    pub ami: f64,
    /// The same by the larger of the entropies; nothing in verdicts of versions that did not measure it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ami_max: Option<f64>,
    /// Rand's index adjusted for chance.
    pub ari: f64,
    /// Normalised mutual information, arithmetic mean of the entropies.
    pub nmi: f64,
    /// Mutual information in nats.
    pub mutual_information: f64,
    /// Share of rows that carry the most common class of their cluster.
    pub purity: f64,
    /// The AMI when the labels mean nothing.
    pub shuffled: Shuffled,
}

/// Which image a row of features is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowName {
    /// `train`, `val` or `test`.
    pub split: String,
    /// Its file, or its place in an array.
    pub name: String,
}

/// One cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cluster {
    /// Number of rows.
    pub size: usize,
    /// Its most common class (the first of several), and the share of rows that carry it; `None` without
    /// labels, or without rows.
    pub most_common: Option<(usize, f64)>,
    /// The rows nearest to the centroid, nearest first.
    pub nearest: Vec<usize>,
}

impl ClusterProtocol {
    /// Refuses settings that no data allow.
    ///
    /// # Errors
    /// [`EvalError::Setting`] for no clusters, or no restarts.
    pub fn check(&self) -> Result<(), EvalError> {
        if let Number::Fixed(k) = self.k {
            at_least("k", 1, k)?;
        }
        at_least("restarts", 1, self.restarts)?;
        at_least("permutations", 2, self.permutations)
    }

    /// Clusters `features` and judges the clusters, with `labels` (one for each row, of `classes`) where there
    /// are any. Labels have no part in the clustering, the choice of k included. `seed` decides restarts, permutations and
    /// samples.
    ///
    /// # Errors
    /// As [`choose_k`] and [`shuffled_ami`]; labels of the wrong number or outside `classes`.
    pub fn run(
        &self,
        features: &Features,
        labels: Option<&[usize]>,
        classes: &[String],
        seed: u64,
    ) -> Result<Judgement<Clusters>, EvalError> {
        self.check()?;
        if let Some(labels) = labels {
            crate::features::check_labels("label", labels, features.rows(), classes.len())?;
        }
        let candidates: Vec<usize> = match self.k {
            Number::Fixed(k) => vec![k],
            Number::Auto => (2..=MOST_TRIED.min(features.rows().saturating_sub(1))).collect(),
        };
        if candidates.is_empty() {
            return Err(EvalError::TooFew { what: "rows to choose k on", expected: 3, got: features.rows() });
        }
        let settings = KMeans {
            restarts: self.restarts,
            seed,
            spherical: self.distance == Distance::Cosine,
            ..KMeans::default()
        };
        let choice = choose_k(features, &candidates, &settings, SILHOUETTE_ROWS)?;
        let members = by_size(choice.clustering.members_by_distance(choice.k));
        let mut assignments = vec![0; features.rows()];
        for (cluster, rows) in members.iter().enumerate() {
            rows.iter().for_each(|&row| assignments[row] = cluster);
        }
        let agreement = match labels {
            Some(labels) => Some(self.agreement(&assignments, labels, seed)?),
            None => None,
        };
        let warnings = doubts(&choice, &members, candidates.len() > 1, features.rows());
        let outcome = Clusters {
            samples: features.rows(),
            k: choice.k,
            inertia: choice.clustering.inertia,
            silhouette: choice.silhouette,
            tried: if self.k == Number::Auto { choice.tried } else { Vec::new() },
            agreement,
            against: BTreeMap::new(),
            classes: classes.to_vec(),
            clusters: members.iter().map(|rows| self.cluster(rows, labels, classes.len())).collect(),
            assignments,
            rows: Vec::new(),
        };
        let seeds = [("clusters".to_owned(), seed)].into();
        Ok(Judgement { seeds, warnings, ..Judgement::new(self.settings(), outcome) })
    }

    fn settings(&self) -> [(&'static str, serde_json::Value); 7] {
        let k = match self.k {
            Number::Fixed(k) => k.into(),
            Number::Auto => "auto".into(),
        };
        [
            ("k", k),
            ("restarts", self.restarts.into()),
            ("distance", self.distance.name().into()),
            ("permutations", self.permutations.into()),
            ("nearest", self.nearest.into()),
            ("against", self.against.clone().into()),
            ("ami_average", "arithmetic".into()),
        ]
    }

    /// How far clusters agree with something that every row has one of, by number.
    ///
    /// # Errors
    /// Lists that are not of one length; as [`shuffled_ami`].
    pub fn agreement(
        &self,
        assignments: &[usize],
        labels: &[usize],
        seed: u64,
    ) -> Result<LabelAgreement, EvalError> {
        let table = Agreement::new(assignments, labels)?;
        Ok(LabelAgreement {
            ami: table.ami(Average::Arithmetic),
            ami_max: Some(table.ami(Average::Max)),
            ari: table.ari(),
            nmi: table.nmi(Average::Arithmetic),
            mutual_information: table.mutual_information(),
            purity: table.purity(),
            shuffled: shuffled_ami(assignments, labels, self.permutations, seed)?,
        })
    }

    fn cluster(&self, rows: &[usize], labels: Option<&[usize]>, classes: usize) -> Cluster {
        let most_common = labels.filter(|_| !rows.is_empty()).map(|labels| {
            let mut counts = vec![0_usize; classes];
            rows.iter().for_each(|&row| counts[labels[row]] += 1);
            let best =
                (0..classes).fold(0, |best, class| if counts[class] > counts[best] { class } else { best });
            (best, counts[best] as f64 / rows.len() as f64)
        });
        Cluster { size: rows.len(), most_common, nearest: rows.iter().copied().take(self.nearest).collect() }
    }
}

/// Largest first; of equal ones, the one with the lowest row.
fn by_size(mut members: Vec<Vec<usize>>) -> Vec<Vec<usize>> {
    members.sort_by_key(|rows| (std::cmp::Reverse(rows.len()), rows.iter().copied().min()));
    members
}

fn doubts(choice: &Choice, members: &[Vec<usize>], chosen: bool, rows: usize) -> Vec<String> {
    let mut doubts = Vec::new();
    if !choice.clustering.converged {
        let iterations = choice.clustering.iterations;
        doubts.push(format!("k-means stopped after {iterations} iterations before it converged"));
    }
    let empty = members.iter().filter(|rows| rows.is_empty()).count();
    if empty > 0 {
        doubts.push(format!("{empty} of {} clusters are empty: there are fewer different rows", choice.k));
    }
    if chosen && choice.tried.iter().all(|tried| tried.k <= choice.k) {
        doubts.push(format!("k = {} is the largest tried: more clusters may fit better", choice.k));
    }
    if rows > SILHOUETTE_ROWS {
        doubts.push(format!("the silhouette is that of {SILHOUETTE_ROWS} rows, drawn from {rows}"));
    }
    doubts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::blobs;

    #[test]
    fn clusters_that_follow_the_labels_are_praised_and_shuffled_labels_are_not() {
        let set = blobs(120, 3, 6, 0.1, 1);
        let verdict =
            ClusterProtocol::default().run(set.features(), Some(set.labels()), set.classes(), 0).unwrap();
        assert_eq!((verdict.outcome.k, verdict.outcome.samples, verdict.outcome.tried.len()), (3, 120, 19));
        let agreement = verdict.outcome.agreement.unwrap();
        assert_eq!(
            (agreement.ami, agreement.ami_max, agreement.ari, agreement.purity),
            (1.0, Some(1.0), 1.0, 1.0)
        );
        assert!(agreement.shuffled.mean.abs() < 0.01, "{agreement:?}");
        assert!(
            verdict.outcome.clusters.iter().all(|cluster| cluster.size == 40 && cluster.nearest.len() == 8)
        );
        for (place, cluster) in verdict.outcome.clusters.iter().enumerate() {
            let (class, share) = cluster.most_common.unwrap();
            assert_eq!(share, 1.0);
            assert!(cluster.nearest.iter().all(|&row| set.labels()[row] == class));
            assert!(cluster.nearest.iter().all(|&row| verdict.outcome.assignments[row] == place));
        }
        let json = serde_json::to_string(&verdict.outcome).unwrap();
        assert_eq!(serde_json::from_str::<Clusters>(&json).unwrap(), verdict.outcome);
    }

    #[test]
    fn labels_change_nothing_but_the_agreement() {
        let set = blobs(60, 3, 4, 0.5, 2);
        let protocol = ClusterProtocol { k: Number::Fixed(4), ..ClusterProtocol::default() };
        let with = protocol.run(set.features(), Some(set.labels()), set.classes(), 0).unwrap();
        let without = protocol.run(set.features(), None, &[], 0).unwrap();
        assert_eq!(with.outcome.assignments, without.outcome.assignments);
        assert_eq!((without.outcome.agreement, without.outcome.clusters[0].most_common), (None, None));
        assert!(with.outcome.clusters.is_sorted_by(|a, b| a.size >= b.size));
    }

    #[test]
    fn doubts_are_told_and_bad_input_refused() {
        let set = blobs(60, 3, 4, 0.5, 2);
        let copies = Features::new(4, 1, vec![1.0, 1.0, 2.0, 2.0]).unwrap();
        let three = ClusterProtocol { k: Number::Fixed(3), ..ClusterProtocol::default() };
        let verdict = three.run(&copies, None, &[], 0).unwrap();
        assert_eq!(verdict.warnings, ["1 of 3 clusters are empty: there are fewer different rows"]);
        let short = three.run(set.features(), Some(&[0, 1]), set.classes(), 0);
        assert!(matches!(short, Err(EvalError::Length { expected: 60, got: 2, .. })));
        let few = ClusterProtocol::default().run(&copies.subset(&[0, 2]).unwrap(), None, &[], 0);
        assert!(matches!(few, Err(EvalError::TooFew { expected: 3, got: 2, .. })));
    }
}
