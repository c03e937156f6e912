//! Encoders from and for other programs: files of weights looked into, taken in and given out.

mod error;
mod export;
mod import;
mod inspect;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use sha2::Sha256;
use twinlens_nn::encoders::Recognised;
use twinlens_nn::weights::{NamedTensor, PUBLISHED, Published, write_safetensors};

pub use error::WeightsError;
pub use export::{Exported, Format, export};
pub use import::{Import, Imported};
pub use inspect::{EncoderFound, WeightsInspection, inspect};

use crate::LabError;
use crate::files::hash_of;

/// A file of safetensors as PyTorch's programs know them.
fn torchvision(tensors: &BTreeMap<String, NamedTensor>) -> Result<Vec<u8>, LabError> {
    Ok(write_safetensors(tensors, &[("format", "pt".to_owned())])?)
}

/// The SHA-256 of a file, in hexadecimal digits.
fn file_sha256(path: &Path) -> Result<String, WeightsError> {
    let hash = File::open(path).and_then(|mut file| hash_of::<Sha256>(&mut file));
    hash.map_err(|source| WeightsError::Read { path: path.to_path_buf(), source })
}

/// What torchvision publishes under this hash.
fn published(sha256: &str) -> Option<&'static Published> {
    PUBLISHED.iter().find(|known| sha256.starts_with(known.sha256))
}

/// The tensors that are no part of the encoder.
fn unused(tensors: &BTreeMap<String, NamedTensor>, found: &Recognised) -> Vec<String> {
    let entries = found.spec.entries(found.stem, found.channels);
    let belongs = |name: &str| {
        let name = name.strip_prefix(found.prefix.as_str());
        name.is_some_and(|name| entries.iter().any(|(entry, _)| entry == name))
    };
    tensors.keys().filter(|name| !belongs(name)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use twinlens_nn::encoders::{Stem, find};
    use twinlens_nn::weights::{EncoderFile, IMAGENET_MEAN, Weights, read_safetensors};
    use twinlens_views::EvalResize;

    use super::*;

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
        let [encoder, exported] = ["in.safetensors", "out.safetensors"].map(|name| folder.path().join(name));
        let imported = Import { size: Some(32), ..Import::default() }.read(&file).unwrap();
        assert_eq!(imported.unused, ["module.fc.bias"]);
        imported.write(&encoder).unwrap();
        let EncoderFile { description, tensors: read } = EncoderFile::read(&encoder).unwrap();
        assert_eq!(read, tensors);
        assert_eq!((description.encoder.as_str(), description.stem.as_str()), ("resnet18", "cifar"));
        assert_eq!((description.channels, description.size, description.features), (3, 32, 512));
        assert_eq!(description.mean, IMAGENET_MEAN);
        assert!(description.eval_resize.is_usual());
        assert_eq!(description, imported.encoder.description);
        export(&encoder, &exported).unwrap();
        assert_eq!(read_safetensors(&exported).unwrap(), tensors);
        // No C4 model has this network.
        let error = export(&encoder, &folder.path().join("c4.pkl")).unwrap_err();
        assert!(matches!(error, LabError::Weights(WeightsError::NotDetectron2 { .. })), "{error}");
        assert!(export(&encoder, &folder.path().join("encoder.pb")).is_err());
        // What has a description needs no second one, and is not written over.
        let resize = Some(EvalResize { crop: 0.875, ..EvalResize::default() });
        let grey =
            Import { channels: Some(1), mean: Some(vec![0.25]), eval_resize: resize, ..Import::default() };
        let again = grey.read(&encoder).unwrap().encoder.description;
        assert_eq!((again.size, again.mean, again.std.len()), (32, vec![0.25], 1));
        assert_eq!(again.eval_resize.resized(224), 256);
        let error = export(&encoder, &encoder).unwrap_err().to_string();
        assert!(error.contains("would be overwritten"), "{error}");
    }

    #[test]
    fn a_file_is_told_with_its_encoder_and_all_tensors() {
        let folder = tempfile::tempdir().unwrap();
        let (file, tensors) = foreign(folder.path(), "resnet18", Stem::Cifar);
        let told = inspect(&file, None).unwrap();
        let encoder = told.encoder.unwrap();
        assert_eq!((encoder.name, encoder.prefix.as_str(), encoder.features), ("resnet18", "module.", 512));
        assert_eq!((told.tensors.len(), told.published), (tensors.len() + 1, None));
        assert_eq!(told.tensors["module.fc.bias"], [1]);
        assert_eq!(told.values, 1 + tensors.values().map(|tensor| tensor.values.len()).sum::<usize>());
        assert_eq!(told.sha256, hash_of::<Sha256>(&mut std::fs::read(&file).unwrap().as_slice()).unwrap());
    }

    #[test]
    fn channels_are_adapted_and_told() {
        let folder = tempfile::tempdir().unwrap();
        let (file, tensors) = foreign(folder.path(), "resnet18", Stem::Cifar);
        let grey = Import { channels: Some(1), std: Some(vec![0.5]), ..Import::default() };
        let EncoderFile { description, tensors: read } = grey.read(&file).unwrap().encoder;
        assert_eq!(read["conv1.weight"].shape, [64, 1, 3, 3]);
        let colours = &tensors["conv1.weight"].values;
        assert_eq!(read["conv1.weight"].values[0], colours[0] + colours[9] + colours[18]);
        assert_eq!(read["bn1.weight"], tensors["bn1.weight"]);
        assert_eq!((description.channels, description.std.as_slice()), (1, &[0.5][..]));
        assert!(description.origin.ends_with("adapted from 3 to 1 channel(s)"), "{}", description.origin);
        let error = Import { channels: Some(2), mean: Some(vec![0.5]), ..Import::default() }.read(&file);
        assert_eq!(error.unwrap_err().to_string(), "mean has 1 values, the images 2 channels");
    }

    #[test]
    fn a_file_without_an_encoder_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (file, mut tensors) = foreign(folder.path(), "resnet18", Stem::Cifar);
        tensors.remove("layer3.1.bn2.running_var");
        std::fs::write(&file, torchvision(&tensors).unwrap()).unwrap();
        let error = Import::default().read(&file).unwrap_err().to_string();
        assert!(error.contains("`layer3.1.bn2.running_var` is missing"), "{error}");
        assert!(inspect(&file, None).unwrap().encoder.is_err());
    }

    #[test]
    fn a_published_name_on_another_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (file, _) = foreign(folder.path(), "resnet18", Stem::Imagenet);
        let renamed = folder.path().join("resnet18-f37072fd.pth");
        std::fs::rename(file, &renamed).unwrap();
        let error = Import::default().read(&renamed).unwrap_err();
        let hint = error.hint().unwrap();
        assert!(hint.starts_with("fetch it again from https://download.pytorch.org"), "{error}: {hint}");
    }
}
