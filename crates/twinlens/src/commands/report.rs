//! `report`: write the report of a run again.

use std::path::PathBuf;

use clap::ValueHint;

/// Arguments of `report`.
#[derive(Clone, Debug, clap::Args)]
#[command(before_help = "\
Examples:
  twinlens report runs/a
  twinlens report runs/a --out a.html")]
pub struct ReportArgs {
    /// The run's folder
    #[arg(value_name = "RUN", value_hint = ValueHint::DirPath)]
    pub run: PathBuf,
    /// Where to write
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub out: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::parse;

    #[test]
    fn the_run_is_enough() {
        assert_eq!(parse::<ReportArgs>("runs/a").unwrap().run, PathBuf::from("runs/a"));
        assert!(parse::<ReportArgs>("").is_err());
    }
}
