//! How often one method is better than another.

use super::checks::check;
use crate::EvalError;

/// How often a run of one method scores higher than one of another.
#[derive(Clone, Debug, PartialEq)]
pub struct Improvement {
    /// For each task, the share of pairs of runs in which the first is higher, equal ones counting one half.
    pub by_task: Vec<f64>,
    /// The mean over tasks.
    pub probability: f64,
}

/// The probability of improvement (Agarwal et al., "Deep reinforcement learning at the edge of the statistical precipice", 2021, section
/// 4.3): `mean over tasks of P(a > b)`, with `P` the share of pairs of runs (Mann and Whitney's U over the number of pairs). `a` and `b`
/// hold the scores of each task's runs, of any number.
///
/// # Errors
/// No tasks, different numbers of them, a task without runs, numbers that are not finite.
pub fn probability_of_improvement(a: &[Vec<f64>], b: &[Vec<f64>]) -> Result<Improvement, EvalError> {
    if a.is_empty() {
        return Err(EvalError::Empty { what: "the list of tasks".to_owned() });
    }
    if a.len() != b.len() {
        return Err(EvalError::Length {
            what: "tasks of the second method",
            expected: a.len(),
            got: b.len(),
        });
    }
    let of_task = |(a, b): (&Vec<f64>, &Vec<f64>)| {
        check("runs of a task", a, 1)?;
        check("runs of a task", b, 1)?;
        let won = |a: f64, b: f64| 0.5 * (f64::from(a > b) + f64::from(a >= b));
        let sum: f64 = a.iter().flat_map(|&a| b.iter().map(move |&b| won(a, b))).sum();
        Ok(sum / (a.len() * b.len()) as f64)
    };
    let by_task: Vec<f64> = a.iter().zip(b).map(of_task).collect::<Result<_, EvalError>>()?;
    Ok(Improvement { probability: by_task.iter().sum::<f64>() / by_task.len() as f64, by_task })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::doubles;

    #[test]
    fn golden_probability_of_improvement() {
        for case in twinlens_golden::cases("statistics2/probability_of_improvement") {
            let by_task = |key: &str| -> Vec<Vec<f64>> {
                let (values, tasks) = (doubles(&case, key), case.shape(key)[1]);
                (0..tasks).map(|task| values.iter().skip(task).step_by(tasks).copied().collect()).collect()
            };
            let found = probability_of_improvement(&by_task("in.a"), &by_task("in.b")).unwrap();
            case.check("out.per_task", &found.by_task);
            case.check("out.probability", &[found.probability]);
            let turned = probability_of_improvement(&by_task("in.b"), &by_task("in.a")).unwrap();
            assert!((found.probability + turned.probability - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn tasks_must_fit() {
        assert!(probability_of_improvement(&[], &[]).is_err());
        assert!(probability_of_improvement(&[vec![1.0]], &[vec![1.0], vec![1.0]]).is_err());
        assert!(probability_of_improvement(&[vec![1.0]], &[vec![]]).is_err());
    }
}
