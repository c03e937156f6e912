//! Published view policies as TOML, one file each. One more costs its file and one line of the list below.

use serde::Deserialize;

use crate::error::ViewsError;
use crate::policy::ViewPolicy;

/// Name and text of every preset.
pub const PRESETS: &[(&str, &str)] = &[
    ("barlow-twins", include_str!("barlow_twins.toml")),
    ("byol", include_str!("byol.toml")),
    ("cells-centre", include_str!("cells_centre.toml")),
    ("cells-centre-affine", include_str!("cells_centre_affine.toml")),
    ("cells-count", include_str!("cells_count.toml")),
    ("cells-first", include_str!("cells_first.toml")),
    ("cells-first-flips", include_str!("cells_first_flips.toml")),
    ("cells-second", include_str!("cells_second.toml")),
    ("cells-second-flips", include_str!("cells_second_flips.toml")),
    ("cifar-n", include_str!("cifar_n.toml")),
    ("crop-flip", include_str!("crop_flip.toml")),
    ("dino-multicrop", include_str!("dino_multicrop.toml")),
    ("grey-scans", include_str!("grey_scans.toml")),
    ("many-channels", include_str!("many_channels.toml")),
    ("medmnist", include_str!("medmnist.toml")),
    ("mnist-base", include_str!("mnist_base.toml")),
    ("mnist-digit", include_str!("mnist_digit.toml")),
    ("mnist-digit-pad", include_str!("mnist_digit_pad.toml")),
    ("mnist-style", include_str!("mnist_style.toml")),
    ("mnist-style-flip", include_str!("mnist_style_flip.toml")),
    ("moco-v2", include_str!("moco_v2.toml")),
    ("ressl", include_str!("ressl.toml")),
    ("ressl-strong", include_str!("ressl_strong.toml")),
    ("ressl-weak", include_str!("ressl_weak.toml")),
    ("simclr", include_str!("simclr.toml")),
    ("simclr-light", include_str!("simclr_light.toml")),
    ("swav-multicrop", include_str!("swav_multicrop.toml")),
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
