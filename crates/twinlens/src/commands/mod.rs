//! The verbs, one file each.

pub mod bench;
pub mod cluster;
pub mod compare;
pub mod completions;
pub mod config;
pub mod data;
pub mod doctor;
pub mod embed;
pub mod finetune;
pub mod hardness;
pub mod health;
pub mod judge;
pub mod knn;
pub mod labels;
pub mod layout;
pub mod list;
pub mod man;
pub mod pretrain;
pub mod probe;
pub mod quickstart;
pub mod reading;
pub mod report;
pub mod run_settings;
pub mod runs;
pub mod settings;
pub mod spec;
pub mod tags;
pub mod told;
pub mod training;
pub mod transfer;
pub mod tsne;
pub mod views;
pub mod weights;

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use etcetera::BaseStrategy;
use twinlens_lab::{Cache, Computing, Part};

/// Where decoded and downloaded data are kept: `TWINLENS_DATA_DIR`, else `twinlens` in the user's cache folder.
pub fn data_folder() -> Option<PathBuf> {
    let asked = std::env::var_os("TWINLENS_DATA_DIR").filter(|path| !path.is_empty());
    let cache = || etcetera::choose_base_strategy().ok().map(|base| base.cache_dir().join("twinlens"));
    asked.map(PathBuf::from).or_else(cache)
}

/// How features are computed on `device`, and kept in [`data_folder`]; 0 `workers` are as many as there are cores.
pub fn computing(workers: usize, device: &str) -> Computing {
    let program = format!("{} {}", crate::VERSION, crate::COMMIT);
    Computing::new(workers, device, data_folder().map(|folder| Cache { folder, program }))
}

/// Which images of a data set, on the command line.
pub fn part() -> impl TypedValueParser<Value = Part> {
    PossibleValuesParser::new(Part::ALL.map(Part::name))
        .try_map(|name| Part::named(&name).ok_or("no part of a data set"))
}

/// A number of bytes in words: `1.5 GiB`.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = count as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{count} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

#[cfg(test)]
mod testing {
    use clap::Parser;

    #[derive(Parser)]
    struct Line<T: clap::Args> {
        #[command(flatten)]
        args: T,
    }

    /// The arguments of one verb, as the words after it.
    pub fn parse<T: clap::Args>(words: &str) -> Result<T, clap::Error> {
        let words = std::iter::once("twinlens").chain(words.split_whitespace());
        Line::try_parse_from(words).map(|line| line.args)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn bytes_are_told_in_the_largest_unit() {
        let told = [0, 1023, 1024, 1_572_864, 1 << 30, u64::MAX].map(super::bytes);
        assert_eq!(told, ["0 B", "1023 B", "1.0 KiB", "1.5 MiB", "1.0 GiB", "16777216.0 TiB"]);
    }
}
