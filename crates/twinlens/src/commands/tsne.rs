//! `tsne`: features in the plane, by one encoder, by several, or through the epochs of a run.

use std::path::PathBuf;

use clap::ValueHint;
use serde_json::json;
use twinlens_data::DataSet;
use twinlens_lab::Subject;
use twinlens_lab::maps::{Canvas, MOST, Method, Place, SeriesAsked, Subjects};
use twinlens_lab::protocols::{TsneMap, read, settings};

use super::Images;
use super::judging::{JudgeArgs, positive};
use crate::exit::{Exit, Failure, Outcome};
use crate::terminal::Terminal;

/// The words besides the first encoder.
const MORE: &str =
    "Further encoders: one map each, every map started from the one before; and settings of the protocol";

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
#[command(
    before_help = "\
Examples:
  twinlens tsne runs/a --data blood.npz --html
  twinlens tsne runs/a --data blood.npz --through-epochs --html
  twinlens tsne runs/a runs/tuned --data blood.npz --out maps
  twinlens tsne runs/a --data blood.npz --map pca",
    mut_arg("overrides", |arg| arg.value_name("MORE|KEY=VALUE").help(MORE)))]
pub struct TsneArgs {
    /// What embeds, and what is laid out.
    #[command(flatten)]
    pub judge: JudgeArgs,
    /// Which images
    #[arg(long, value_name = "auto|all|train|val|test", default_value = "auto", hide_possible_values = true, value_parser = super::images())]
    pub split: Images,
    /// A map for every epoch of which the run kept a checkpoint (setting checkpoint.keep), and one of the encoder
    /// untrained
    #[arg(long)]
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
    let (more, judge) = args.judge.without_more();
    let more: Vec<PathBuf> = more.into_iter().map(PathBuf::from).collect();
    let args = &TsneArgs { judge, ..args.clone() };
    let place = Place::open(args.out.as_deref(), &args.judge.encoder)?;
    let (first, data) = args.judge.open(terminal)?;
    let canvas = Canvas::new(args.asked(&data)?)?;
    let series = canvas.lay_out(args.subjects(first, &more)?, &args.judge.computing(), terminal)?;
    let files = series.write(&place, args.html)?;
    let document = json!({ "files": files, "images": series.images(), "maps": series.names() });
    terminal.result(&document, || files.iter().map(|file| format!("{}\n", file.display())).collect())
}

impl TsneArgs {
    fn asked<'a>(&'a self, data: &'a DataSet) -> Outcome<SeriesAsked<'a>> {
        Ok(SeriesAsked {
            data,
            path: self.judge.data(),
            part: self.split.of(data),
            most: self.most as usize,
            seed: self.seed as u64,
            untrained_seed: self.judge.untrained_seed,
            method: self.method()?,
        })
    }

    fn method(&self) -> Outcome<Method> {
        if self.map == MethodName::Pca {
            self.judge.of_data_alone()?;
            return Ok(Method::Pca);
        }
        // A perplexity of 0 is the usual one.
        let (perplexity, iterations) = (self.perplexity.unwrap_or(0.0), self.iterations as usize);
        let settings = self.judge.over(settings(&TsneMap { perplexity, iterations }))?;
        Ok(Method::Tsne(read(&settings)?))
    }

    /// What embeds for each map, with its name.
    fn subjects<'a>(&'a self, first: Subject, more: &'a [PathBuf]) -> Outcome<Subjects<'a>> {
        let encoder = self.judge.encoder.as_path();
        if self.through_epochs {
            if let Some(other) = more.first() {
                let message = "the epochs are those of one run, and another encoder is named";
                return Err(Failure::message(Exit::Usage, message).at(other.display()).hint("leave it out"));
            }
            return Ok(Subjects::through_epochs(encoder, first)?);
        }
        let own_range = self.judge.reading.range.is_none();
        Ok(Subjects::new((encoder, first), more, self.judge.untrained_seed, own_range))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::parse;

    #[test]
    fn one_encoder_or_several_or_the_epochs_of_a_run() {
        let args: TsneArgs = parse("runs/a --data b.npz").unwrap();
        assert_eq!(
            (args.split, args.map, args.judge.without_more().0.len(), args.most),
            (Images::Auto, MethodName::Tsne, 0, 5000)
        );
        let args: TsneArgs = parse("runs/a runs/b c.safetensors --data b.npz --map pca --html").unwrap();
        assert_eq!((&args.judge.encoder, args.judge.without_more().0.len()), (&PathBuf::from("runs/a"), 2));
        assert!(parse::<TsneArgs>("runs/a --data b.npz --through-epochs").unwrap().through_epochs);
        for bad in ["--data b.npz", "runs/a --data b.npz --perplexity 0", "runs/a --data b.npz --out map.svg"]
        {
            assert!(parse::<TsneArgs>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn perplexity_and_iterations_are_those_asked_for() {
        let args: TsneArgs = parse("runs/a --data b.npz --perplexity 12 --iterations 50").unwrap();
        assert_eq!(args.method().unwrap(), Method::Tsne(TsneMap { perplexity: 12.0, iterations: 50 }));
        let args: TsneArgs = parse("runs/a --data b.npz perplexity=5").unwrap();
        assert_eq!(args.method().unwrap(), Method::Tsne(TsneMap { perplexity: 5.0, ..TsneMap::default() }));
        assert!(parse::<TsneArgs>("runs/a perplexities=5").unwrap().method().is_err());
        let args: TsneArgs = parse("runs/a --data b.npz").unwrap();
        assert_eq!(args.method().unwrap(), Method::Tsne(TsneMap::default()));
        let args: TsneArgs = parse("runs/a --data b.npz --map pca").unwrap();
        assert_eq!(args.method().unwrap(), Method::Pca);
    }
}
