//! `quickstart`: learn from bundled blood cells and show what was learned.

use std::path::PathBuf;

use clap::ValueHint;

/// Arguments of `quickstart`.
#[derive(Clone, Debug, clap::Args)]
#[command(before_help = "\
Examples:
  twinlens quickstart --out runs/quickstart
  twinlens quickstart --out runs/quickstart --overwrite --json")]
pub struct QuickstartArgs {
    /// Where to write
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub out: PathBuf,
    /// Replace what an earlier run wrote there
    #[arg(long)]
    pub overwrite: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::parse;

    #[test]
    fn it_needs_only_a_folder() {
        assert_eq!(parse::<QuickstartArgs>("--out runs/q").unwrap().out, PathBuf::from("runs/q"));
        assert!(parse::<QuickstartArgs>("").is_err());
    }
}
