//! Recipes: settings for a data set and a method, as TOML inside the program.
//!
//! A recipe changes the built-in defaults of [`Settings`](crate::Settings). Its comments state the hardware, the time
//! and the score it was made for.

use crate::SslError;

/// A recipe's name and text.
#[derive(Clone, Copy, Debug)]
pub struct Recipe {
    /// `FAMILY/METHOD`.
    pub name: &'static str,
    /// The TOML text.
    pub text: &'static str,
}

/// Every recipe.
pub const RECIPES: &[Recipe] = &[
    Recipe { name: "medmnist/barlow-twins", text: include_str!("../recipes/medmnist/barlow-twins.toml") },
    Recipe { name: "medmnist/simclr", text: include_str!("../recipes/medmnist/simclr.toml") },
    Recipe { name: "quickstart", text: include_str!("../recipes/quickstart.toml") },
];

/// The recipe called `name`.
///
/// # Errors
/// An unknown name; the error lists the known ones.
pub fn find(name: &str) -> Result<&'static Recipe, SslError> {
    RECIPES.iter().find(|recipe| recipe.name == name).ok_or_else(|| {
        let known = RECIPES.iter().map(|recipe| recipe.name).collect::<Vec<_>>().join(", ");
        SslError::UnknownRecipe { got: name.into(), known }
    })
}

/// The recipe a method is trained with where none is named.
pub fn default_for(method: &str) -> String {
    format!("medmnist/{method}")
}
