//! The method of a run, with its name.

use std::ops::Deref;

use serde::Serialize;

use super::method::MethodConfig;

/// The method that a run is told to use: one of the [registry](super::MethodSettings), or [a program's own](OwnMethod).
pub trait NamedMethod: Deref<Target = dyn MethodConfig> {
    /// Its name.
    fn name(&self) -> &str;
}

/// A method that the registry does not know, saved as `[method]` like those that it knows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OwnMethod<C> {
    name: String,
    #[serde(flatten)]
    config: C,
}

impl<C: MethodConfig> OwnMethod<C> {
    /// A method under the name that records of its runs will have.
    pub fn new(name: &str, config: C) -> OwnMethod<C> {
        OwnMethod { name: name.into(), config }
    }
}

impl<C: MethodConfig + 'static> Deref for OwnMethod<C> {
    type Target = dyn MethodConfig;

    fn deref(&self) -> &Self::Target {
        &self.config
    }
}

impl<C: MethodConfig + 'static> NamedMethod for OwnMethod<C> {
    fn name(&self) -> &str {
        &self.name
    }
}
