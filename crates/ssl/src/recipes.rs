//! Recipes: settings for a data set and a method, as TOML inside the program.
//!
//! A recipe changes the built-in defaults of [`Settings`](crate::Settings). Its table `about` states the hardware, the time
//! and the score it was made for. Recipes whose name has no family are for people with images of some kind, which `for` tells;
//! [`for_images`] finds the one that fits.

use std::sync::LazyLock;

use twinlens_views::{ViewPolicy, presets};

use crate::SslError;

/// Every recipe: its name (a kind of images, or `FAMILY/METHOD`) and TOML text.
pub const RECIPES: &[(&str, &str)] = &[
    ("small-images", include_str!("../recipes/small-images.toml")),
    ("photographs", include_str!("../recipes/photographs.toml")),
    ("few-images", include_str!("../recipes/few-images.toml")),
    ("grey-scans", include_str!("../recipes/grey-scans.toml")),
    ("many-channels", include_str!("../recipes/many-channels.toml")),
    ("quickstart", include_str!("../recipes/quickstart.toml")),
    ("cells/byol", include_str!("../recipes/cells/byol.toml")),
    ("cells/mocov2plus", include_str!("../recipes/cells/mocov2plus.toml")),
    ("cells/vicreg", include_str!("../recipes/cells/vicreg.toml")),
    ("cells/weighted-sum-byol", include_str!("../recipes/cells/weighted-sum-byol.toml")),
    ("cells/weighted-sum-mocov2plus", include_str!("../recipes/cells/weighted-sum-mocov2plus.toml")),
    ("cells/weighted-sum-vicreg", include_str!("../recipes/cells/weighted-sum-vicreg.toml")),
    ("cifar/barlow-twins", include_str!("../recipes/cifar/barlow-twins.toml")),
    ("cifar/byol", include_str!("../recipes/cifar/byol.toml")),
    ("cifar/deepclusterv2", include_str!("../recipes/cifar/deepclusterv2.toml")),
    ("cifar/deepclusterv2-2022", include_str!("../recipes/cifar/deepclusterv2-2022.toml")),
    ("cifar/dino", include_str!("../recipes/cifar/dino.toml")),
    ("cifar/dino-2022", include_str!("../recipes/cifar/dino-2022.toml")),
    ("cifar/mocov2plus", include_str!("../recipes/cifar/mocov2plus.toml")),
    ("cifar/mocov2plus-2022", include_str!("../recipes/cifar/mocov2plus-2022.toml")),
    ("cifar/nnbyol", include_str!("../recipes/cifar/nnbyol.toml")),
    ("cifar/nnclr", include_str!("../recipes/cifar/nnclr.toml")),
    ("cifar/ressl", include_str!("../recipes/cifar/ressl.toml")),
    ("cifar/ressl-2022", include_str!("../recipes/cifar/ressl-2022.toml")),
    ("cifar/simclr", include_str!("../recipes/cifar/simclr.toml")),
    ("cifar/simclr-2022", include_str!("../recipes/cifar/simclr-2022.toml")),
    ("cifar/simsiam", include_str!("../recipes/cifar/simsiam.toml")),
    ("cifar/simsiam-2022", include_str!("../recipes/cifar/simsiam-2022.toml")),
    ("cifar/swav", include_str!("../recipes/cifar/swav.toml")),
    ("cifar/swav-2022", include_str!("../recipes/cifar/swav-2022.toml")),
    ("cifar/swav-multicrop", include_str!("../recipes/cifar/swav-multicrop.toml")),
    ("cifar/vibcreg", include_str!("../recipes/cifar/vibcreg.toml")),
    ("cifar/vibcreg-2022", include_str!("../recipes/cifar/vibcreg-2022.toml")),
    ("cifar/vicreg", include_str!("../recipes/cifar/vicreg.toml")),
    ("cifar-n/barlow-twins", include_str!("../recipes/cifar-n/barlow-twins.toml")),
    ("cifar-n/byol", include_str!("../recipes/cifar-n/byol.toml")),
    ("cifar-n/deepclusterv2", include_str!("../recipes/cifar-n/deepclusterv2.toml")),
    ("cifar-n/dino", include_str!("../recipes/cifar-n/dino.toml")),
    ("cifar-n/mocov2plus", include_str!("../recipes/cifar-n/mocov2plus.toml")),
    ("cifar-n/nnbyol", include_str!("../recipes/cifar-n/nnbyol.toml")),
    ("cifar-n/nnclr", include_str!("../recipes/cifar-n/nnclr.toml")),
    ("cifar-n/ressl", include_str!("../recipes/cifar-n/ressl.toml")),
    ("cifar-n/simclr", include_str!("../recipes/cifar-n/simclr.toml")),
    ("cifar-n/simsiam", include_str!("../recipes/cifar-n/simsiam.toml")),
    ("cifar-n/swav", include_str!("../recipes/cifar-n/swav.toml")),
    ("cifar-n/vibcreg", include_str!("../recipes/cifar-n/vibcreg.toml")),
    ("cifar-n/vicreg", include_str!("../recipes/cifar-n/vicreg.toml")),
    ("imagenet/barlow-twins", include_str!("../recipes/imagenet/barlow-twins.toml")),
    ("imagenet/barlow-twins-code", include_str!("../recipes/imagenet/barlow-twins-code.toml")),
    ("imagenet/byol", include_str!("../recipes/imagenet/byol.toml")),
    ("imagenet/simclr", include_str!("../recipes/imagenet/simclr.toml")),
    ("imagenet100/barlow-twins", include_str!("../recipes/imagenet100/barlow-twins.toml")),
    ("imagenet100/byol", include_str!("../recipes/imagenet100/byol.toml")),
    ("imagenet100/deepclusterv2", include_str!("../recipes/imagenet100/deepclusterv2.toml")),
    ("imagenet100/dino", include_str!("../recipes/imagenet100/dino.toml")),
    ("imagenet100/mocov2plus", include_str!("../recipes/imagenet100/mocov2plus.toml")),
    ("imagenet100/nnbyol", include_str!("../recipes/imagenet100/nnbyol.toml")),
    ("imagenet100/nnclr", include_str!("../recipes/imagenet100/nnclr.toml")),
    ("imagenet100/ressl", include_str!("../recipes/imagenet100/ressl.toml")),
    ("imagenet100/simclr", include_str!("../recipes/imagenet100/simclr.toml")),
    ("imagenet100/simsiam", include_str!("../recipes/imagenet100/simsiam.toml")),
    ("imagenet100/swav", include_str!("../recipes/imagenet100/swav.toml")),
    ("imagenet100/vibcreg", include_str!("../recipes/imagenet100/vibcreg.toml")),
    ("imagenet100/vicreg", include_str!("../recipes/imagenet100/vicreg.toml")),
    ("imagenet100-n/byol", include_str!("../recipes/imagenet100-n/byol.toml")),
    ("imagenet100-n/mocov2plus", include_str!("../recipes/imagenet100-n/mocov2plus.toml")),
    ("imagenet100-n/simclr", include_str!("../recipes/imagenet100-n/simclr.toml")),
    ("imagenet100-n/vicreg", include_str!("../recipes/imagenet100-n/vicreg.toml")),
    ("medmnist/barlow-twins", include_str!("../recipes/medmnist/barlow-twins.toml")),
    ("medmnist/byol", include_str!("../recipes/medmnist/byol.toml")),
    ("medmnist/deepclusterv2", include_str!("../recipes/medmnist/deepclusterv2.toml")),
    ("medmnist/dino", include_str!("../recipes/medmnist/dino.toml")),
    ("medmnist/imax", include_str!("../recipes/medmnist/imax.toml")),
    ("medmnist/mocov2plus", include_str!("../recipes/medmnist/mocov2plus.toml")),
    ("medmnist/nnbyol", include_str!("../recipes/medmnist/nnbyol.toml")),
    ("medmnist/nnclr", include_str!("../recipes/medmnist/nnclr.toml")),
    ("medmnist/ressl", include_str!("../recipes/medmnist/ressl.toml")),
    ("medmnist/simclr", include_str!("../recipes/medmnist/simclr.toml")),
    ("medmnist/simsiam", include_str!("../recipes/medmnist/simsiam.toml")),
    ("medmnist/supervised", include_str!("../recipes/medmnist/supervised.toml")),
    ("medmnist/swav", include_str!("../recipes/medmnist/swav.toml")),
    ("medmnist/vibcreg", include_str!("../recipes/medmnist/vibcreg.toml")),
    ("medmnist/vicreg", include_str!("../recipes/medmnist/vicreg.toml")),
    ("medmnist/w-mse", include_str!("../recipes/medmnist/w-mse.toml")),
    ("medmnist/weighted-sum", include_str!("../recipes/medmnist/weighted-sum.toml")),
    ("mnist/byol", include_str!("../recipes/mnist/byol.toml")),
    ("mnist/mocov2plus", include_str!("../recipes/mnist/mocov2plus.toml")),
    ("m/barlow-twins", include_str!("../recipes/m/barlow-twins.toml")),
    ("p/barlow-twins", include_str!("../recipes/p/barlow-twins.toml")),
    ("p/simclr", include_str!("../recipes/p/simclr.toml")),
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

/// The most images of which there are few.
const FEW: usize = 1000;
/// The longest shorter side, in pixels, of images that are small.
const SMALL: usize = 64;

/// The recipe for so many images of so many channels, whose shorter sides have the median `side`, and why it is that one.
pub fn for_images(images: usize, channels: usize, side: usize) -> (&'static str, String) {
    match channels {
        1 => ("grey-scans", "the images have one channel: nothing is done to colours".to_owned()),
        3 if images <= FEW => {
            ("few-images", format!("there are {images} training images: small batches, many epochs"))
        }
        3 if side <= SMALL => ("small-images", format!("the images are small: {side} pixels")),
        3 => ("photographs", format!("the images are in colour, and larger than {SMALL} pixels")),
        _ => ("many-channels", format!("the images have {channels} channels: each is changed by itself")),
    }
}

/// Whether `views` are those of a named policy or of a recipe, not a person's own.
pub fn is_ready_made(views: &[ViewPolicy]) -> bool {
    #[derive(serde::Deserialize)]
    struct Recipe {
        views: Option<Vec<ViewPolicy>>,
    }
    // Read once: whoever plans a study asks for each of its cells.
    static READY: LazyLock<Vec<Vec<ViewPolicy>>> = LazyLock::new(|| {
        let of_recipe = |(_, text): &(_, &str)| toml::from_str::<Recipe>(text).ok()?.views;
        let policies = presets::PRESETS.iter().filter_map(|(name, _)| presets::preset(name).ok());
        policies.chain(RECIPES.iter().filter_map(of_recipe)).collect()
    });
    READY.iter().any(|ready| ready == views)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_images_has_its_recipe() {
        for (images, channels, side, recipe) in [
            (5000, 3, 28, "small-images"),
            (5000, 3, 360, "photographs"),
            (448, 3, 360, "few-images"),
            (448, 1, 360, "grey-scans"),
            (5000, 5, 68, "many-channels"),
            (5000, 2, 28, "many-channels"),
        ] {
            assert_eq!(for_images(images, channels, side).0, recipe);
            find(recipe).unwrap();
        }
    }
}
