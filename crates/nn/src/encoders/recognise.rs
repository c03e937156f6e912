//! Which encoder a file of weights holds, by the names and shapes of its tensors.

use std::collections::BTreeMap;

use super::{ENCODERS, EncoderSpec, Stem};
use crate::NnError;
use crate::weights::{NamedTensor, adapt_channels};

/// An encoder found among tensors.
#[derive(Clone, Debug)]
pub struct Recognised {
    /// The encoder.
    pub spec: &'static EncoderSpec,
    /// Its stem.
    pub stem: Stem,
    /// Channels of its input.
    pub channels: usize,
    /// What all its names start with in the file, such as `module.` or nothing.
    pub prefix: String,
    /// How many tensors it has.
    entries: usize,
}

impl Recognised {
    fn is(&self, candidate: &Candidate) -> bool {
        self.spec.id == candidate.spec.id && self.prefix == candidate.prefix
    }

    /// The encoder's tensors among `tensors`, without the prefix, their first convolution adapted to `channels`
    /// channels by [`adapt_channels`].
    pub fn take(
        &self,
        tensors: &BTreeMap<String, NamedTensor>,
        channels: usize,
    ) -> BTreeMap<String, NamedTensor> {
        let entries = self.spec.entries(self.stem, channels);
        let tensor = |(index, (name, _)): (usize, (String, Vec<usize>))| {
            let tensor = tensors.get(&format!("{}{name}", self.prefix))?;
            let tensor = if index == 0 { adapt_channels(tensor, channels) } else { tensor.clone() };
            Some((name, tensor))
        };
        entries.into_iter().enumerate().filter_map(tensor).collect()
    }
}

/// The encoder that `tensors` hold, under `prefix` if one is given.
///
/// All names and shapes of the encoder must be there; other tensors (a classifier, a second network) may be. Of two
/// encoders that fit at the same place, such as a ResNet-18 inside a ResNet-34, it is the one with more tensors.
///
/// # Errors
/// No encoder: the nearest one and what it lacks. Several places: their prefixes.
pub fn recognise(
    tensors: &BTreeMap<String, NamedTensor>,
    prefix: Option<&str>,
) -> Result<Recognised, NnError> {
    let mut found: Vec<Recognised> = Vec::new();
    let mut nearest = Nearest { share: 0.0, error: nothing(tensors, prefix) };
    for spec in ENCODERS {
        for (_, stem) in Stem::ALL {
            for candidate in Candidate::all(spec, stem, tensors, prefix) {
                match candidate.check(tensors) {
                    // VGG and ConvNeXt fit with either stem.
                    Ok(()) if found.iter().any(|one| one.is(&candidate)) => {}
                    Ok(()) => found.push(candidate.recognised()),
                    Err(miss) => nearest.take(miss),
                }
            }
        }
    }
    let largest = found.iter().map(|one| one.entries).max().unwrap_or(0);
    found.retain(|one| one.entries == largest);
    match found.len() {
        0 => Err(nearest.error),
        1 => Ok(found.swap_remove(0)),
        _ => {
            let prefixes = found.iter().map(|one| format!("`{}`", one.prefix)).collect::<Vec<_>>();
            let encoder = found[0].spec.id;
            Err(NnError::SeveralEncoders { encoder, prefixes: prefixes.join(", ") })
        }
    }
}

/// `tensors` with torchvision's names for ResNets that were kept as a sequence of their children, as lightly does:
/// `0.weight` for `conv1.weight`, `1.` for `bn1.`, and four numbers in a row for `layer1.` to `layer4.`. All other names
/// stay.
pub fn torchvision_names(tensors: BTreeMap<String, NamedTensor>) -> BTreeMap<String, NamedTensor> {
    let places: Vec<(String, usize)> = tensors.keys().filter_map(|name| sequence(&tensors, name)).collect();
    let renamed = |name: String| {
        for (place, first) in &places {
            let Some((number, rest)) =
                name.strip_prefix(place.as_str()).and_then(|rest| rest.split_once('.'))
            else {
                continue;
            };
            let module = match number.parse::<usize>() {
                Ok(0) => "conv1".to_owned(),
                Ok(1) => "bn1".to_owned(),
                Ok(layer) if (*first..first + 4).contains(&layer) => format!("layer{}", layer - first + 1),
                _ => continue,
            };
            return format!("{place}{module}.{rest}");
        }
        name
    };
    tensors.into_iter().map(|(name, tensor)| (renamed(name), tensor)).collect()
}

/// If `name` is the first weight of such a sequence: what stands before its numbers, and the number of `layer1`.
fn sequence(tensors: &BTreeMap<String, NamedTensor>, name: &str) -> Option<(String, usize)> {
    let place = name.strip_suffix("0.weight").filter(|place| place.is_empty() || place.ends_with('.'))?;
    let has = |rest: &str| tensors.contains_key(&format!("{place}{rest}"));
    let layers_from = |first: usize| (first..first + 4).all(|layer| has(&format!("{layer}.0.conv1.weight")));
    // ReLU and pooling are modules of some and functions of others.
    let first = (2..=4).find(|&first| layers_from(first))?;
    has("1.running_mean").then(|| (place.to_owned(), first))
}

fn nothing(tensors: &BTreeMap<String, NamedTensor>, prefix: Option<&str>) -> NnError {
    let under = prefix.map(|prefix| format!(" under `{prefix}`")).unwrap_or_default();
    let example = tensors.keys().take(3).cloned().collect::<Vec<_>>().join(", ");
    NnError::NoEncoder { under, found: tensors.len(), example }
}

/// An encoder that might begin at one place among the tensors.
struct Candidate {
    spec: &'static EncoderSpec,
    stem: Stem,
    channels: usize,
    prefix: String,
    entries: Vec<(String, Vec<usize>)>,
}

/// Why a candidate is not it.
struct Miss {
    /// The share of its tensors that fit.
    share: f64,
    error: NnError,
}

impl Candidate {
    /// Every place where `tensors` have the first weight of the encoder, with any number of input channels.
    fn all(
        spec: &'static EncoderSpec,
        stem: Stem,
        tensors: &BTreeMap<String, NamedTensor>,
        prefix: Option<&str>,
    ) -> Vec<Candidate> {
        let entries = spec.entries(stem, 3);
        let Some((first, _)) = entries.first() else { return Vec::new() };
        let place = |(name, tensor): (&String, &NamedTensor)| {
            let place = name.strip_suffix(first.as_str())?;
            // A checkpoint's own dictionaries may stand before it: `state_dict.module.encoder_q.`.
            let wanted = prefix.is_none_or(|prefix| {
                place.strip_suffix(prefix).is_some_and(|before| before.is_empty() || before.ends_with('.'))
            });
            let whole = place.is_empty() || place.ends_with('.');
            let channels = *tensor.shape.get(1).filter(|&&channels| channels > 0)?;
            (wanted && whole).then(|| {
                // Only the first convolution meets the input channels.
                let mut entries = entries.clone();
                entries[0].1[1] = channels;
                Candidate { spec, stem, channels, prefix: place.to_owned(), entries }
            })
        };
        tensors.iter().filter_map(place).collect()
    }

    fn check(&self, tensors: &BTreeMap<String, NamedTensor>) -> Result<(), Miss> {
        let mut fitting = 0;
        let mut problem = None;
        for (name, expected) in &self.entries {
            let name = format!("{}{name}", self.prefix);
            let shape = tensors.get(&name).map(|tensor| &tensor.shape);
            if shape == Some(expected) {
                fitting += 1;
            } else if problem.is_none() {
                problem = Some((name, expected, shape));
            }
        }
        let Some((name, expected, shape)) = problem else { return Ok(()) };
        let problem = match shape {
            Some(shape) => format!("`{name}` has shape {shape:?} where {expected:?} is expected"),
            None => format!("`{name}` is missing"),
        };
        let total = self.entries.len();
        let error = NnError::NotThisEncoder { encoder: self.spec.id, fitting, total, problem };
        Err(Miss { share: fitting as f64 / total as f64, error })
    }

    fn recognised(self) -> Recognised {
        let Candidate { spec, stem, channels, prefix, entries } = self;
        Recognised { spec, stem, channels, prefix, entries: entries.len() }
    }
}

/// The candidate that fits best so far.
struct Nearest {
    share: f64,
    error: NnError,
}

impl Nearest {
    fn take(&mut self, miss: Miss) {
        if miss.share > self.share {
            *self = Nearest { share: miss.share, error: miss.error };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoders::find;

    fn tensors(id: &str, stem: Stem, channels: usize, prefix: &str) -> BTreeMap<String, NamedTensor> {
        let tensor = |(name, shape): (String, Vec<usize>)| {
            let values = (0..shape.iter().product()).map(|v: usize| v as f32).collect();
            (format!("{prefix}{name}"), NamedTensor { shape, values })
        };
        find(id).unwrap().entries(stem, channels).into_iter().map(tensor).collect()
    }

    #[test]
    fn encoder_stem_channels_and_prefix_are_found() {
        for (id, stem) in
            [("resnet18", Stem::Cifar), ("resnet34", Stem::Imagenet), ("vgg11_bn", Stem::Imagenet)]
        {
            let mut file = tensors(id, stem, 2, "module.backbone.");
            file.insert("module.fc.weight".into(), NamedTensor { shape: vec![1], values: vec![0.0] });
            let found = recognise(&file, None).unwrap();
            assert_eq!((found.spec.id, found.stem, found.channels), (id, stem, 2));
            assert_eq!(found.prefix, "module.backbone.");
            let taken = found.take(&file, 1);
            assert_eq!(taken.len(), file.len() - 1);
            let (first, shape) = found.spec.entries(stem, 1).swap_remove(0);
            assert_eq!(taken[&first].shape, shape);
        }
    }

    #[test]
    fn a_network_kept_as_a_sequence_of_its_children_is_found() {
        for first in [2, 3, 4] {
            let file = tensors("resnet18", Stem::Imagenet, 3, "backbone.");
            let numbered = |name: String| {
                let name =
                    name.replace("backbone.conv1.", "backbone.0.").replace("backbone.bn1.", "backbone.1.");
                (1..5).fold(name, |name, layer| {
                    name.replace(
                        &format!("backbone.layer{layer}."),
                        &format!("backbone.{}.", layer - 1 + first),
                    )
                })
            };
            let mut sequence: BTreeMap<String, NamedTensor> =
                file.iter().map(|(name, tensor)| (numbered(name.clone()), tensor.clone())).collect();
            assert!(sequence.contains_key(&format!("backbone.{first}.0.conv1.weight")));
            assert!(recognise(&sequence, None).is_err());
            sequence.insert("head.0.weight".into(), NamedTensor { shape: vec![1], values: vec![0.0] });
            let renamed = torchvision_names(sequence);
            assert_eq!(recognise(&renamed, None).unwrap().prefix, "backbone.");
            assert_eq!(renamed.len(), file.len() + 1);
            assert!(
                file.iter().all(|(name, tensor)| renamed[name] == *tensor)
                    && renamed.contains_key("head.0.weight")
            );
        }
    }

    #[test]
    fn two_encoders_in_a_file_need_a_prefix() {
        let mut file = tensors("resnet18", Stem::Imagenet, 3, "encoder_q.");
        file.extend(tensors("resnet18", Stem::Imagenet, 3, "encoder_k."));
        let error = recognise(&file, None).unwrap_err().to_string();
        assert!(error.contains("`encoder_k.`, `encoder_q.`"), "{error}");
        assert_eq!(recognise(&file, Some("encoder_q.")).unwrap().prefix, "encoder_q.");
        let nested: BTreeMap<_, _> =
            file.iter().map(|(name, tensor)| (format!("state_dict.module.{name}"), tensor.clone())).collect();
        for prefix in ["state_dict.module.encoder_q.", "module.encoder_q.", "encoder_q."] {
            assert_eq!(recognise(&nested, Some(prefix)).unwrap().prefix, "state_dict.module.encoder_q.");
        }
        assert!(recognise(&nested, Some("coder_q.")).is_err());
        let error = recognise(&file, Some("encoder.")).unwrap_err().to_string();
        assert!(error.contains("under `encoder.`"), "{error}");
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let good = tensors("resnet18", Stem::Imagenet, 3, "");
        let mut missing = good.clone();
        missing.remove("layer4.1.bn2.bias");
        let mut misshapen = good;
        misshapen.insert("layer1.0.bn1.bias".into(), NamedTensor { shape: vec![3], values: vec![0.0; 3] });
        for (file, words) in [
            (missing, "resnet18 with 99 of 100 tensors: `layer4.1.bn2.bias` is missing"),
            (misshapen, "`layer1.0.bn1.bias` has shape [3] where [64] is expected"),
        ] {
            let error = recognise(&file, None).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        let stranger = BTreeMap::from([("x".to_owned(), NamedTensor { shape: vec![1], values: vec![0.0] })]);
        assert!(recognise(&stranger, None).unwrap_err().to_string().contains("1 tensors, for example x"));
    }
}
