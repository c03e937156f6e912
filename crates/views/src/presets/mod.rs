//! Published view policies as TOML, one file each. One more costs its file and one line of the list below.

use serde::Deserialize;

use crate::error::ViewsError;
use crate::policy::ViewPolicy;

/// Name and text of every preset.
pub const PRESETS: &[(&str, &str)] = &[
    ("barlow-twins", include_str!("barlow_twins.toml")),
    ("medmnist", include_str!("medmnist.toml")),
    ("simclr", include_str!("simclr.toml")),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    views: Vec<ViewPolicy>,
}

/// The view policies of the preset `name`.
///
/// # Errors
/// When there is no such preset; the error lists those there are.
pub fn preset(name: &str) -> Result<Vec<ViewPolicy>, ViewsError> {
    let Some((_, text)) = PRESETS.iter().find(|(known, _)| *known == name) else {
        let known = PRESETS.iter().map(|(known, _)| *known).collect::<Vec<_>>().join(", ");
        return Err(ViewsError::UnknownPreset { name: name.to_string(), known });
    };
    let file: File = toml::from_str(text)
        .map_err(|source| ViewsError::Preset { name: name.to_string(), source: Box::new(source) })?;
    Ok(file.views)
}
