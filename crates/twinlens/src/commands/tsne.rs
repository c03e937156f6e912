//! `tsne`: features in the plane, by one encoder, by several, or through the epochs of a run.

use std::path::PathBuf;

use clap::ValueHint;
use serde_json::json;
use twinlens_data::DataSet;
use twinlens_lab::maps::{Canvas, MOST, Method, Place, SeriesAsked, Subjects};
use twinlens_lab::protocols::TsneMap;
use twinlens_lab::{Part, Subject};

use super::judging::{JudgeArgs, positive};
use crate::exit::Outcome;
use crate::terminal::Terminal;

/// How features are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum MethodName {
    /// Neighbours stay neighbours.
    Tsne,
    /// The two directions in which features vary most.
    Pca,
}

/// Arguments of `tsne`.
#[derive(Clone, Debug, clap::Args)]
#[command(before_help = "\
Examples:
  twinlens tsne runs/a --data blood.npz --html
  twinlens tsne runs/a --data blood.npz --through-epochs --html
  twinlens tsne runs/a runs/tuned --data blood.npz --out maps
  twinlens tsne runs/a --data blood.npz --map pca")]
pub struct TsneArgs {
    /// What embeds, and what is laid out.
    #[command(flatten)]
    pub judge: JudgeArgs,
    /// Further encoders: one map each, every map started from the one before
    #[arg(value_name = "MORE", value_hint = ValueHint::AnyPath)]
    pub more: Vec<PathBuf>,
    /// Which images
    #[arg(long, value_name = "all|train|val|test", default_value = "test", hide_possible_values = true, value_parser = super::part())]
    pub split: Part,
    /// A map for every epoch of which the run kept a checkpoint (setting checkpoint.keep), and one of the encoder
    /// untrained
    #[arg(long, conflicts_with = "more")]
    pub through_epochs: bool,
    /// How features are laid out
    #[arg(long, value_name = "tsne|pca", default_value = "tsne", hide_possible_values = true)]
    pub map: MethodName,
    /// Effective number of neighbours in t-SNE [default: 30, or a third of the images if that is less]
    #[arg(long, value_name = "P", value_parser = positive)]
    pub perplexity: Option<f64>,
    /// Steps of t-SNE's descent
    #[arg(long, value_name = "N", default_value = "1000", value_parser = clap::value_parser!(u32).range(1..))]
    pub iterations: u32,
    /// Images on the map, at most; more are drawn from
    #[arg(long, value_name = "N", default_value_t = MOST as u32, value_parser = clap::value_parser!(u32).range(4..))]
    pub most: u32,
    /// Seed of all randomness
    #[arg(long, value_name = "N", default_value = "0", value_parser = clap::value_parser!(i64).range(0..))]
    pub seed: i64,
    /// Write an interactive page too: images, neighbours, lasso, and a slider where there are several maps
    #[arg(long)]
    pub html: bool,
    /// Where to write
    ///
    /// A folder for the picture, the coordinates (CSV) and the page; without it, the plots of the first run.
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath, value_parser = folder)]
    pub out: Option<PathBuf>,
}

/// Not the name of one of the files that go there.
fn folder(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    let extension = path.extension().and_then(|extension| extension.to_str());
    match extension {
        Some("svg" | "png" | "csv" | "html") => {
            Err("expected a folder, in which picture, coordinates and page get names of their own".to_owned())
        }
        _ => Ok(path),
    }
}

/// Runs `tsne`.
///
/// # Errors
/// An encoder or data that cannot be used, settings that do not fit the number of images, no place to write.
pub fn run(args: &TsneArgs, terminal: &Terminal) -> Outcome {
    let place = Place::open(args.out.as_deref(), &args.judge.encoder)?;
    let (first, data) = args.judge.open(terminal)?;
    let canvas = Canvas::new(args.asked(&data))?;
    let series = canvas.lay_out(args.subjects(first)?, &args.judge.computing(), terminal)?;
    let files = series.write(&place, args.html)?;
    let document = json!({ "files": files, "images": series.images(), "maps": series.names() });
    terminal.result(&document, || files.iter().map(|file| format!("{}\n", file.display())).collect())
}

impl TsneArgs {
    fn asked<'a>(&'a self, data: &'a DataSet) -> SeriesAsked<'a> {
        SeriesAsked {
            data,
            path: self.judge.data(),
            part: self.split,
            most: self.most as usize,
            seed: self.seed as u64,
            untrained_seed: self.judge.untrained_seed,
            method: self.method(),
        }
    }

    fn method(&self) -> Method {
        match self.map {
            // A perplexity of 0 is the usual one.
            MethodName::Tsne => Method::Tsne(TsneMap {
                perplexity: self.perplexity.unwrap_or(0.0),
                iterations: self.iterations as usize,
            }),
            MethodName::Pca => Method::Pca,
        }
    }

    /// What embeds for each map, with its name.
    fn subjects(&self, first: Subject) -> Outcome<Subjects<'_>> {
        let encoder = self.judge.encoder.as_path();
        if self.through_epochs {
            return Ok(Subjects::through_epochs(encoder, first)?);
        }
        let own_range = self.judge.reading.range.is_none();
        Ok(Subjects::new((encoder, first), &self.more, self.judge.untrained_seed, own_range))
    }
}

#[cfg(test)]
mod tests {
    use twinlens_data::Split;

    use super::*;
    use crate::commands::testing::parse;

    #[test]
    fn one_encoder_or_several_or_the_epochs_of_a_run() {
        let args: TsneArgs = parse("runs/a --data b.npz").unwrap();
        assert_eq!(
            (args.split, args.map, args.more.len(), args.most),
            (Part::Split(Split::Test), MethodName::Tsne, 0, 5000)
        );
        let args: TsneArgs = parse("runs/a runs/b c.safetensors --data b.npz --map pca --html").unwrap();
        assert_eq!((args.judge.encoder, args.more.len()), (PathBuf::from("runs/a"), 2));
        assert!(parse::<TsneArgs>("runs/a --data b.npz --through-epochs").unwrap().through_epochs);
        for bad in [
            "runs/a runs/b --data b.npz --through-epochs",
            "--data b.npz",
            "runs/a --data b.npz --perplexity 0",
            "runs/a --data b.npz --out map.svg",
        ] {
            assert!(parse::<TsneArgs>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn perplexity_and_iterations_are_those_asked_for() {
        let args: TsneArgs = parse("runs/a --data b.npz --perplexity 12 --iterations 50").unwrap();
        assert_eq!(args.method(), Method::Tsne(TsneMap { perplexity: 12.0, iterations: 50 }));
        let args: TsneArgs = parse("runs/a --data b.npz").unwrap();
        assert_eq!(args.method(), Method::Tsne(TsneMap::default()));
        let args: TsneArgs = parse("runs/a --data b.npz --map pca").unwrap();
        assert_eq!(args.method(), Method::Pca);
    }
}
