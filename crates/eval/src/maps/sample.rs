//! Which rows stand for all on a map that cannot show all.

use crate::draws::{Draw, stream};

/// At most `most` of `rows` rows, drawn without replacement: a function of the seed. Ascending; all rows if they are few.
pub fn sample(rows: usize, most: usize, seed: u64) -> Vec<usize> {
    if rows <= most {
        return (0..rows).collect();
    }
    let mut drawn = stream(seed, Draw::Map, 0).permutation(rows);
    drawn.truncate(most);
    drawn.sort_unstable();
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn samples_are_distinct_rows_in_order(rows in 0usize..200, most in 0usize..200, seed: u64) {
            let drawn = sample(rows, most, seed);
            prop_assert_eq!(drawn.len(), rows.min(most));
            prop_assert!(drawn.is_sorted_by(|a, b| a < b));
            prop_assert!(drawn.last().is_none_or(|&last| last < rows));
        }
    }

    #[test]
    fn the_seed_decides() {
        assert_eq!(sample(1000, 10, 1), sample(1000, 10, 1));
        assert_ne!(sample(1000, 10, 1), sample(1000, 10, 2));
    }
}
