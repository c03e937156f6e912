//! How to open a data set.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::DataError;

/// What to do with an image that cannot be decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnBadSample {
    /// Leave it out, count it and name it.
    #[default]
    Skip,
    /// Stop with an error.
    Fail,
}

/// What to do when the set does not define all three splits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SplitPolicy {
    /// One part only: draw all three from it. Train and test but no validation: draw validation from train.
    /// Anything else stays as it is.
    #[default]
    Complete,
    /// Take the splits as the set defines them (a set of one undivided part is its training split).
    AsDefined,
}

/// Shares of the images in splits that are drawn; they must add up to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SplitShares {
    /// Share of the training split.
    pub train: f64,
    /// Share of the validation split.
    pub val: f64,
    /// Share of the test split.
    pub test: f64,
}

impl Default for SplitShares {
    fn default() -> SplitShares {
        SplitShares { train: 0.7, val: 0.1, test: 0.2 }
    }
}

/// How to open a data set; `OpenOptions::default()` suits most.
#[derive(Clone, Default)]
pub struct OpenOptions<'a> {
    /// Which array of an .npz holds the images, where the usual keys do not say.
    pub member: Option<String>,
    /// Names of the classes, by class number; a label beyond them is an error. Sets that bring names (image
    /// folders) keep their own.
    pub class_names: Option<Vec<String>>,
    /// What to do with an image that cannot be decoded.
    pub on_bad_sample: OnBadSample,
    /// What to do when the set does not define all three splits.
    pub split_policy: SplitPolicy,
    /// Shares for splits that are drawn.
    pub shares: SplitShares,
    /// Seed for splits that are drawn.
    pub seed: u64,
    /// Bytes of decoded images to hold in memory, and the most that one image may need; `None` means half of
    /// the memory available now.
    pub memory_limit: Option<u64>,
    /// Where decoded sets beyond the limit are kept; without it they are an error.
    pub cache_dir: Option<PathBuf>,
    /// Called from the opening thread with (images done, images in all), for a progress bar.
    pub progress: Option<&'a dyn Fn(usize, usize)>,
}

impl OpenOptions<'_> {
    /// The memory limit in bytes: as given, or half of the memory available now.
    pub fn memory_limit_bytes(&self) -> u64 {
        self.memory_limit.unwrap_or_else(|| available_memory() / 2)
    }

    pub(crate) fn check(&self) -> Result<(), DataError> {
        let SplitShares { train, val, test } = self.shares;
        let sound = [val, test].iter().all(|share| (0.0..1.0).contains(share)) && train > 0.0;
        if !sound || (train + val + test - 1.0).abs() > 1e-6 {
            return Err(DataError::BadOption {
                name: "shares",
                expected: "train > 0, val >= 0, test >= 0, adding up to 1".into(),
                got: format!("train {train}, val {val}, test {test}"),
            });
        }
        if self.class_names.as_ref().is_some_and(Vec::is_empty) {
            return Err(DataError::BadOption {
                name: "class_names",
                expected: "one name per class".into(),
                got: "an empty list".into(),
            });
        }
        Ok(())
    }
}

/// Bytes of memory available to this process now. Of a control group's limit (containers, batch systems) what
/// its processes hold is taken; files that the system merely remembers there are not, as they give way.
fn available_memory() -> u64 {
    let mut system = sysinfo::System::new();
    system.refresh_memory();
    let group = system.cgroup_limits().map(|limits| limits.total_memory.saturating_sub(limits.rss));
    system.available_memory().min(group.unwrap_or(u64::MAX))
}
