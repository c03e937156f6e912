//! How far two labellings of the same samples agree, whatever their labels are called.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::EvalError;
use crate::features::numbered;

/// The mean of two entropies by which mutual information is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Average {
    /// `(a + b) / 2`, scikit-learn's default.
    Arithmetic,
    /// The larger.
    Max,
    /// `sqrt(a b)`.
    Geometric,
    /// The smaller.
    Min,
}

impl Average {
    fn of(self, a: f64, b: f64) -> f64 {
        match self {
            Average::Arithmetic => 0.5 * (a + b),
            Average::Max => a.max(b),
            Average::Geometric => (a * b).sqrt(),
            Average::Min => a.min(b),
        }
    }
}

/// The counts of two labellings of the same samples, and what follows from them. Logarithms are natural.
#[derive(Clone, Debug, PartialEq)]
pub struct Agreement {
    samples: u64,
    /// `counts[a][b]`: samples with label `a` in the first and `b` in the second labelling.
    counts: Vec<Vec<u64>>,
    first: Vec<u64>,
    second: Vec<u64>,
    expected: f64,
}

impl Agreement {
    /// Compares labels `a` and `b`, any numbers.
    ///
    /// # Errors
    /// No samples, lists of different length.
    pub fn new(a: &[usize], b: &[usize]) -> Result<Agreement, EvalError> {
        if a.is_empty() {
            return Err(EvalError::Empty { what: "the list of labels".to_string() });
        }
        if a.len() != b.len() {
            let what = "the second list of labels";
            return Err(EvalError::Length { what, expected: a.len(), got: b.len() });
        }
        let (a, rows) = numbered(a);
        let (b, columns) = numbered(b);
        let mut table = Agreement::counted(&a, rows, &b, columns);
        table.expected = expected_information(&table.first, &table.second);
        Ok(table)
    }

    /// The table of the same samples with the second labelling in another order. A permutation keeps how
    /// often each label occurs, so the expected information, the costly part, stays.
    pub(super) fn with_second(&self, a: &[usize], b: &[usize]) -> Agreement {
        let (a, b) = (numbered(a).0, numbered(b).0);
        let table = Agreement::counted(&a, self.first.len(), &b, self.second.len());
        Agreement { expected: self.expected, ..table }
    }

    fn counted(a: &[usize], rows: usize, b: &[usize], columns: usize) -> Agreement {
        let mut counts = vec![vec![0; columns]; rows];
        for (&a, &b) in a.iter().zip(b) {
            counts[a][b] += 1;
        }
        let first = counts.iter().map(|row| row.iter().sum()).collect();
        let second = (0..columns).map(|column| counts.iter().map(|row| row[column]).sum()).collect();
        Agreement { samples: a.len() as u64, counts, first, second, expected: 0.0 }
    }

    /// Entropies of the two labellings, in nats.
    pub fn entropies(&self) -> (f64, f64) {
        (entropy(&self.first), entropy(&self.second))
    }

    /// `sum_ij p_ij log(p_ij / (p_i p_j))`, in nats (divide by `ln 2` for bits).
    pub fn mutual_information(&self) -> f64 {
        let n = self.samples as f64;
        let term = |count: u64, a: u64, b: u64| {
            let count = count as f64;
            if count > 0.0 { count / n * (count * n / (a as f64 * b as f64)).ln() } else { 0.0 }
        };
        let row = |(counts, &a): (&Vec<u64>, &u64)| -> f64 {
            counts.iter().zip(&self.second).map(|(&count, &b)| term(count, a, b)).sum()
        };
        self.counts.iter().zip(&self.first).map(row).sum::<f64>().max(0.0)
    }

    /// The mean of the mutual information over all labellings with the same cluster sizes (the hypergeometric
    /// model of Vinh, Epps and Bailey, JMLR 2010, equation 24a).
    pub fn expected_mutual_information(&self) -> f64 {
        self.expected
    }

    /// Normalised mutual information: `MI / average(H_a, H_b)`. Two labellings without information agree
    /// fully (1); one without beside one with it does not (0).
    pub fn nmi(&self, average: Average) -> f64 {
        self.scaled(0.0, average)
    }

    /// Mutual information adjusted for chance: `(MI - E[MI]) / (average(H_a, H_b) - E[MI])` (Vinh et al.,
    /// 2010; as scikit-learn's `adjusted_mutual_info_score`): 1 for equal partitions, 0 on average for
    /// unrelated ones.
    pub fn ami(&self, average: Average) -> f64 {
        self.scaled(self.expected, average)
    }

    fn scaled(&self, chance: f64, average: Average) -> f64 {
        if self.same_partition() {
            return 1.0;
        }
        let (a, b) = self.entropies();
        let room = average.of(a, b) - chance;
        // Below rounding, no labelling with these sizes could do better than chance.
        if room.abs() <= 1e-12 * a.max(b).max(1.0) {
            return 0.0;
        }
        (self.mutual_information() - chance) / room
    }

    /// Rand's index of agreeing pairs adjusted for chance (Hubert and Arabie, 1985).
    pub fn ari(&self) -> f64 {
        if self.same_partition() {
            return 1.0;
        }
        let pairs = |count: u64| count as f64 * (count as f64 - 1.0) / 2.0;
        let sum = |counts: &[u64]| counts.iter().map(|&count| pairs(count)).sum::<f64>();
        let together: f64 = self.counts.iter().map(|row| sum(row)).sum();
        let (a, b) = (sum(&self.first), sum(&self.second));
        // Unequal partitions of at least two samples: some pair is together in one, so the divisor is not 0.
        let chance = a * b / pairs(self.samples);
        (together - chance) / (0.5 * (a + b) - chance)
    }

    /// Share of samples that carry the most frequent second label of their first one: with clusters first and
    /// classes second, the accuracy of naming each cluster after its most common class. It grows with the
    /// number of clusters, up to 1.
    pub fn purity(&self) -> f64 {
        let largest: u64 = self.counts.iter().filter_map(|row| row.iter().max()).sum();
        largest as f64 / self.samples as f64
    }

    /// Whether every label of either side goes with one label of the other.
    fn same_partition(&self) -> bool {
        let filled = |row: &Vec<u64>| row.iter().filter(|&&count| count > 0).count();
        self.first.len() == self.second.len() && self.counts.iter().all(|row| filled(row) == 1)
    }
}

/// `-sum p log p` of counts.
fn entropy(counts: &[u64]) -> f64 {
    let total = counts.iter().sum::<u64>() as f64;
    let shares = counts.iter().map(|&count| count as f64 / total).filter(|&share| share > 0.0);
    shares.map(|share| -share * share.ln()).sum::<f64>().max(0.0)
}

/// `sum_ij sum_n P(n; a_i, b_j, N) n/N log(N n / (a_i b_j))` over the cell counts `n` possible with these
/// margins, `P` hypergeometric.
fn expected_information(first: &[u64], second: &[u64]) -> f64 {
    let samples: u64 = first.iter().sum();
    let log_factorial = log_factorials(samples);
    let log_factorial = |n: u64| log_factorial[n as usize];
    let n = samples as f64;
    let cell = |a: u64, b: u64| -> f64 {
        let fixed =
            log_factorial(a) + log_factorial(b) + log_factorial(samples - a) + log_factorial(samples - b)
                - log_factorial(samples);
        let term = |count: u64| {
            let free = log_factorial(count)
                + log_factorial(a - count)
                + log_factorial(b - count)
                + log_factorial(samples + count - a - b);
            let count = count as f64;
            (fixed - free).exp() * count / n * (n * count / (a as f64 * b as f64)).ln()
        };
        ((a + b).saturating_sub(samples).max(1)..=a.min(b)).map(term).sum()
    };
    // Equal sizes have equal cells: with many clusters most of the work is done once.
    let (first, second) = (multiplicities(first), multiplicities(second));
    let row = |(&a, &times_a): (&u64, &f64)| -> f64 {
        second.iter().map(|(&b, &times_b)| times_a * times_b * cell(a, b)).sum()
    };
    first.iter().map(row).sum()
}

fn multiplicities(sizes: &[u64]) -> BTreeMap<u64, f64> {
    let mut times = BTreeMap::new();
    sizes.iter().for_each(|&size| *times.entry(size).or_insert(0.0) += 1.0);
    times
}

/// `ln 0!, ln 1!, .., ln n!`, with a compensated sum: probabilities are exponentials of differences of these.
fn log_factorials(n: u64) -> Vec<f64> {
    let (mut sum, mut lost) = (0.0, 0.0);
    let mut table = vec![0.0];
    for i in 1..=n {
        let term = (i as f64).ln() - lost;
        let next: f64 = sum + term;
        lost = (next - sum) - term;
        sum = next;
        table.push(sum);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::classes_of;
    use proptest::prelude::*;
    use twinlens_golden::Case;

    fn average_of(case: &Case) -> Average {
        serde_json::from_value(case.text("average_method").into()).unwrap()
    }

    fn of(case: &Case) -> Agreement {
        Agreement::new(&classes_of(case, "in.labels_a"), &classes_of(case, "in.labels_b")).unwrap()
    }

    #[test]
    fn golden_ami() {
        for case in twinlens_golden::cases("metrics/ami") {
            let table = of(&case);
            case.check("out.ami", &[table.ami(average_of(&case))]);
            case.check("out.mi", &[table.mutual_information()]);
            case.check("out.expected_mi", &[table.expected_mutual_information()]);
        }
    }

    #[test]
    fn golden_nmi() {
        for case in twinlens_golden::cases("metrics/nmi") {
            case.check("out.nmi", &[of(&case).nmi(average_of(&case))]);
        }
    }

    #[test]
    fn golden_ari() {
        for case in twinlens_golden::cases("metrics/ari") {
            case.check("out.ari", &[of(&case).ari()]);
        }
    }

    #[test]
    fn golden_mutual_information() {
        for case in twinlens_golden::cases("metrics/mutual_information") {
            let table = if case.text("kind") == "labels" {
                of(&case)
            } else {
                let bins = case.count("bins");
                let binned =
                    |key| case.u8(key).iter().map(|&v| usize::from(v) * bins / 256).collect::<Vec<_>>();
                Agreement::new(&binned("in.image_a"), &binned("in.image_b")).unwrap()
            };
            case.check("out.mi_nats", &[table.mutual_information()]);
            case.check("out.mi_bits", &[table.mutual_information() / std::f64::consts::LN_2]);
            case.check("out.entropy_a", &[table.entropies().0]);
            case.check("out.entropy_b", &[table.entropies().1]);
        }
    }

    #[test]
    fn labellings_without_information_have_the_limits() {
        let measures = |a: &[usize], b: &[usize]| {
            let table = Agreement::new(a, b).unwrap();
            let all = [Average::Arithmetic, Average::Max, Average::Geometric, Average::Min];
            all.into_iter()
                .flat_map(|kind| [table.ami(kind), table.nmi(kind)])
                .chain([table.ari()])
                .collect::<Vec<_>>()
        };
        for same in [[3, 3, 3], [0, 1, 2]] {
            assert!(measures(&same, &same).iter().all(|&value| value == 1.0));
        }
        let one_beside_all = measures(&[0, 0, 0], &[0, 1, 2]);
        assert!(one_beside_all.iter().all(|&value| value == 0.0), "{one_beside_all:?}");
        assert_eq!(Agreement::new(&[0, 0, 1, 1], &[5, 5, 5, 2]).unwrap().purity(), 0.75);
    }

    #[test]
    fn lists_that_do_not_belong_together_are_refused() {
        assert!(matches!(Agreement::new(&[], &[]), Err(EvalError::Empty { .. })));
        let error = Agreement::new(&[0, 1], &[0]).unwrap_err().to_string();
        assert_eq!(error, "the second list of labels: expected 2, got 1");
    }

    /// The mean over every order of the labels, counted out.
    #[test]
    fn the_expected_information_is_the_mean_over_all_orders() {
        let (a, mut b) = ([0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 1, 1]);
        let (mut sum, mut orders) = (0.0, 0.0);
        fn permute(b: &mut [usize], from: usize, visit: &mut impl FnMut(&[usize])) {
            if from == b.len() {
                return visit(b);
            }
            for other in from..b.len() {
                b.swap(from, other);
                permute(b, from + 1, visit);
                b.swap(from, other);
            }
        }
        permute(&mut b, 0, &mut |b| {
            sum += Agreement::new(&a, b).unwrap().mutual_information();
            orders += 1.0;
        });
        let expected = Agreement::new(&a, &b).unwrap().expected_mutual_information();
        assert!((expected - sum / orders).abs() < 1e-12, "{expected} {}", sum / orders);
    }

    proptest! {
        #[test]
        fn names_do_not_matter_and_order_of_arguments_neither(
            pairs in prop::collection::vec((0usize..5, 0usize..4), 2..70), names in Just([40, 7, 19, 3, 0]).prop_shuffle()
        ) {
            let (a, b): (Vec<usize>, Vec<usize>) = pairs.into_iter().unzip();
            let renamed: Vec<usize> = a.iter().map(|&label| names[label]).collect();
            let table = Agreement::new(&a, &b).unwrap();
            for other in [Agreement::new(&renamed, &b).unwrap(), Agreement::new(&b, &a).unwrap()] {
                prop_assert!((table.ari() - other.ari()).abs() < 1e-12);
                for kind in [Average::Arithmetic, Average::Max, Average::Geometric, Average::Min] {
                    prop_assert!((table.ami(kind) - other.ami(kind)).abs() < 1e-9);
                    prop_assert!((table.nmi(kind) - other.nmi(kind)).abs() < 1e-12);
                }
            }
            let same = Agreement::new(&a, &renamed).unwrap();
            prop_assert_eq!((same.ami(Average::Max), same.nmi(Average::Max)), (1.0, 1.0));
            prop_assert_eq!((same.ari(), same.purity()), (1.0, 1.0));
            prop_assert!(table.nmi(Average::Max) <= table.nmi(Average::Min) + 1e-12);
            prop_assert!(table.purity() > 0.0 && table.ami(Average::Arithmetic) <= 1.0);
        }
    }
}
