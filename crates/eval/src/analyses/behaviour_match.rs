//! Do classes behave alike under two protocols?

use super::{Behaviour, MatchRate, Tested, match_rate};
use crate::EvalError;

/// How often classes behave alike under two protocols.
#[derive(Clone, Debug, PartialEq)]
pub struct BehaviourMatch {
    /// The classes with an opposed partner under both.
    pub opposed: Vec<usize>,
    /// Among these.
    pub among_opposed: Tested<MatchRate>,
    /// Among all classes.
    pub among_all: Tested<MatchRate>,
}

/// Of the classes with an opposed partner under both of two protocols, such as linear evaluation and fine-tuning, the share with the same
/// behaviour (N, table 7). Each protocol says of every class whether it has a partner, and its behaviour. Beside it stand the share over
/// all classes, and for both what chance gives: a class is opposed *because* it goes along with the parameter or against it, so that opposed
/// classes are seldom random, and agree more than all for that alone. [`MatchRate::chance`] of these classes has it counted in.
///
/// # Errors
/// As [`match_rate`], for any of the four lists.
pub fn behaviour_match(
    [first, second]: [(&[bool], &[Behaviour]); 2],
    level: f64,
) -> Result<BehaviourMatch, EvalError> {
    let expected = first.1.len();
    for got in [first.0.len(), second.0.len()] {
        if got != expected {
            return Err(EvalError::Length { what: "classes with a partner or without", expected, got });
        }
    }
    let among_all = match_rate(first.1, second.1, level)?;
    let opposed: Vec<usize> = (0..expected).filter(|&class| first.0[class] && second.0[class]).collect();
    let of = |behaviours: &[Behaviour]| -> Vec<Behaviour> {
        opposed.iter().map(|&class| behaviours[class]).collect()
    };
    let among_opposed = match_rate(&of(first.1), &of(second.1), level)?;
    Ok(BehaviourMatch { opposed, among_opposed, among_all })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        use Behaviour::{Falling, Random, Rising};
        let first = (&[true, true, true, false][..], &[Rising, Falling, Rising, Random][..]);
        let second = (&[true, true, false, true][..], &[Rising, Rising, Rising, Random][..]);
        let found = behaviour_match([first, second], 0.95).unwrap();
        assert_eq!(found.opposed, [0, 1]);
        let (opposed, all) = (found.among_opposed.tested().unwrap(), found.among_all.tested().unwrap());
        assert_eq!((opposed.same, opposed.of, opposed.chance), (1, 2, 0.5));
        assert_eq!((all.same, all.of, all.chance), (3, 4, 0.5 * 0.75 + 0.25 * 0.25));
        let none = behaviour_match([(&[false; 4], first.1), second], 0.95).unwrap();
        assert!(none.among_opposed.reason().is_some() && none.among_all.tested().is_some());
        assert!(behaviour_match([(&[true; 3], first.1), second], 0.95).is_err());
        assert!(behaviour_match([first, (&[true; 4], &[Rising; 3])], 0.95).is_err());
    }
}
