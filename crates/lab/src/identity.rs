//! What tells results apart: a key made of everything that was asked.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use twinlens_data::{DataSet, Split, SplitOrigin};
use twinlens_eval::asked;

/// Hexadecimal digits of a key: one collision in a million million results.
const DIGITS: usize = 10;

/// The key of a result of `protocol`: the same for the same request, another for any other. What was found or chosen on the
/// way, and where the data lie, has no part in it.
pub fn key(protocol: &str, settings: &BTreeMap<String, Value>, seeds: &BTreeMap<String, u64>) -> String {
    let asked: BTreeMap<&String, &Value> = asked(settings).collect();
    digest([json!({ "protocol": protocol, "asked": asked, "seeds": seeds }).to_string()])
}

/// Which images stand in which split, where the files do not say so: two draws of one set are two things to judge on.
pub fn split_key(data: &DataSet) -> Option<String> {
    let names = || {
        let of = |split: Split| data.splits.get(split).map(|source| (split, source));
        Split::ALL.into_iter().filter_map(of).flat_map(|(split, source)| {
            (0..source.len()).map(move |index| format!("{} {}", split.name(), source.name(index)))
        })
    };
    (data.split_origin != SplitOrigin::Defined).then(|| digest(names()))
}

pub(crate) fn digest(texts: impl IntoIterator<Item = String>) -> String {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update(text);
        hash.update([0]);
    }
    let digits: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    digits[..DIGITS].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(protocol: &str, settings: &[(&str, Value)], seed: u64) -> String {
        let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        key(protocol, &settings, &BTreeMap::from([("labels".to_owned(), seed)]))
    }

    #[test]
    fn every_setting_and_seed_makes_another_key_and_what_was_found_does_not() {
        let usual = of("cluster", &[("restarts", 10.into())], 0);
        assert_eq!(usual.len(), DIGITS);
        assert_eq!(
            of("cluster", &[("restarts", 10.into()), ("iterations", 7.into()), ("data", "a".into())], 0),
            usual
        );
        for other in [
            of("cluster", &[("restarts", 5.into())], 0),
            of("cluster", &[("restarts", 10.into())], 1),
            of("cluster", &[("restarts", 10.into()), ("anything", true.into())], 0),
            of("health", &[("restarts", 10.into())], 0),
        ] {
            assert_ne!(other, usual);
        }
    }
}
