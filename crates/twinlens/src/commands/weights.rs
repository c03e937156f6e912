//! `weights`: encoders from and for other programs.

use std::path::PathBuf;

use clap::builder::TypedValueParser;
use clap::{Subcommand, ValueHint};
use serde_json::json;
use twinlens_lab::weights::{self as lab, EncoderFound, Format, Import, WeightsError};
use twinlens_views::{EvalResize, ResizedSide, ViewProblem};

use crate::exit::{Exit, Failure, Outcome, spelled};
use crate::terminal::Terminal;

/// Arguments of `weights`.
#[derive(Debug, clap::Args)]
pub struct WeightsArgs {
    /// What to do.
    #[command(subcommand)]
    pub verb: WeightsVerb,
}

/// What to do with weights.
#[derive(Debug, Subcommand)]
pub enum WeightsVerb {
    /// Make an encoder of a file of weights: torchvision's, timm's or another program's
    Import(ImportArgs),
    /// Write an encoder's weights under torchvision's names
    Export(ExportArgs),
    /// Tell which encoder a file of weights holds, and all its tensors
    Inspect(InspectArgs),
}

/// Arguments of `weights import`.
#[derive(Clone, Debug, clap::Args)]
#[command(before_help = "\
Examples:
  twinlens weights import resnet50-11ad3fa6.pth --out resnet50.safetensors
  twinlens weights import resnet18-f37072fd.pth --in-channels 1 --size 64 --out grey.safetensors
  twinlens weights import moco.pth.tar --prefix module.encoder_q. --out moco.safetensors")]
pub struct ImportArgs {
    /// The file: safetensors, or what torch.save wrote (.pt, .pth); no code in it is run
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
    /// Where to write
    ///
    /// The name ends in .safetensors; the encoder's description goes beside it, with .json.
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath, value_parser = safetensors_file)]
    pub out: PathBuf,
    /// Channels of the images; the first convolution is adapted where the file has another number
    ///
    /// One channel gets the sum of the file's channels; otherwise the file's channels are taken in turn (red, green,
    /// blue, red, ...) and scaled by their number over the number wanted.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub in_channels: Option<u16>,
    /// Side of the images in pixels
    ///
    /// 224 if not given. But what is not given, size, mean and deviation, is that of the encoder.json beside the file, where there is one.
    #[arg(long, value_name = "PX", value_parser = clap::value_parser!(u32).range(1..))]
    pub size: Option<u32>,
    /// The share of the resized side that the centre crop keeps: 0.875 is 256 pixels, then 224
    ///
    /// All of it if not given.
    #[arg(long, value_name = "SHARE", value_parser = super::judging::share)]
    pub eval_crop: Option<f64>,
    /// Which side is resized before the centre crop
    #[arg(long, value_name = "shorter|square", hide_possible_values = true, value_parser = side())]
    pub eval_side: Option<ResizedSide>,
    /// What is subtracted from each channel, scaled to [0, 1]; ImageNet's means if not given
    #[arg(long, value_name = "M,M,..", value_delimiter = ',', value_parser = finite)]
    pub mean: Option<Vec<f32>>,
    /// What each channel is then divided by; ImageNet's standard deviations if not given
    #[arg(long, value_name = "S,S,..", value_delimiter = ',', value_parser = positive)]
    pub std: Option<Vec<f32>>,
    /// What the encoder's names start with, where the file holds several
    #[arg(long, value_name = "PREFIX")]
    pub prefix: Option<String>,
}

/// Arguments of `weights export`.
#[derive(Clone, Debug, clap::Args)]
#[command(before_help = "\
Examples:
  twinlens weights export runs/a --out resnet18.safetensors
  twinlens weights export runs/a --out resnet18.onnx
  twinlens weights export runs/resnet50 --out detectron2-c4.pkl")]
pub struct ExportArgs {
    /// A run's folder, or an encoder.safetensors with its encoder.json
    #[arg(value_name = "ENCODER", value_hint = ValueHint::AnyPath)]
    pub encoder: PathBuf,
    /// Where to write
    ///
    /// The name says the format. .safetensors: torchvision's networks take the tensors as they are, apart from the
    /// classifier, which an encoder does not have. .onnx: images [N, C, size, size], scaled to [0, 1] and normalised,
    /// to features [N, D]; size, mean and deviation are those of encoder.json. .pkl: a ResNet-50, 101 or 152 for detectron2's C4 models, to be used
    /// with MODEL.RESNETS.STRIDE_IN_1X1 False and INPUT.FORMAT RGB.
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath, value_parser = exported_file)]
    pub out: PathBuf,
}

/// Arguments of `weights inspect`.
#[derive(Clone, Debug, clap::Args)]
#[command(before_help = "\
Examples:
  twinlens weights inspect resnet50-11ad3fa6.pth
  twinlens weights inspect runs/a/encoder/encoder.safetensors --json")]
pub struct InspectArgs {
    /// The file: safetensors, or what torch.save wrote (.pt, .pth); no code in it is run
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
    /// What the encoder's names start with, where the file holds several
    #[arg(long, value_name = "PREFIX")]
    pub prefix: Option<String>,
}

fn exported_file(name: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(name);
    Format::of(&path).map_err(|error| error.to_string())?;
    Ok(path)
}

fn safetensors_file(name: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(name);
    match Format::of(&path) {
        Ok(Format::Safetensors) => Ok(path),
        _ => Err("expected a name that ends in .safetensors".to_owned()),
    }
}

fn side() -> impl TypedValueParser<Value = ResizedSide> {
    super::one_of([
        ("shorter", "The shorter one, the other in proportion", ResizedSide::Shorter),
        ("square", "Both to the same", ResizedSide::Square),
    ])
}

impl ImportArgs {
    /// How images are resized, if something is said of it.
    fn eval_resize(&self) -> Option<EvalResize> {
        let usual = EvalResize::default();
        let asked = EvalResize {
            crop: self.eval_crop.unwrap_or(usual.crop),
            side: self.eval_side.unwrap_or(usual.side),
        };
        (self.eval_crop.is_some() || self.eval_side.is_some()).then_some(asked)
    }
}

fn finite(text: &str) -> Result<f32, String> {
    let number = text.parse().ok().filter(|number: &f32| number.is_finite());
    number.ok_or_else(|| "expected a finite number".to_owned())
}

fn positive(text: &str) -> Result<f32, String> {
    finite(text).ok().filter(|number| *number > 0.0).ok_or_else(|| "expected a number above 0".to_owned())
}

/// Runs `weights`.
///
/// # Errors
/// A file that cannot be read or written, or that holds no encoder this program knows.
pub fn run(args: &WeightsArgs, terminal: &Terminal) -> Outcome {
    match &args.verb {
        WeightsVerb::Import(args) => import(args, terminal),
        WeightsVerb::Export(args) => export(args, terminal),
        WeightsVerb::Inspect(args) => inspect(args, terminal),
    }
}

fn import(args: &ImportArgs, terminal: &Terminal) -> Outcome {
    let eval_resize = args.eval_resize();
    if let Some(ViewProblem { expected, got, .. }) = eval_resize.and_then(|resize| resize.problem()) {
        let message = format!("--eval-crop is {got}, expected {expected}");
        return Err(Failure::message(Exit::Usage, message));
    }
    let wanted = Import {
        eval_resize,
        channels: args.in_channels.map(usize::from),
        size: args.size.map(|size| size as usize),
        mean: args.mean.clone(),
        std: args.std.clone(),
        prefix: args.prefix.clone(),
    };
    let imported = wanted.read(&args.file)?;
    imported.write(&args.out)?;
    let (description, unused) = (&imported.encoder.description, &imported.unused);
    let document =
        json!({ "file": args.out, "encoder": description, "sha256": imported.sha256, "unused": unused });
    terminal.result(&document, || {
        let mut text = format!(
            "{}: {}, {} stem, {} channel(s), {} features, from {}\n",
            args.out.display(),
            description.encoder,
            description.stem,
            description.channels,
            description.features,
            description.origin
        );
        if !unused.is_empty() {
            text += &format!("{} tensor(s) left out: {}\n", unused.len(), few(unused));
        }
        text
    })
}

fn export(args: &ExportArgs, terminal: &Terminal) -> Outcome {
    let lab::Exported { encoder, tensors } = lab::export(&args.encoder, &args.out)?;
    let document = json!({ "file": args.out, "encoder": encoder, "tensors": tensors });
    terminal.result(&document, || format!("{}: {encoder}, {tensors} tensors\n", args.out.display()))
}

fn inspect(args: &InspectArgs, terminal: &Terminal) -> Outcome {
    let told = lab::inspect(&args.file, args.prefix.as_deref())?;
    let published = told.published.map(|known| format!("{} {}", known.encoder, known.version));
    let document = json!({
        "file": args.file,
        "sha256": told.sha256,
        "published": published,
        "encoder": told.encoder.as_ref().ok(),
        "values": told.values,
        "tensors": told.tensors,
    });
    terminal.result(&document, || {
        let (count, values) = (told.tensors.len(), told.values);
        let mut text = format!("{}: {count} tensors, {values} values\n", args.file.display());
        text += &format!("sha256 {}\n", told.sha256);
        text += &told.encoder.as_ref().map_or_else(|error| format!("{error}\n"), in_words);
        if let Some(known) = &published {
            text += &format!("published by torchvision as {known}\n");
        }
        let row = |(name, shape): (&String, &Vec<usize>)| vec![name.clone(), format!("{shape:?}")];
        let rows: Vec<Vec<String>> = told.tensors.iter().map(row).collect();
        text + "\n" + &terminal.table(&["tensor", "shape"], &rows)
    })
}

fn in_words(found: &EncoderFound) -> String {
    let EncoderFound { name, stem, channels, features, prefix, unused } = found;
    let mut text = format!("{name}, {stem} stem, {channels} channel(s), {features} features");
    if !prefix.is_empty() {
        text += &format!(", under `{prefix}`");
    }
    if !unused.is_empty() {
        text += &format!("; {} other tensor(s): {}", unused.len(), few(unused));
    }
    text + "\n"
}

fn few(names: &[String]) -> String {
    const SHOWN: usize = 4;
    let shown = names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN { format!("{shown}, ...") } else { shown }
}

impl From<WeightsError> for Failure {
    fn from(error: WeightsError) -> Failure {
        let hint = error.hint().map(|hint| spelled(&hint));
        let failure = match &error {
            // The message begins with the name of the argument.
            WeightsError::Statistics { .. } => Failure::message(Exit::Usage, format!("--{error}")),
            WeightsError::NotDetectron2 { .. } | WeightsError::UnknownFormat { .. } => {
                Failure::new(Exit::Usage, error)
            }
            WeightsError::Read { path, .. } => {
                let place = path.display().to_string();
                Failure::new(Exit::Data, error).at(place)
            }
            _ => Failure::new(Exit::Data, error),
        };
        failure.advised(hint)
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use twinlens_nn::weights::PUBLISHED;

    use super::*;
    use crate::commands::testing::parse;

    #[test]
    fn names_of_files_are_checked_at_the_door() {
        assert!(parse::<ImportArgs>("a.pth --out b.safetensors").is_ok());
        assert!(parse::<ImportArgs>("a.pth --out b.onnx").is_err());
        for good in ["b.safetensors", "b.onnx", "b.pkl"] {
            assert!(parse::<ExportArgs>(&format!("runs/a --out {good}")).is_ok(), "{good}");
        }
        assert!(parse::<ExportArgs>("runs/a --out b.pb").is_err());
    }

    #[test]
    fn every_refusal_has_its_exit_code_and_says_what_to_do() {
        let path = PathBuf::from("resnet18-f37072fd.pth");
        let refused = |error: WeightsError| {
            let failure = Failure::from(error);
            (failure.exit(), failure.render(false))
        };
        let (exit, told) = refused(WeightsError::Statistics { argument: "mean", values: 1, channels: 2 });
        assert_eq!(exit, Exit::Usage);
        assert!(told.starts_with("error: --mean has 1 values, the images 2 channels\n"), "{told}");
        let (exit, told) = refused(WeightsError::NotDetectron2 { encoder: "resnet18", stem: "cifar" });
        assert_eq!(exit, Exit::Usage);
        let hint = "hint: it takes the imagenet stem and one of resnet50, resnet101, resnet152\n";
        assert!(told.contains(hint), "{told}");
        let (sha256, expected) = ("07".to_owned(), &PUBLISHED[0]);
        let (exit, told) = refused(WeightsError::NotPublished { path: path.clone(), sha256, expected });
        assert_eq!(exit, Exit::Data);
        assert!(told.contains("hint: fetch it again from https://download.pytorch.org"), "{told}");
        let source = io::Error::other("gone");
        let (exit, told) = refused(WeightsError::Read { path, source });
        assert_eq!(exit, Exit::Data);
        assert!(told.starts_with("error: gone\n  where: resnet18-f37072fd.pth\n"), "{told}");
    }
}
