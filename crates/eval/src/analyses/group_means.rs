//! Whole groups of classes along a parameter.

use super::Recalls;
use crate::EvalError;
use crate::statistics::Summary;

/// The mean recall of a group of classes along a parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupMeans {
    /// The group.
    pub group: usize,
    /// How many classes it has.
    pub classes: usize,
    /// At each value of the parameter, over seeds.
    pub at: Vec<Summary>,
}

/// The mean recall over the classes of every group (the superclasses of CIFAR-100, say), by value of the parameter, with its mean, deviation
/// and interval over seeds (N, figure 3). `groups` gives the group of each class, by any numbers; groups come in rising order.
///
/// ```text
/// g(v, s) = mean over the classes c of the group of recall_c(v, s);    the band at v: mean, deviation, t interval of g(v, .)
/// ```
///
/// # Errors
/// [`EvalError::Length`] unless every class has a group, [`EvalError::Setting`] unless `level` is between 0 and 1.
pub fn group_means(recalls: &Recalls, groups: &[usize], level: f64) -> Result<Vec<GroupMeans>, EvalError> {
    let classes = recalls.classes();
    if groups.len() != classes.len() {
        return Err(EvalError::Length {
            what: "groups of classes",
            expected: classes.len(),
            got: groups.len(),
        });
    }
    let mut names = groups.to_vec();
    names.sort_unstable();
    names.dedup();
    let means = |group: usize| {
        let members: Vec<&Vec<f64>> =
            classes.iter().zip(groups).filter(|(_, of)| **of == group).map(|(class, _)| class).collect();
        let mean = |run: usize| members.iter().map(|class| class[run]).sum::<f64>() / members.len() as f64;
        let runs: Vec<f64> = (0..members[0].len()).map(mean).collect();
        let at = runs.chunks_exact(recalls.seeds()).map(|seeds| Summary::of("seeds", seeds, level));
        Ok(GroupMeans { group, classes: members.len(), at: at.collect::<Result<_, EvalError>>()? })
    };
    names.into_iter().map(means).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::mean_interval;

    #[test]
    fn by_hand() {
        let classes = vec![vec![0.1, 0.3, 0.5, 0.7], vec![0.3, 0.5, 0.7, 0.9], vec![1.0; 4]];
        let recalls = Recalls::new(vec![0.0, 0.5], 2, classes).unwrap();
        let found = group_means(&recalls, &[7, 7, 2], 0.95).unwrap();
        assert_eq!(
            found.iter().map(|group| (group.group, group.classes)).collect::<Vec<_>>(),
            [(2, 1), (7, 2)]
        );
        let at = found[1].at[0];
        assert!((at.mean - 0.3).abs() < 1e-12 && (at.std.unwrap() - 0.02_f64.sqrt()).abs() < 1e-12);
        let interval = mean_interval("seeds", &[0.2, 0.4], 0.95).unwrap();
        assert!((at.interval.unwrap()[0] - interval.low).abs() < 1e-9);
        assert_eq!((found[0].at[1].mean, found[0].at[1].std), (1.0, Some(0.0)));
        let alone = group_means(&recalls.means(), &[7, 7, 2], 0.95).unwrap();
        assert_eq!((alone[1].at[0].std, alone[1].at[0].interval, alone[1].at[0].count), (None, None, 1));
        assert!(group_means(&recalls, &[7, 7], 0.95).is_err());
        assert!(group_means(&recalls, &[7, 7, 2], 0.0).is_err());
    }
}
