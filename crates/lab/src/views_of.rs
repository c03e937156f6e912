//! Which views are compared.

use std::path::Path;

use twinlens_run::RunRecord;
use twinlens_views::{ViewPolicy, presets};

use crate::run_settings::RunSettings;
use crate::{FeaturesKind, LabError};

/// Views of each image that are compared.
const COMPARED: usize = 2;

/// Which views are compared, by a protocol that compares some.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ViewsOf {
    /// Those that the encoder's run learned from, where it is one's.
    #[default]
    Run,
    /// Those of a named policy.
    Policy(String),
    /// None.
    Nothing,
}

impl ViewsOf {
    /// The policy and its name, for features of this kind of the encoder at `encoder`; none where there is nothing to compare:
    /// views of pixels differ in place, and an encoder's file does not say its views. A fine-tuning learns from one view of each
    /// image; two of that kind are compared.
    ///
    /// # Errors
    /// A name that no policy has; a run that cannot be read.
    pub fn policy(
        &self,
        features: FeaturesKind,
        encoder: &Path,
    ) -> Result<Option<(String, Vec<ViewPolicy>)>, LabError> {
        match self {
            ViewsOf::Nothing => Ok(None),
            ViewsOf::Policy(name) => Ok(Some((name.clone(), presets::preset(name)?))),
            ViewsOf::Run if features == FeaturesKind::Pixels || !encoder.is_dir() => Ok(None),
            ViewsOf::Run => {
                let settings = RunSettings::of(&RunRecord::read(encoder)?)?;
                let common = settings.common();
                let mut views = common.views.clone();
                if let [only] = &mut views[..] {
                    only.count = only.count.max(COMPARED);
                }
                Ok(Some((common.policy.clone(), views)))
            }
        }
    }
}
