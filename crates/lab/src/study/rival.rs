//! What a fine-tuned encoder is compared with.

use std::path::Path;

use serde::{Deserialize, Serialize};

/// What an encoder is compared with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Rival {
    /// The same network from random weights, by the same budget.
    Scratch,
    /// The encoder frozen, under a linear probe.
    Probe,
    /// The same network with random weights, frozen, under a linear probe.
    Untrained,
    /// The pixels under a linear probe.
    Pixels,
    /// Another encoder, fine-tuned alike.
    Encoder {
        /// What it is called.
        name: String,
        /// Where it is.
        path: String,
    },
}

impl Rival {
    /// A rival as the command line has it.
    ///
    /// # Errors
    /// An empty name or path.
    pub fn parse(text: &str) -> Result<Rival, String> {
        let stem = || Path::new(text).file_stem().map(|stem| stem.to_string_lossy().into_owned());
        let (name, path) = match text {
            "scratch" => return Ok(Rival::Scratch),
            "probe" => return Ok(Rival::Probe),
            "untrained" => return Ok(Rival::Untrained),
            "pixels" => return Ok(Rival::Pixels),
            _ => match text.split_once('=') {
                Some((name, path)) => (name.to_owned(), path),
                None => (stem().unwrap_or_default(), text),
            },
        };
        // Names become folders.
        if name.is_empty() || name.starts_with('.') || path.is_empty() {
            return Err("expected scratch, probe, untrained, pixels, FILE or NAME=FILE".to_owned());
        }
        Ok(Rival::Encoder { name, path: path.to_owned() })
    }
}

impl TryFrom<String> for Rival {
    type Error = String;

    fn try_from(text: String) -> Result<Rival, String> {
        Rival::parse(&text)
    }
}

impl From<Rival> for String {
    fn from(rival: Rival) -> String {
        match rival {
            Rival::Scratch => "scratch".into(),
            Rival::Probe => "probe".into(),
            Rival::Untrained => "untrained".into(),
            Rival::Pixels => "pixels".into(),
            Rival::Encoder { name, path } => format!("{name}={path}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rivals_are_read_and_written_alike() {
        let encoder = |name: &str, path: &str| Rival::Encoder { name: name.into(), path: path.into() };
        let cases = [
            ("scratch", Rival::Scratch),
            ("probe", Rival::Probe),
            ("untrained", Rival::Untrained),
            ("pixels", Rival::Pixels),
            ("imagenet=w/r18.safetensors", encoder("imagenet", "w/r18.safetensors")),
        ];
        for (text, rival) in cases {
            assert_eq!(Rival::parse(text), Ok(rival.clone()));
            assert_eq!(String::from(rival), text);
        }
        assert_eq!(Rival::parse("w/r18.safetensors"), Ok(encoder("r18", "w/r18.safetensors")));
        for bad in ["", "=a", "a=", "..=a"] {
            assert!(Rival::parse(bad).is_err(), "{bad}");
        }
    }
}
