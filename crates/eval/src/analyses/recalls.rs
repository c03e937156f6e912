//! The table that the analyses of classes start from.

use crate::EvalError;
use crate::statistics::checks::check;

/// The recall of every class (or any other measure of it) at every value of a parameter, once for each seed.
#[derive(Clone, Debug, PartialEq)]
pub struct Recalls {
    values: Vec<f64>,
    seeds: usize,
    classes: Vec<Vec<f64>>,
}

impl Recalls {
    /// Takes `values` of the parameter, and for each class the recalls `[values, seeds]`: those of all seeds at the first value, then
    /// those at the second.
    ///
    /// # Errors
    /// [`EvalError::Empty`] without values, seeds or classes, [`EvalError::Length`] unless every class has one recall for each value
    /// and seed, [`EvalError::NumberNotFinite`].
    pub fn new(values: Vec<f64>, seeds: usize, classes: Vec<Vec<f64>>) -> Result<Recalls, EvalError> {
        for (what, count) in [("values", values.len()), ("seeds", seeds), ("classes", classes.len())] {
            if count == 0 {
                return Err(EvalError::Empty { what: format!("the list of {what}") });
            }
        }
        check("values of the parameter", &values, 1)?;
        let expected = values.len() * seeds;
        for class in &classes {
            if class.len() != expected {
                return Err(EvalError::Length { what: "recalls of a class", expected, got: class.len() });
            }
            check("recalls of a class", class, 1)?;
        }
        Ok(Recalls { values, seeds, classes })
    }

    /// The values of the parameter.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// How many seeds there are of each value.
    pub fn seeds(&self) -> usize {
        self.seeds
    }

    /// The recalls of each class, `[values, seeds]`.
    pub fn classes(&self) -> &[Vec<f64>] {
        &self.classes
    }

    /// The value of the parameter at each recall of a class.
    pub fn points(&self) -> Vec<f64> {
        self.values.iter().flat_map(|&value| std::iter::repeat_n(value, self.seeds)).collect()
    }

    /// The mean over seeds: a table of one recall for each class and value.
    pub fn means(&self) -> Recalls {
        let classes = self.classes.iter().map(|class| self.means_of(class)).collect();
        Recalls { values: self.values.clone(), seeds: 1, classes }
    }

    /// What seeds alone do: of every recall the mean over the seeds at its value is taken off, so that nothing that the parameter does
    /// remains. Classes that are opposed here are so from run to run, whatever the parameter.
    pub fn within_values(&self) -> Recalls {
        let within = |class: &Vec<f64>| {
            let means = self.means_of(class);
            let runs = class.chunks_exact(self.seeds).zip(means);
            runs.flat_map(|(runs, mean)| runs.iter().map(move |run| run - mean)).collect()
        };
        Recalls { classes: self.classes.iter().map(within).collect(), ..self.clone() }
    }

    fn means_of(&self, class: &[f64]) -> Vec<f64> {
        let seeds = self.seeds;
        class.chunks_exact(seeds).map(|runs| runs.iter().sum::<f64>() / seeds as f64).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_and_what_is_left_of_them() {
        let recalls = Recalls::new(vec![0.0, 0.5], 2, vec![vec![1.0, 3.0, 4.0, 8.0]]).unwrap();
        assert_eq!(recalls.points(), [0.0, 0.0, 0.5, 0.5]);
        assert_eq!(recalls.means(), Recalls::new(vec![0.0, 0.5], 1, vec![vec![2.0, 6.0]]).unwrap());
        assert_eq!(recalls.within_values().classes(), [vec![-1.0, 1.0, -2.0, 2.0]]);
    }

    #[test]
    fn tables_with_holes_are_refused() {
        let refused = |seeds, classes| Recalls::new(vec![0.0, 0.5], seeds, classes).unwrap_err().to_string();
        assert_eq!(refused(2, vec![vec![1.0; 3]]), "recalls of a class: expected 4, got 3");
        assert_eq!(refused(2, Vec::new()), "the list of classes is empty");
        assert_eq!(refused(0, vec![Vec::new()]), "the list of seeds is empty");
        assert!(refused(1, vec![vec![1.0, f64::NAN]]).contains("position 1"));
    }
}
