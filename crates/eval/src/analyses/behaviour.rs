//! Which classes gain along a parameter, and which lose.

use serde::{Deserialize, Serialize};

use super::{Recalls, Tested};
use crate::EvalError;
use crate::statistics::checks::check_level;
use crate::statistics::{Interval, LinearFit, linear_regression};

/// What a class does as the parameter grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Behaviour {
    /// Its recall grows.
    Rising,
    /// Its recall falls.
    Falling,
    /// Its recall does neither, as far as can be told.
    Random,
}

impl Behaviour {
    /// All three.
    pub const ALL: [Behaviour; 3] = [Behaviour::Rising, Behaviour::Falling, Behaviour::Random];

    fn of(fit: &LinearFit, p: f64) -> Behaviour {
        match fit.p_value < p {
            true if fit.slope > 0.0 => Behaviour::Rising,
            true if fit.slope < 0.0 => Behaviour::Falling,
            _ => Behaviour::Random,
        }
    }
}

/// Settings of [`behaviours`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BehaviourRule {
    /// A slope with a p-value below this is no chance, above 0 and below 1.
    pub p: f64,
    /// Level of the slope's interval, above 0 and below 1.
    pub level: f64,
}

impl Default for BehaviourRule {
    /// p below 0.05, 95 %.
    fn default() -> BehaviourRule {
        BehaviourRule { p: 0.05, level: 0.95 }
    }
}

/// The behaviour of one class.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClassBehaviour {
    /// What it does.
    pub behaviour: Behaviour,
    /// Change of its recall for a change of the parameter by 1, with its interval.
    pub slope: Interval,
    /// Probability of a slope at least as steep, either way, if the true one were 0.
    pub p_value: f64,
    /// Whether its recall never changes: random, but not for want of precision.
    pub constant: bool,
}

/// The behaviour of every class (N, section 3.1): the slope of the least-squares line of its recalls on the values of the parameter,
///
/// ```text
/// recall ~ slope v + intercept;    rising: slope > 0, falling: slope < 0, each with p < 0.05;    random: else
/// ```
///
/// N does not say when a slope counts as random; here, when the t-test of a slope of 0 (`n - 2` degrees of freedom) does not reject it.
/// So of classes that do nothing one in twenty is called rising or falling. Points are those of `recalls`: give [`Recalls::means`]
/// for means over seeds. Runs at one value share what it does to the class, so p-values of single runs are too small where recall does not
/// lie on a line.
///
/// Not tested: fewer than three points, or one value alone.
///
/// # Errors
/// Settings outside their range.
pub fn behaviours(recalls: &Recalls, rule: BehaviourRule) -> Result<Tested<Vec<ClassBehaviour>>, EvalError> {
    check_level(rule.level)?;
    if !(rule.p > 0.0 && rule.p < 1.0) {
        let expected = "choose above 0 and below 1".to_owned();
        return Err(EvalError::Setting { setting: "p", value: rule.p, expected });
    }
    let points = recalls.points();
    let of = |class: &Vec<f64>| {
        let fit = linear_regression(&points, class)?;
        Ok(ClassBehaviour {
            behaviour: Behaviour::of(&fit, rule.p),
            slope: fit.slope_interval(rule.level),
            p_value: fit.p_value,
            constant: class.iter().all(|recall| *recall == class[0]),
        })
    };
    Tested::of(recalls.classes().iter().map(of).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{check_p, doubles};
    use proptest::prelude::*;
    use twinlens_random::{Purpose, Stream};

    fn table(values: &[f64], classes: Vec<Vec<f64>>) -> Recalls {
        Recalls::new(values.to_vec(), classes[0].len() / values.len(), classes).unwrap()
    }

    fn tested(recalls: &Recalls) -> Vec<ClassBehaviour> {
        behaviours(recalls, BehaviourRule::default()).unwrap().tested().unwrap().clone()
    }

    #[test]
    fn golden_slope_trend() {
        for case in twinlens_golden::cases("statistics2/slope_trend") {
            let (x, y) = (doubles(&case, "in.x"), doubles(&case, "in.y"));
            let rule = BehaviourRule { p: case.number("alpha"), level: 0.95 };
            let found = behaviours(&table(&x, vec![y.clone()]), rule).unwrap().tested().unwrap()[0];
            let fit = linear_regression(&x, &y).unwrap();
            case.check("out.slope", &[found.slope.value]);
            case.check("out.intercept", &[fit.intercept]);
            case.check("out.stderr", &[fit.slope_error]);
            check_p(&case, found.p_value);
            let trend = match found.behaviour {
                Behaviour::Rising => 1,
                Behaviour::Falling => -1,
                Behaviour::Random => 0,
            };
            case.check_exact("out.trend", &[trend]);
        }
    }

    #[test]
    fn constant_classes_are_random_and_told() {
        let values: Vec<f64> = (0..7).map(|v| f64::from(v) / 6.0).collect();
        let found = tested(&table(&values, vec![vec![0.1; 7], values.clone()]));
        assert_eq!((found[0].behaviour, found[0].constant), (Behaviour::Random, true));
        assert!(found[0].p_value > 0.99 && found[0].slope.low.abs() < 1e-12, "{:?}", found[0]);
        assert_eq!((found[1].behaviour, found[1].constant), (Behaviour::Rising, false));
    }

    #[test]
    fn too_few_points_are_not_tested() {
        let reason = |recalls: &Recalls| {
            behaviours(recalls, BehaviourRule::default()).unwrap().reason().unwrap().to_owned()
        };
        assert_eq!(reason(&table(&[0.0, 1.0], vec![vec![0.1, 0.2]])), "x: at least 3 are needed, got 2");
        assert!(reason(&table(&[0.5], vec![vec![0.1, 0.2, 0.3]])).contains("all values of x are equal"));
        let bad = BehaviourRule { p: 1.0, level: 0.95 };
        assert!(behaviours(&table(&[0.0], vec![vec![0.0; 3]]), bad).is_err());
    }

    /// Of classes that do nothing one in twenty is called rising or falling, and the interval of the slope misses 0 for the same ones.
    #[test]
    fn classes_of_noise_are_random_as_often_as_said() {
        let mut stream = Stream::new(4, Purpose::Evaluation, [80, 0, 0]);
        let values: Vec<f64> = (0..10).map(f64::from).collect();
        let classes = (0..2000).map(|_| (0..10).map(|_| stream.normal()).collect()).collect();
        let found = tested(&table(&values, classes));
        let called = found.iter().filter(|class| class.behaviour != Behaviour::Random).count();
        assert!((70..=130).contains(&called), "{called} of 2000");
        let missed = |class: &&ClassBehaviour| class.slope.low > 0.0 || class.slope.high < 0.0;
        assert_eq!(found.iter().filter(missed).count(), called);
    }

    proptest! {
        /// A class seen in a mirror does the opposite, and a scale of the parameter changes nothing.
        #[test]
        fn mirrors_turn_behaviour(class in prop::collection::vec(0.0f64..1.0, 8), scale in 0.1f64..20.0) {
            let values: Vec<f64> = (0..8).map(f64::from).collect();
            let scaled: Vec<f64> = values.iter().map(|v| scale * v).collect();
            let mirrored = class.iter().map(|recall| 1.0 - recall).collect();
            let [plain, turned] = tested(&table(&values, vec![class.clone(), mirrored]))[..] else { unreachable!() };
            let other = tested(&table(&scaled, vec![class]))[0];
            prop_assume!((plain.p_value - 0.05).abs() > 1e-9);
            prop_assert_eq!(plain.behaviour, other.behaviour);
            let opposite = match plain.behaviour {
                Behaviour::Rising => Behaviour::Falling,
                Behaviour::Falling => Behaviour::Rising,
                Behaviour::Random => Behaviour::Random,
            };
            prop_assert_eq!(turned.behaviour, opposite);
        }
    }
}
