//! What is asked for.

use std::path::PathBuf;

/// A setting with a flag of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Flag {
    /// The flag as the front end spells it.
    pub name: &'static str,
    /// The dotted key it sets.
    pub key: &'static str,
    /// Its value.
    pub value: toml::Value,
}

/// What one invocation asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request {
    /// The preset's name.
    pub preset: Option<String>,
    /// Settings as the text of TOML with a name for it, in the order given; files lie over them.
    pub texts: Vec<(String, String)>,
    /// Files of settings, in the order given.
    pub files: Vec<PathBuf>,
    /// Environment variables; those without the prefix are passed over.
    pub environment: Vec<(String, String)>,
    /// Assignments, `key=value`, in the order given.
    pub sets: Vec<String>,
    /// Flags that were given.
    pub flags: Vec<Flag>,
}
