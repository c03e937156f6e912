//! The verbs, one file each.

mod advice;
pub mod bench;
pub mod cells;
pub mod clean;
pub mod cluster;
pub mod compare;
pub mod completions;
pub mod config;
pub mod crop;
pub mod data;
pub mod doctor;
pub mod embed;
pub mod finetune;
pub mod hardness;
pub mod health;
pub mod judge;
pub mod judging;
pub mod knn;
pub mod labels;
pub mod list;
pub mod man;
pub mod next;
pub mod notices;
mod plan;
pub mod predict;
pub mod pretrain;
pub mod probe;
pub mod quickstart;
pub mod reading;
pub mod repeat;
pub mod report;
pub mod runs;
pub mod settings;
pub mod spec;
pub mod study;
pub mod tags;
pub mod training;
pub mod transfer;
pub mod tsne;
pub mod verdict_output;
pub mod views;
pub mod weights;

use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use etcetera::BaseStrategy;
use twinlens_data::DataSet;
use twinlens_lab::{Computing, Part};
pub use twinlens_lab::{bytes, run_settings};

use crate::invocation::Invocation;

/// Where decoded and downloaded data are kept: `TWINLENS_DATA_DIR`, else `twinlens` in the user's cache folder.
pub fn data_folder() -> Option<PathBuf> {
    let asked = std::env::var_os("TWINLENS_DATA_DIR").filter(|path| !path.is_empty());
    let cache = || etcetera::choose_base_strategy().ok().map(|base| base.cache_dir().join("twinlens"));
    asked.map(PathBuf::from).or_else(cache)
}

/// How features are computed on `device`, and kept in [`data_folder`]; 0 `workers` are as many as there are cores.
pub fn computing(workers: usize, device: &str) -> Computing {
    training::quiet_lab(&Invocation::default()).computing(workers, device)
}

/// Which images of a data set, on the command line.
pub fn part() -> impl TypedValueParser<Value = Part> {
    PossibleValuesParser::new(Part::ALL.map(Part::name))
        .try_map(|name| Part::named(&name).ok_or("no part of a data set"))
}

/// Which images of a data set, where there are usual ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Images {
    /// See [`Part::usual`].
    Auto,
    /// These.
    Of(Part),
}

impl Images {
    /// The images of `data` that are meant.
    pub fn of(self, data: &DataSet) -> Part {
        match self {
            Images::Auto => Part::usual(data),
            Images::Of(part) => part,
        }
    }
}

/// [`Images`] on the command line: `auto`, or a part by its name.
pub fn images() -> impl TypedValueParser<Value = Images> {
    let auto = PossibleValue::new("auto").help("the test images, or all where there are none");
    let parts = Part::ALL.map(|part| PossibleValue::new(part.name()));
    PossibleValuesParser::new(std::iter::once(auto).chain(parts)).try_map(|name| match Part::named(&name) {
        Some(part) => Ok(Images::Of(part)),
        None if name == "auto" => Ok(Images::Auto),
        None => Err("no part of a data set"),
    })
}

/// One of a few values; each has a name and a line that says what it is.
pub fn one_of<T: Clone + Send + Sync + 'static, const N: usize>(
    all: [(&'static str, &'static str, T); N],
) -> impl TypedValueParser<Value = T> {
    let names = all.each_ref().map(|(name, what, _)| PossibleValue::new(*name).help(*what));
    PossibleValuesParser::new(names).try_map(move |given| {
        let found = all.iter().find(|(name, ..)| *name == given);
        found.map(|(.., value)| value.clone()).ok_or("none of these")
    })
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
