//! Recipes: settings for a data set and a method, as TOML inside the program.
//!
//! A recipe changes the built-in defaults of [`Settings`](crate::Settings). Its comments state the hardware, the time
//! and the score it was made for.

use crate::SslError;

/// Every recipe: its name (`FAMILY/METHOD`) and TOML text.
pub const RECIPES: &[(&str, &str)] = &[
    ("medmnist/barlow-twins", include_str!("../recipes/medmnist/barlow-twins.toml")),
    ("medmnist/simclr", include_str!("../recipes/medmnist/simclr.toml")),
    ("quickstart", include_str!("../recipes/quickstart.toml")),
];

/// The text of the recipe called `name`.
///
/// # Errors
/// An unknown name; the error lists the known ones.
pub fn find(name: &str) -> Result<&'static str, SslError> {
    RECIPES.iter().find(|(id, _)| *id == name).map(|(_, text)| *text).ok_or_else(|| {
        let known = RECIPES.iter().map(|(id, _)| *id).collect::<Vec<_>>().join(", ");
        SslError::UnknownRecipe { got: name.into(), known }
    })
}

/// The recipe a method is trained with where none is named.
pub fn default_for(method: &str) -> String {
    format!("medmnist/{method}")
}
