//! Limited-memory BFGS for smooth convex functions.

use std::collections::VecDeque;

/// Pairs of steps and gradient changes remembered (scikit-learn's and SciPy's number).
const MEMORY: usize = 10;
/// Line search: required decrease, and share of the slope that may remain.
const DECREASE: f64 = 1e-4;
const CURVATURE: f64 = 0.9;
/// Differences of values below this share of them may be rounding.
const ROUNDING: f64 = 1e-12;
const MAX_TRIALS: usize = 40;

/// When to stop.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Converged when no element of the gradient is larger than this.
    pub(super) gradient: f64,
    /// Steps after which to give up.
    pub(super) iterations: usize,
}

/// Where the search ended.
#[derive(Clone, Debug)]
pub(super) struct Minimum {
    pub(super) at: Vec<f64>,
    pub(super) value: f64,
    pub(super) largest_gradient: f64,
    pub(super) iterations: usize,
    pub(super) converged: bool,
}

/// A point with its value and gradient.
#[derive(Clone)]
struct Point {
    at: Vec<f64>,
    value: f64,
    gradient: Vec<f64>,
}

/// A step, the change of the gradient over it, and 1 / (their product).
struct Pair {
    step: Vec<f64>,
    change: Vec<f64>,
    inverse: f64,
}

/// Minimises `function` from `start` (Nocedal and Wright, "Numerical Optimization", 2nd edition, algorithms
/// 7.4 and 7.5). `function` writes the gradient into its second argument and returns the value.
///
/// The step length is found by bisection and doubling until the weak Wolfe conditions hold (Lewis and
/// Overton, "Nonsmooth optimization via quasi-Newton methods", 2013, algorithm 2.6), which keeps every
/// remembered pair's curvature positive. Where values differ by no more than rounding, the slope decides
/// instead of the decrease (Hager and Zhang, "A new conjugate gradient method with guaranteed descent and an
/// efficient line search", 2005, approximate Wolfe conditions).
pub(super) fn minimise(
    start: Vec<f64>,
    limits: Limits,
    mut function: impl FnMut(&[f64], &mut [f64]) -> f64,
) -> Minimum {
    let mut evaluate = |at: Vec<f64>| {
        let mut gradient = vec![0.0; at.len()];
        let value = function(&at, &mut gradient);
        Point { at, value, gradient }
    };
    let mut point = evaluate(start);
    let mut memory: VecDeque<Pair> = VecDeque::with_capacity(MEMORY);
    let mut iterations = 0;
    while largest(&point.gradient) > limits.gradient && iterations < limits.iterations {
        let direction = descent_direction(&point.gradient, &memory);
        let Some(next) = line_search(&point, &direction, &mut evaluate) else { break };
        let step = difference(&next.at, &point.at);
        let change = difference(&next.gradient, &point.gradient);
        if memory.len() == MEMORY {
            memory.pop_front();
        }
        memory.push_back(Pair { inverse: 1.0 / dot(&step, &change), step, change });
        point = next;
        iterations += 1;
    }
    let largest_gradient = largest(&point.gradient);
    let converged = largest_gradient <= limits.gradient;
    Minimum { at: point.at, value: point.value, largest_gradient, iterations, converged }
}

/// Minus the approximate inverse Hessian times the gradient (the two-loop recursion).
fn descent_direction(gradient: &[f64], memory: &VecDeque<Pair>) -> Vec<f64> {
    let mut direction: Vec<f64> = gradient.iter().map(|g| -g).collect();
    let Some(last) = memory.back() else {
        // Nothing is known of the curvature yet: a first step of length at most one.
        let scale = 1.0 / dot(gradient, gradient).sqrt().max(1.0);
        direction.iter_mut().for_each(|d| *d *= scale);
        return direction;
    };
    let mut along = Vec::with_capacity(memory.len());
    for pair in memory.iter().rev() {
        let amount = pair.inverse * dot(&pair.step, &direction);
        add(&mut direction, -amount, &pair.change);
        along.push(amount);
    }
    let scale = 1.0 / (last.inverse * dot(&last.change, &last.change));
    direction.iter_mut().for_each(|d| *d *= scale);
    for (pair, amount) in memory.iter().zip(along.into_iter().rev()) {
        let correction = amount - pair.inverse * dot(&pair.change, &direction);
        add(&mut direction, correction, &pair.step);
    }
    direction
}

/// A point along `direction` that satisfies the weak Wolfe conditions; `None` when rounding hides it.
fn line_search(
    from: &Point,
    direction: &[f64],
    evaluate: &mut impl FnMut(Vec<f64>) -> Point,
) -> Option<Point> {
    let slope = dot(&from.gradient, direction);
    let (mut low, mut high, mut length) = (0.0, f64::INFINITY, 1.0);
    for _ in 0..MAX_TRIALS {
        let mut at = from.at.clone();
        add(&mut at, length, direction);
        let trial = evaluate(at);
        let trial_slope = dot(&trial.gradient, direction);
        let decreased = trial.value <= from.value + DECREASE * length * slope;
        let as_good_as_flat = trial.value <= from.value + ROUNDING * from.value.abs()
            && trial_slope <= (2.0 * DECREASE - 1.0) * slope;
        if !(decreased || as_good_as_flat) {
            high = length;
        } else if trial_slope < CURVATURE * slope {
            low = length;
        } else {
            return Some(trial);
        }
        length = if high.is_finite() { 0.5 * (low + high) } else { 2.0 * low };
    }
    None
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

fn add(a: &mut [f64], factor: f64, b: &[f64]) {
    a.iter_mut().zip(b).for_each(|(x, y)| *x += factor * y);
}

fn difference(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(x, y)| x - y).collect()
}

fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |largest, value| largest.max(value.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Rosenbrock's valley: not convex, but a severe test of the line search.
    fn rosenbrock(at: &[f64], gradient: &mut [f64]) -> f64 {
        let (x, y) = (at[0], at[1]);
        gradient[0] = -2.0 * (1.0 - x) - 400.0 * x * (y - x * x);
        gradient[1] = 200.0 * (y - x * x);
        (1.0 - x).powi(2) + 100.0 * (y - x * x).powi(2)
    }

    #[test]
    fn finds_the_end_of_rosenbrocks_valley() {
        let found = minimise(vec![-1.2, 1.0], Limits { gradient: 1e-9, iterations: 200 }, rosenbrock);
        assert!(found.converged && found.iterations < 60, "{found:?}");
        assert!((found.at[0] - 1.0).abs() < 1e-8 && (found.at[1] - 1.0).abs() < 1e-8);
    }

    #[test]
    fn says_when_it_gave_up() {
        let found = minimise(vec![-1.2, 1.0], Limits { gradient: 1e-9, iterations: 3 }, rosenbrock);
        assert!(!found.converged);
        assert_eq!(found.iterations, 3);
        assert!(found.largest_gradient > 1e-9);
    }

    proptest! {
        #[test]
        fn minimises_any_quadratic(terms in prop::collection::vec((0.01f64..100.0, -5.0f64..5.0), 1..30)) {
            let quadratic = |at: &[f64], gradient: &mut [f64]| {
                let mut value = 0.0;
                for ((g, x), (curvature, centre)) in gradient.iter_mut().zip(at).zip(&terms) {
                    *g = curvature * (x - centre);
                    value += 0.5 * curvature * (x - centre).powi(2);
                }
                value
            };
            let found = minimise(vec![0.0; terms.len()], Limits { gradient: 1e-8, iterations: 1000 }, quadratic);
            prop_assert!(found.converged);
            for (x, (_, centre)) in found.at.iter().zip(&terms) {
                prop_assert!((x - centre).abs() < 1e-5);
            }
        }
    }
}
