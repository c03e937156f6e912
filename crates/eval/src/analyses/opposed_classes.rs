//! Classes of which one loses where the other gains.

mod fast;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use self::fast::Counter;
use super::{Chance, Permutations, Recalls, Tested};
use crate::EvalError;
use crate::draws::Draw;
use crate::settings::some_of;
use crate::statistics::{Correlation, benjamini_hochberg, kendall_tau_b, pearson, spearman};

/// With fewer values of the parameter no correlation along it says anything.
const LEAST_VALUES: usize = 4;

/// A coefficient of correlation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Coefficient {
    /// [`pearson`].
    Pearson,
    /// [`kendall_tau_b`].
    Kendall,
    /// [`spearman`].
    Spearman,
}

impl Coefficient {
    /// All three.
    pub const ALL: [Coefficient; 3] = [Coefficient::Pearson, Coefficient::Kendall, Coefficient::Spearman];

    fn of(self, x: &[f64], y: &[f64]) -> Result<Correlation, EvalError> {
        match self {
            Coefficient::Pearson => pearson(x, y),
            Coefficient::Kendall => kendall_tau_b(x, y),
            Coefficient::Spearman => spearman(x, y),
        }
    }
}

/// When two classes are opposed.
#[derive(Clone, Debug, PartialEq)]
pub struct OpposedRule {
    /// Coefficients of which one has to say so.
    pub coefficients: Vec<Coefficient>,
    /// It must be below this, from -1 (left out) to 0.
    pub below: f64,
    /// Its two-sided p-value must be below this, above 0 and at most 1.
    pub p: f64,
}

impl Default for OpposedRule {
    /// N's: any of three coefficients below -0.3 with p below 0.05.
    fn default() -> OpposedRule {
        OpposedRule { coefficients: Coefficient::ALL.to_vec(), below: -0.3, p: 0.05 }
    }
}

impl OpposedRule {
    /// Whether a coefficient says that classes are opposed.
    fn holds(&self, found: Correlation) -> bool {
        found.coefficient < self.below && found.p_value < self.p
    }

    fn check(&self) -> Result<(), EvalError> {
        some_of("coefficients", &self.coefficients)?;
        let within = |setting, value: f64, holds: bool, expected: &str| match holds {
            true => Ok(()),
            false => Err(EvalError::Setting { setting, value, expected: expected.to_owned() }),
        };
        within("below", self.below, self.below > -1.0 && self.below <= 0.0, "choose above -1 and at most 0")?;
        within("p", self.p, self.p > 0.0 && self.p <= 1.0, "choose above 0 and at most 1")
    }
}

/// Settings of [`opposed_classes`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OpposedSettings {
    /// When two classes are opposed.
    pub rule: OpposedRule,
    /// How the chance level is drawn.
    pub permutations: Permutations,
    /// The share of false discoveries among opposed pairs, if these are controlled.
    pub q: Option<f64>,
}

/// Two classes of which one loses where the other gains.
#[derive(Clone, Debug, PartialEq)]
pub struct OpposedPair {
    /// The classes, the smaller number first.
    pub classes: [usize; 2],
    /// The coefficients of the rule, in its order.
    pub correlations: Vec<Correlation>,
}

/// What is left of opposed pairs when false discoveries are controlled.
#[derive(Clone, Debug, PartialEq)]
pub struct OpposedAfterControl {
    /// The share of false discoveries asked for.
    pub q: f64,
    /// Benjamini and Hochberg's adjusted p-value of each of [`Opposed::pairs`].
    pub adjusted: Vec<f64>,
    /// The places in [`Opposed::pairs`] of those with an adjusted p-value of at most `q`.
    pub pairs: Vec<usize>,
    /// The share of all classes with a partner among these pairs.
    pub ratio: f64,
}

/// The opposed classes of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Opposed {
    /// How many classes there are.
    pub classes: usize,
    /// How many points were correlated: values of the parameter, or values times seeds.
    pub points: usize,
    /// The classes whose recall never changes. No correlation of theirs is defined, so none is opposed; they count in
    /// `classes`.
    pub constant: Vec<usize>,
    /// All opposed pairs, by rising numbers of classes.
    pub pairs: Vec<OpposedPair>,
    /// Whether each class has an opposed partner.
    pub has_partner: Vec<bool>,
    /// The share of all classes that have one.
    pub ratio: f64,
    /// The same share where nothing but chance opposes classes.
    pub chance: Chance,
    /// The number of opposed pairs where nothing but chance opposes classes. Of many classes nearly all have a partner by
    /// chance, and the ratio can hardly be larger; the number of pairs can.
    pub pairs_by_chance: Chance,
    /// What is left under control of false discoveries, if that was asked for.
    pub controlled: Option<OpposedAfterControl>,
}

/// The opposed classes of `recalls` (N, section 3.1): classes `c` and `d` are opposed when at least one of the coefficients of their
/// recalls `a_c`, `a_d` over the points is below a threshold with a small p-value,
///
/// ```text
/// r(a_c, a_d) < -0.3  and  p < 0.05,      ratio = |classes with at least one opposed partner| / |classes|
/// ```
///
/// N does not say whether points are means over seeds or single runs. The points are those of `recalls`: give
/// [`Recalls::means`] for the former. Of means, p decides alone: `p < 0.05` needs a Pearson's r beyond -0.63 of 10 points and -0.44
/// of 20. p-values take points as independent; those of one value of the parameter are not, so with single runs they are too small.
///
/// **Chance.** Of many pairs some are opposed by chance: of 100 independent classes nearly all have a partner. The chance level is
/// the same ratio with the values of the parameter permuted within each class, each class by itself. What is exchangeable when
/// classes have nothing to do with each other is the value of the parameter, with all its runs: runs at one value share what the
/// value does to the class, and the runs of one seed may share their beginning. So whole values move, and their seeds stay together in
/// their order. Permuting single runs would break up what a value does to a class, and with it find too low a chance level.
///
/// Note what is tested: that classes are independent. The recalls at a point are of one encoder (or of a few), and where its classifier
/// is in doubt between two classes, one's gain is the other's loss at *every* value. That opposes classes too, beyond chance, though
/// the parameter does nothing. [`Recalls::within_values`] has this effect alone: compare its ratio.
///
/// **Control** (`q`): a pair's p-value is that of the most negative coefficient, one-sided, times the number of coefficients
/// (Bonferroni). Those of all pairs of classes that vary are adjusted by [`benjamini_hochberg`].
///
/// Not tested: fewer than four values of the parameter, or fewer than two classes that vary.
///
/// # Errors
/// Settings outside their range.
pub fn opposed_classes(recalls: &Recalls, settings: &OpposedSettings) -> Result<Tested<Opposed>, EvalError> {
    let rule = &settings.rule;
    rule.check()?;
    settings.permutations.check()?;
    if recalls.values().len() < LEAST_VALUES {
        return Ok(Tested::too_few("values of the parameter", LEAST_VALUES, recalls.values().len()));
    }
    let counter = Counter::new(recalls, rule);
    let varying = counter.varying();
    if varying.len() < 2 {
        return Ok(Tested::too_few("classes whose recall changes", 2, varying.len()));
    }
    let classes = recalls.classes().len();
    let all = all_pairs(recalls, varying, rule)?;
    let (found, pairs): (Vec<usize>, Vec<OpposedPair>) = all
        .iter()
        .enumerate()
        .filter(|(_, pair)| pair.correlations.iter().any(|&found| rule.holds(found)))
        .map(|(at, pair)| (at, pair.clone()))
        .unzip();
    let has_partner = with_partner(classes, &pairs);
    let ratio = share(&has_partner);
    let level = settings.permutations.level;
    let draws = settings.permutations.draws(Draw::Values, |stream| counter.by_chance(stream));
    let ratios = draws.iter().map(|drawn| drawn.partners as f64 / classes as f64).collect();
    let counts = draws.iter().map(|drawn| drawn.pairs as f64).collect();
    let control = |q| after_control(q, &all, &found, &pairs, classes);
    Ok(Tested::Tested(Opposed {
        classes,
        points: recalls.values().len() * recalls.seeds(),
        constant: (0..classes).filter(|class| !varying.contains(class)).collect(),
        chance: Chance::of(ratio, ratios, level),
        pairs_by_chance: Chance::of(pairs.len() as f64, counts, level),
        controlled: settings.q.map(control).transpose()?,
        pairs,
        has_partner,
        ratio,
    }))
}

/// The coefficients of every pair of these classes, opposed or not.
fn all_pairs(recalls: &Recalls, of: &[usize], rule: &OpposedRule) -> Result<Vec<OpposedPair>, EvalError> {
    let pairs: Vec<[usize; 2]> =
        (0..of.len()).flat_map(|a| (a + 1..of.len()).map(move |b| [of[a], of[b]])).collect();
    let measured = |classes: [usize; 2]| {
        let [x, y] = classes.map(|class| &recalls.classes()[class]);
        let correlations = rule.coefficients.iter().map(|coefficient| coefficient.of(x, y));
        Ok(OpposedPair { classes, correlations: correlations.collect::<Result<_, EvalError>>()? })
    };
    pairs.into_par_iter().map(measured).collect()
}

fn with_partner<'a>(classes: usize, pairs: impl IntoIterator<Item = &'a OpposedPair>) -> Vec<bool> {
    let mut has_partner = vec![false; classes];
    pairs.into_iter().flat_map(|pair| pair.classes).for_each(|class| has_partner[class] = true);
    has_partner
}

fn share(holds: &[bool]) -> f64 {
    holds.iter().filter(|holds| **holds).count() as f64 / holds.len() as f64
}

/// What is left of `pairs`, which are those of `all` at the places `found`.
fn after_control(
    q: f64,
    all: &[OpposedPair],
    found: &[usize],
    pairs: &[OpposedPair],
    classes: usize,
) -> Result<OpposedAfterControl, EvalError> {
    if !(q > 0.0 && q < 1.0) {
        let expected = "choose a share above 0 and below 1, such as 0.05".to_owned();
        return Err(EvalError::Setting { setting: "q", value: q, expected });
    }
    let p_values: Vec<f64> = all.iter().map(one_sided).collect();
    let adjusted = benjamini_hochberg(&p_values)?;
    let adjusted: Vec<f64> = found.iter().map(|&at| adjusted[at]).collect();
    let kept: Vec<usize> = (0..pairs.len()).filter(|&at| adjusted[at] <= q).collect();
    let ratio = share(&with_partner(classes, kept.iter().map(|&at| &pairs[at])));
    Ok(OpposedAfterControl { q, adjusted, pairs: kept, ratio })
}

/// The p-value of a pair against the one alternative that it is opposed, over all its coefficients.
fn one_sided(pair: &OpposedPair) -> f64 {
    let against = |found: &Correlation| {
        let half = 0.5 * found.p_value;
        if found.coefficient < 0.0 { half } else { 1.0 - half }
    };
    let least = pair.correlations.iter().map(against).fold(1.0, f64::min);
    (least * pair.correlations.len() as f64).min(1.0)
}

#[cfg(test)]
mod tests;
