//! Counting the classes with an opposed partner, fast enough to be done anew for every permutation.
//!
//! Permuting values within a class changes neither the length of its list, nor its ties. So the rule "coefficient below a threshold
//! with a small p-value" is one limit for every coefficient of moments, and one for Kendall's count of every pair of classes, found
//! once by the functions that define the p-values.

use twinlens_random::Stream;

use super::{Coefficient, OpposedRule};
use crate::analyses::Recalls;
use crate::statistics::Correlation;
use crate::statistics::correlation::{Ties, kendall_of_counts, p_of_moments, product, ranks, unit};
use crate::statistics::distributions::last_where;

/// What is needed of a table to count opposed classes in any order of its values.
pub(super) struct Counter {
    values: usize,
    seeds: usize,
    /// Classes whose recall changes, rising.
    varying: Vec<usize>,
    /// Of each of these.
    profiles: Vec<Profile>,
    /// A correlation of moments up to this is opposed.
    moments: f64,
    /// The rows of a triangle: a difference of pair counts up to `kendall[a][b]`, `b < a`, is opposed; empty unless Kendall's
    /// coefficient is asked for.
    kendall: Vec<Vec<i64>>,
}

/// How many opposed pairs there are, and how many classes with a partner.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Counts {
    pub(super) pairs: usize,
    pub(super) partners: usize,
}

/// A class, its points in some order.
struct Profile {
    recalls: Vec<f64>,
    /// For Pearson's and Spearman's coefficient, if asked for: lists whose [`product`] is the coefficient.
    units: Vec<Vec<f64>>,
}

impl Counter {
    pub(super) fn new(recalls: &Recalls, rule: &OpposedRule) -> Counter {
        let profile = |class: &Vec<f64>| Profile::new(class, &rule.coefficients);
        let all = recalls.classes().iter().map(profile).enumerate();
        let (varying, profiles): (Vec<usize>, Vec<Profile>) =
            all.filter_map(|(class, profile)| Some((class, profile?))).unzip();
        let (values, seeds) = (recalls.values().len(), recalls.seeds());
        let kendall = if rule.coefficients.contains(&Coefficient::Kendall) {
            kendall_limits(&profiles, values * seeds, rule)
        } else {
            Vec::new()
        };
        Counter { values, seeds, varying, profiles, moments: moments_limit(values * seeds, rule), kendall }
    }

    /// The classes whose recall changes, rising.
    pub(super) fn varying(&self) -> &[usize] {
        &self.varying
    }

    /// The counts when the values of each class are permuted, seeds staying together.
    pub(super) fn by_chance(&self, stream: &mut Stream) -> Counts {
        let permuted = |profile: &Profile| {
            let order = stream.permutation(self.values);
            let seeds = self.seeds;
            let points: Vec<usize> =
                order.iter().flat_map(|value| (0..seeds).map(move |seed| value * seeds + seed)).collect();
            profile.at(&points)
        };
        self.count(&self.profiles.iter().map(permuted).collect::<Vec<Profile>>())
    }

    fn count(&self, profiles: &[Profile]) -> Counts {
        let signs: Vec<Signs> = match self.kendall.is_empty() {
            true => Vec::new(),
            false => profiles.iter().map(|profile| Signs::of(&profile.recalls)).collect(),
        };
        let opposed = |a: usize, b: usize| {
            profiles[a].units.iter().zip(&profiles[b].units).any(|(x, y)| product(x, y) <= self.moments)
                || self.kendall.get(a).is_some_and(|limits| signs[a].difference(&signs[b]) <= limits[b])
        };
        let (mut pairs, mut has_partner) = (0, vec![false; profiles.len()]);
        for a in 0..profiles.len() {
            for b in 0..a {
                if opposed(a, b) {
                    pairs += 1;
                    has_partner[a] = true;
                    has_partner[b] = true;
                }
            }
        }
        Counts { pairs, partners: has_partner.into_iter().filter(|has| *has).count() }
    }

    /// The counts of the table as it is.
    #[cfg(test)]
    pub(super) fn as_it_is(&self) -> Counts {
        self.count(&self.profiles)
    }
}

impl Profile {
    /// `None` for a class whose recall never changes.
    fn new(class: &[f64], coefficients: &[Coefficient]) -> Option<Profile> {
        let recalls = unit("a correlation", "the class", class).ok().map(|_| class.to_vec())?;
        let moments = |coefficient: &Coefficient| match coefficient {
            Coefficient::Pearson => unit("a correlation", "the class", class).ok(),
            Coefficient::Spearman => unit("a correlation", "the class", &ranks(class)).ok(),
            Coefficient::Kendall => None,
        };
        Some(Profile { recalls, units: coefficients.iter().filter_map(moments).collect() })
    }

    /// The same points in another order.
    fn at(&self, points: &[usize]) -> Profile {
        let gather = |list: &Vec<f64>| points.iter().map(|&point| list[point]).collect();
        Profile { recalls: gather(&self.recalls), units: self.units.iter().map(gather).collect() }
    }
}

/// The largest correlation of moments of `points` pairs that the rule calls opposed.
fn moments_limit(points: usize, rule: &OpposedRule) -> f64 {
    let holds = |r| rule.holds(Correlation { coefficient: r, p_value: p_of_moments(r, points) });
    last_where(-1.0, rule.below, holds)
}

/// For every pair of profiles the largest difference of counts (concordant less discordant) that the rule calls opposed.
fn kendall_limits(profiles: &[Profile], points: usize, rule: &OpposedRule) -> Vec<Vec<i64>> {
    let ties: Vec<Ties> = profiles.iter().map(|profile| Ties::of(&profile.recalls)).collect();
    let limit = |x: &Ties, y: &Ties| {
        let holds = |difference: i64| rule.holds(kendall_of_counts(points, difference, x, y));
        let (mut low, mut high) = (-((points * (points - 1) / 2) as i64) - 1, 0);
        // The one below all counts stands for "never".
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            *(if holds(middle) { &mut low } else { &mut high }) = middle;
        }
        low
    };
    // Counting orders takes long, and all pairs without ties have one limit.
    let none = Ties::of(&(0..points).map(|point| point as f64).collect::<Vec<f64>>());
    let untied = limit(&none, &none);
    let of = |x: &Ties, y: &Ties| if x.is_empty() && y.is_empty() { untied } else { limit(x, y) };
    (0..ties.len()).map(|a| (0..a).map(|b| of(&ties[a], &ties[b])).collect()).collect()
}

/// For every pair of points of a class, one bit: whether the later is larger, and whether it is smaller.
struct Signs(Vec<[u64; 2]>);

impl Signs {
    fn of(recalls: &[f64]) -> Signs {
        let pairs = recalls.len() * (recalls.len() - 1) / 2;
        let mut words = vec![[0; 2]; pairs.div_ceil(64)];
        let earlier = |later: usize| (0..later).map(move |earlier| (later, earlier));
        for (pair, (later, earlier)) in (0..recalls.len()).flat_map(earlier).enumerate() {
            let (word, bit) = (&mut words[pair / 64], pair % 64);
            word[0] |= u64::from(recalls[later] > recalls[earlier]) << bit;
            word[1] |= u64::from(recalls[later] < recalls[earlier]) << bit;
        }
        Signs(words)
    }

    /// Concordant less discordant pairs.
    fn difference(&self, other: &Signs) -> i64 {
        let of = |(a, b): (&[u64; 2], &[u64; 2])| {
            let concordant = a[0] & b[0] | a[1] & b[1];
            let discordant = a[0] & b[1] | a[1] & b[0];
            i64::from(concordant.count_ones()) - i64::from(discordant.count_ones())
        };
        self.0.iter().zip(&other.0).map(of).sum()
    }
}
