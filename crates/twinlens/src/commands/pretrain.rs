//! `pretrain`: learn an encoder without labels.

use std::path::PathBuf;

use clap::ValueHint;

use super::settings::SettingsArgs;

/// Arguments of `pretrain`.
#[derive(Clone, Debug, clap::Args)]
#[command(before_help = "\
Examples:
  twinlens pretrain --data blood.npz --method barlow-twins --encoder resnet18 --out runs/a
  twinlens pretrain --data photos/ --preset medmnist/simclr --out runs/b optim.lr=0.3 epochs=50
  twinlens pretrain --resume runs/a")]
pub struct PretrainArgs {
    /// What decides the result.
    #[command(flatten)]
    pub settings: SettingsArgs,
    /// Where to write
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath, required_unless_present_any = ["resume", "dry_run"])]
    pub out: Option<PathBuf>,
    /// Go on with the interrupted run in this folder
    #[arg(long, value_name = "RUN", value_hint = ValueHint::DirPath, conflicts_with_all = ["out", "overwrite", "init_from"])]
    pub resume: Option<PathBuf>,
    /// Replace what an earlier run wrote there
    #[arg(long)]
    pub overwrite: bool,
    /// Start from the encoder in this file, in a new run
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub init_from: Option<PathBuf>,
    /// Tell what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do two steps of every phase, to see that all works
    #[arg(long, conflicts_with = "dry_run")]
    pub smoke: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::parse;

    #[test]
    fn the_line_that_scripts_use_is_read() {
        let line = "--data b.npz --method barlow-twins --encoder resnet18 --out runs/a --set epochs=2 --set batch=64 limit=9";
        let args: PretrainArgs = parse(line).unwrap();
        assert_eq!(args.out, Some(PathBuf::from("runs/a")));
        assert_eq!(args.settings.request().sets, ["epochs=2", "batch=64", "limit=9"]);
        assert_eq!(args.settings.method.as_deref(), Some("barlow-twins"));
    }

    #[test]
    fn a_run_needs_a_folder_and_resuming_has_one() {
        assert!(parse::<PretrainArgs>("--data b.npz").is_err());
        assert!(parse::<PretrainArgs>("--data b.npz --dry-run").is_ok());
        assert!(parse::<PretrainArgs>("--resume runs/a").is_ok());
        for line in ["--resume a --out b", "--resume a --init-from e.safetensors", "--resume a --overwrite"] {
            assert!(parse::<PretrainArgs>(line).is_err(), "{line}");
        }
    }
}
