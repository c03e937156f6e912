//! What is wrong with settings, as a list that grows check by check.

use std::fmt;

/// A setting that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingProblem {
    /// Dotted name of the setting.
    pub key: String,
    /// What it may be.
    pub expected: String,
    /// What it is.
    pub got: String,
}

impl fmt::Display for SettingProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}, expected {}", self.key, self.got, self.expected)
    }
}

/// A list of problems that grows check by check.
#[derive(Debug, Default)]
pub struct Problems {
    list: Vec<SettingProblem>,
    /// What the keys of the present check start with.
    within: String,
}

impl Problems {
    /// Reports `key` unless `sound`.
    pub fn require(&mut self, key: &str, sound: bool, expected: &str, got: &(impl fmt::Display + ?Sized)) {
        if !sound {
            let key = format!("{}{key}", self.within);
            self.list.push(SettingProblem { key, expected: expected.into(), got: got.to_string() });
        }
    }

    /// The checks of a table.
    pub fn within(&mut self, table: &str, check: impl FnOnce(&mut Problems)) {
        let outside = self.within.len();
        self.within += table;
        self.within.push('.');
        check(self);
        self.within.truncate(outside);
    }

    /// What was reported.
    pub(crate) fn list(self) -> Vec<SettingProblem> {
        self.list
    }

    /// Reports a number that is not above 0.
    pub fn positive(&mut self, key: &str, value: f64) {
        self.require(key, value.is_finite() && value > 0.0, "above 0", &value);
    }

    /// Reports a number below 0.
    pub fn not_negative(&mut self, key: &str, value: f64) {
        self.require(key, value.is_finite() && value >= 0.0, "0 or more", &value);
    }

    /// Reports a number that is not from 0 to 1.
    pub fn share(&mut self, key: &str, value: f64) {
        self.require(key, (0.0..=1.0).contains(&value), "0 to 1", &value);
    }

    /// Reports 0.
    pub fn least_one(&mut self, key: &str, value: usize) {
        self.require(key, value > 0, "at least 1", &value);
    }

    /// Reports 0 and 1.
    pub fn least_two(&mut self, key: &str, value: usize) {
        self.require(key, value > 1, "at least 2", &value);
    }
}
