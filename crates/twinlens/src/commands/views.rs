//! `views`: see what the encoder will see.

use std::path::PathBuf;

use clap::ValueHint;

use super::settings::SettingsArgs;

/// Arguments of `views`.
#[derive(Clone, Debug, clap::Args)]
#[command(before_help = "\
Examples:
  twinlens views --data blood.npz --out views.png
  twinlens views --data blood.npz --out views.png --preset medmnist/simclr --rows 12
  twinlens views --data blood.npz --explain views.0.color_jitter.hue=0.3")]
pub struct ViewsArgs {
    /// The data, the policy and the seed.
    #[command(flatten)]
    pub settings: SettingsArgs,
    /// Where to write
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath, required_unless_present = "explain")]
    pub out: Option<PathBuf>,
    /// Images to show, one a row: the original and its views
    #[arg(long, value_name = "N", default_value = "8", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rows: u32,
    /// Tell which operations made each view, with what was drawn
    #[arg(long)]
    pub explain: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::parse;

    #[test]
    fn a_sheet_needs_a_file_and_an_explanation_none() {
        assert!(parse::<ViewsArgs>("--data b.npz").is_err());
        assert!(parse::<ViewsArgs>("--data b.npz --explain").unwrap().explain);
        assert_eq!(parse::<ViewsArgs>("--data b.npz --out v.png --rows 3").unwrap().rows, 3);
        assert!(parse::<ViewsArgs>("--data b.npz --out v.png --rows 0").is_err());
    }
}
