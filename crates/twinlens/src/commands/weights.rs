//! `weights`: encoders from and for other programs.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueHint};
use serde_json::json;
use sha2::{Digest, Sha256};
use twinlens_lab::read_encoder;
use twinlens_nn::encoders::{Recognised, Stem, recognise, torchvision_names};
use twinlens_nn::onnx::write_onnx;
use twinlens_nn::weights::{
    EncoderDescription, IMAGENET_MEAN, IMAGENET_SIZE, IMAGENET_STD, NamedTensor, PUBLISHED, Published,
    Weights, adapt_statistics, read_weights, write_detectron2, write_safetensors,
};
use twinlens_run::write_atomically;

use crate::exit::{Exit, Failure, Outcome};
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
  twinlens weights import resnet18-f37072fd.pth --channels 1 --size 64 --out grey.safetensors
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
    pub channels: Option<u16>,
    /// Side of the images in pixels
    #[arg(long, value_name = "PX", default_value_t = IMAGENET_SIZE as u32, value_parser = clap::value_parser!(u32).range(1..))]
    pub size: u32,
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

/// What torchvision's or detectron2's networks take, or a model for any ONNX runtime.
fn exported_file(name: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(name);
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("safetensors" | "pkl" | "onnx") => Ok(path),
        _ => Err("expected a name that ends in .safetensors, .onnx or .pkl".to_owned()),
    }
}

fn safetensors_file(name: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(name);
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("safetensors") => Ok(path),
        _ => Err("expected a name that ends in .safetensors".to_owned()),
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
    let tensors = torchvision_names(read_weights(&args.file)?);
    let found = recognise(&tensors, args.prefix.as_deref())?;
    let channels = args.channels.map_or(found.channels, usize::from);
    let statistics = |given: &Option<Vec<f32>>, usual: [f32; 3], flag: &str| match given {
        Some(values) if values.len() != channels => {
            let message = format!("{flag} has {} values, the images {channels} channels", values.len());
            Err(Failure::message(Exit::Usage, message))
        }
        Some(values) => Ok(values.clone()),
        None => Ok(adapt_statistics(&usual, channels)),
    };
    let sha256 = sha256(&args.file)?;
    keeps_its_name(&args.file, &sha256)?;
    let description = EncoderDescription {
        version: 2,
        encoder: found.spec.id.to_owned(),
        stem: found.stem.name().to_owned(),
        channels,
        features: found.spec.features,
        size: args.size as usize,
        range: None,
        mean: statistics(&args.mean, IMAGENET_MEAN, "--mean")?,
        std: statistics(&args.std, IMAGENET_STD, "--std")?,
        origin: origin(&args.file, &sha256, &found, channels),
    };
    let mut weights = Weights::zeroed(&twinlens_nn::device::open("cpu")?);
    found.spec.build(&mut weights.root(), found.stem, channels);
    weights.import("", &found.take(&tensors, channels))?;
    write_encoder(&args.out, &weights.export(""), &description)?;
    let unused = unused(&tensors, &found);
    let document = json!({ "file": args.out, "encoder": description, "sha256": sha256, "unused": unused });
    terminal.result(&document, || {
        let mut text = format!(
            "{}: {}, {} stem, {channels} channel(s), {} features, from {}\n",
            args.out.display(),
            description.encoder,
            description.stem,
            description.features,
            description.origin
        );
        if !unused.is_empty() {
            text += &format!("{} tensor(s) left out: {}\n", unused.len(), few(&unused));
        }
        text
    })
}

fn export(args: &ExportArgs, terminal: &Terminal) -> Outcome {
    let file = read_encoder(&args.encoder)?;
    let found = recognise(&file.tensors, Some(""))?;
    let tensors = found.take(&file.tensors, found.channels);
    let bytes = match args.out.extension().and_then(|extension| extension.to_str()) {
        Some("pkl") => detectron2(&found, &tensors)?,
        Some("onnx") => onnx(&found, &tensors, &file.description)?,
        _ => torchvision(&tensors)?,
    };
    write_atomically(&args.out, &bytes)?;
    let document = json!({ "file": args.out, "encoder": found.spec.id, "tensors": tensors.len() });
    terminal.result(&document, || {
        format!("{}: {}, {} tensors\n", args.out.display(), found.spec.id, tensors.len())
    })
}

/// A file of safetensors as PyTorch's programs know them.
fn torchvision(tensors: &BTreeMap<String, NamedTensor>) -> Outcome<Vec<u8>> {
    Ok(write_safetensors(tensors, &[("format", "pt".to_owned())])?)
}

fn onnx(
    found: &Recognised,
    tensors: &BTreeMap<String, NamedTensor>,
    description: &EncoderDescription,
) -> Outcome<Vec<u8>> {
    let mut weights = Weights::zeroed(&twinlens_nn::device::open("cpu")?);
    let encoder = found.spec.build(&mut weights.root(), found.stem, found.channels);
    weights.import("", tensors)?;
    Ok(write_onnx(&encoder, &weights, description))
}

fn detectron2(found: &Recognised, tensors: &BTreeMap<String, NamedTensor>) -> Outcome<Vec<u8>> {
    let bottlenecks = ["resnet50", "resnet101", "resnet152"];
    if !bottlenecks.contains(&found.spec.id) || found.stem != Stem::Imagenet {
        let message = format!("detectron2 has no {} with the {} stem", found.spec.id, found.stem.name());
        let hint = format!("it takes the imagenet stem and one of {}", bottlenecks.join(", "));
        return Err(Failure::message(Exit::Usage, message).hint(hint));
    }
    Ok(write_detectron2(tensors))
}

fn inspect(args: &InspectArgs, terminal: &Terminal) -> Outcome {
    let tensors = read_weights(&args.file)?;
    let sha256 = sha256(&args.file)?;
    let published = published(&sha256);
    let named = torchvision_names(tensors.clone());
    let recognised = recognise(&named, args.prefix.as_deref());
    let values: usize = tensors.values().map(|tensor| tensor.values.len()).sum();
    let shapes: BTreeMap<&String, &Vec<usize>> =
        tensors.iter().map(|(name, tensor)| (name, &tensor.shape)).collect();
    let encoder = recognised.as_ref().ok().map(|found| {
        json!({
            "name": found.spec.id,
            "stem": found.stem.name(),
            "channels": found.channels,
            "features": found.spec.features,
            "prefix": found.prefix,
            "unused": unused(&named, found),
        })
    });
    let document = json!({
        "file": args.file,
        "sha256": sha256,
        "published": published.map(|known| format!("{} {}", known.encoder, known.version)),
        "encoder": encoder,
        "values": values,
        "tensors": shapes,
    });
    terminal.result(&document, || {
        let mut text = format!("{}: {} tensors, {values} values\n", args.file.display(), tensors.len());
        text += &format!("sha256 {sha256}\n");
        text += &match &recognised {
            Ok(found) => told(found, &unused(&named, found)),
            Err(error) => format!("{error}\n"),
        };
        if let Some(known) = published {
            text += &format!("published by torchvision as {} {}\n", known.encoder, known.version);
        }
        let rows: Vec<Vec<String>> =
            shapes.iter().map(|(name, shape)| vec![(*name).clone(), format!("{shape:?}")]).collect();
        text + "\n" + &terminal.table(&["tensor", "shape"], &rows)
    })
}

fn told(found: &Recognised, unused: &[&String]) -> String {
    let Recognised { spec, stem, channels, prefix, .. } = found;
    let mut text =
        format!("{}, {} stem, {channels} channel(s), {} features", spec.id, stem.name(), spec.features);
    if !prefix.is_empty() {
        text += &format!(", under `{prefix}`");
    }
    if !unused.is_empty() {
        text += &format!("; {} other tensor(s): {}", unused.len(), few(unused));
    }
    text + "\n"
}

/// The tensors that are no part of the encoder.
fn unused<'a>(tensors: &'a BTreeMap<String, NamedTensor>, found: &Recognised) -> Vec<&'a String> {
    let entries = found.spec.entries(found.stem, found.channels);
    let belongs = |name: &str| {
        let name = name.strip_prefix(found.prefix.as_str());
        name.is_some_and(|name| entries.iter().any(|(entry, _)| entry == name))
    };
    tensors.keys().filter(|name| !belongs(name)).collect()
}

fn few(names: &[&String]) -> String {
    const SHOWN: usize = 4;
    let shown = names.iter().take(SHOWN).map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN { format!("{shown}, ...") } else { shown }
}

/// Where imported weights come from, for people.
fn origin(file: &Path, sha256: &str, found: &Recognised, channels: usize) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let mut text = match published(sha256) {
        Some(known) => format!("torchvision's {} {} ({name})", known.encoder, known.version),
        None => format!("{name} (sha256 {}...)", &sha256[..8]),
    };
    if channels != found.channels {
        text += &format!(", adapted from {} to {channels} channel(s)", found.channels);
    }
    text
}

/// Refuses a file with the name of one that torchvision publishes but another content.
fn keeps_its_name(file: &Path, sha256: &str) -> Outcome {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    match PUBLISHED.iter().find(|known| known.file_name() == name) {
        Some(known) if !sha256.starts_with(known.sha256) => {
            let message =
                format!("{} is not torchvision's file of this name: its SHA-256 is {sha256}", file.display());
            Err(Failure::message(Exit::Data, message).hint(format!("fetch it again from {}", known.url())))
        }
        _ => Ok(()),
    }
}

/// What torchvision publishes under this hash.
fn published(sha256: &str) -> Option<&'static Published> {
    PUBLISHED.iter().find(|known| sha256.starts_with(known.sha256))
}

fn sha256(path: &Path) -> Outcome<String> {
    let failed = |error: std::io::Error| Failure::new(Exit::Data, error).at(path.display());
    let mut file = File::open(path).map_err(failed)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = file.read(&mut buffer).map_err(failed)?;
        if read == 0 {
            break;
        }
        hash.update(&buffer[..read]);
    }
    Ok(twinlens_lab::hexadecimal(hash))
}

/// Writes an encoder and its description beside it.
fn write_encoder(
    path: &Path,
    tensors: &BTreeMap<String, NamedTensor>,
    description: &EncoderDescription,
) -> Outcome {
    let json = serde_json::to_vec_pretty(description).map_err(|e| Failure::new(Exit::Failed, e))?;
    write_atomically(path, &torchvision(tensors)?)?;
    write_atomically(&path.with_extension("json"), &json)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::parse;
    use crate::terminal::{OutputArgs, Surroundings};
    use twinlens_nn::encoders::find;
    use twinlens_nn::weights::{EncoderFile, read_safetensors};

    fn silent() -> Terminal {
        Terminal::writing_to(Box::new(std::io::sink()), &OutputArgs::default(), &Surroundings::default())
    }

    /// A made network as another program would keep it: with a prefix and a classifier.
    fn foreign(folder: &Path, id: &str, stem: Stem) -> (PathBuf, BTreeMap<String, NamedTensor>) {
        let mut weights = Weights::new(3, &twinlens_nn::device::open("cpu").unwrap());
        find(id).unwrap().build(&mut weights.root(), stem, 3);
        let tensors = weights.export("");
        let mut file: BTreeMap<String, NamedTensor> =
            tensors.iter().map(|(name, tensor)| (format!("module.{name}"), tensor.clone())).collect();
        file.insert("module.fc.bias".into(), NamedTensor { shape: vec![1], values: vec![0.0] });
        let path = folder.join("foreign.safetensors");
        std::fs::write(&path, torchvision(&file).unwrap()).unwrap();
        (path, tensors)
    }

    #[test]
    fn what_is_imported_and_exported_again_is_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let (file, tensors) = foreign(folder.path(), "resnet18", Stem::Cifar);
        let [imported, exported] = ["in.safetensors", "out.safetensors"].map(|name| folder.path().join(name));
        let words = format!("{} --size 32 --out {}", file.display(), imported.display());
        import(&parse(&words).unwrap(), &silent()).unwrap();
        let EncoderFile { description, tensors: read } = EncoderFile::read(&imported).unwrap();
        assert_eq!(read, tensors);
        assert_eq!((description.encoder.as_str(), description.stem.as_str()), ("resnet18", "cifar"));
        assert_eq!((description.channels, description.size, description.features), (3, 32, 512));
        assert_eq!(description.mean, IMAGENET_MEAN);
        let words = format!("{} --out {}", imported.display(), exported.display());
        export(&parse(&words).unwrap(), &silent()).unwrap();
        assert_eq!(read_safetensors(&exported).unwrap(), tensors);
        // No C4 model has this network.
        let words = format!("{} --out {}", imported.display(), folder.path().join("c4.pkl").display());
        let failure = export(&parse(&words).unwrap(), &silent()).unwrap_err();
        assert_eq!(failure.exit(), Exit::Usage);
        inspect(&parse(&file.display().to_string()).unwrap(), &silent()).unwrap();
    }

    #[test]
    fn channels_are_adapted_and_told() {
        let folder = tempfile::tempdir().unwrap();
        let (file, tensors) = foreign(folder.path(), "resnet18", Stem::Cifar);
        let out = folder.path().join("grey.safetensors");
        let words = format!("{} --channels 1 --std 0.5 --out {}", file.display(), out.display());
        import(&parse(&words).unwrap(), &silent()).unwrap();
        let EncoderFile { description, tensors: read } = EncoderFile::read(&out).unwrap();
        assert_eq!(read["conv1.weight"].shape, [64, 1, 3, 3]);
        let colours = &tensors["conv1.weight"].values;
        assert_eq!(read["conv1.weight"].values[0], colours[0] + colours[9] + colours[18]);
        assert_eq!(read["bn1.weight"], tensors["bn1.weight"]);
        assert_eq!((description.channels, description.std.as_slice()), (1, &[0.5][..]));
        assert!(description.origin.ends_with("adapted from 3 to 1 channel(s)"), "{}", description.origin);
        let words = format!("{} --channels 2 --mean 0.5 --out {}", file.display(), out.display());
        assert_eq!(import(&parse(&words).unwrap(), &silent()).unwrap_err().exit(), Exit::Usage);
    }

    #[test]
    fn a_file_without_an_encoder_is_refused_and_nothing_written() {
        let folder = tempfile::tempdir().unwrap();
        let (file, mut tensors) = foreign(folder.path(), "resnet18", Stem::Cifar);
        tensors.remove("layer3.1.bn2.running_var");
        std::fs::write(&file, torchvision(&tensors).unwrap()).unwrap();
        let out = folder.path().join("out.safetensors");
        let words = format!("{} --out {}", file.display(), out.display());
        let failure = import(&parse(&words).unwrap(), &silent()).unwrap_err();
        assert_eq!(failure.exit(), Exit::Data);
        assert!(failure.render(false).contains("`layer3.1.bn2.running_var` is missing"));
        assert!(!out.exists());
    }

    #[test]
    fn a_published_name_on_another_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (file, _) = foreign(folder.path(), "resnet18", Stem::Imagenet);
        let renamed = folder.path().join("resnet18-f37072fd.pth");
        std::fs::rename(file, &renamed).unwrap();
        let words = format!("{} --out {}", renamed.display(), folder.path().join("o.safetensors").display());
        let failure = import(&parse(&words).unwrap(), &silent()).unwrap_err();
        assert_eq!(failure.exit(), Exit::Data);
        assert!(failure.render(false).contains("hint: fetch it again from https://download.pytorch.org"));
    }
}
