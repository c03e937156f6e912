//! `embed`: write the features of images to a file.

use std::path::PathBuf;

use clap::{ValueEnum, ValueHint};

use super::judge::JudgeArgs;

/// Arguments of `embed`.
#[derive(Clone, Debug, clap::Args)]
#[command(before_help = "\
Examples:
  twinlens embed runs/a --data blood.npz --out features.npy
  twinlens embed runs/a --data photos/ --out features.csv
  twinlens embed runs/a/encoder/encoder.safetensors --data blood.npz --out features.safetensors")]
pub struct EmbedArgs {
    /// What embeds, and what is embedded.
    #[command(flatten)]
    pub judge: JudgeArgs,
    /// Which images
    #[arg(long, value_name = "all|train|val|test", default_value = "all", hide_possible_values = true)]
    pub split: Part,
    /// Where to write; .npy, .csv or .safetensors
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath, value_parser = features_file)]
    pub out: PathBuf,
}

/// Which images of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Every image.
    All,
    /// The training images.
    Train,
    /// The validation images.
    Val,
    /// The test images.
    Test,
}

fn features_file(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    let known = ["npy", "csv", "safetensors"];
    if path
        .extension()
        .and_then(|extension| extension.to_str())
        .is_some_and(|extension| known.contains(&extension))
    {
        Ok(path)
    } else {
        Err("expected a name that ends in .npy, .csv or .safetensors".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::parse;

    #[test]
    fn the_format_is_checked_at_the_door() {
        for name in ["f.npy", "a/f.csv", "f.safetensors"] {
            assert_eq!(
                parse::<EmbedArgs>(&format!("runs/a --data b --out {name}")).unwrap().out,
                PathBuf::from(name)
            );
        }
        for name in ["f", "f.txt", "npy"] {
            assert!(parse::<EmbedArgs>(&format!("runs/a --data b --out {name}")).is_err(), "{name}");
        }
    }
}
