//! Several fine-tunings as one study: encoders and rivals, amounts of labels, seeds.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use twinlens_data::{DataSet, LabelAmount, Split};
use twinlens_eval::{Labelled, Repeats, Verdict};
use twinlens_nn::encoders;
use twinlens_nn::weights::{EncoderDescription, EncoderFile};
use twinlens_report::{LabelCurve, LabelEfficiency, LabelPoint, label_efficiency};
use twinlens_run::{names, write_atomically};
use twinlens_ssl::finetune::{FinetuneSettings, SCRATCH, Trainable, Whole};

use super::super::features::{Computing, Subject, labelled, untrained};
use super::super::judge::{Kind, write_document};
use super::super::labels::{Draw, HEADINGS, repeats, rows};
use super::super::probe::probe;
use super::super::training::{Watch, read_encoder};
use super::job::{Job, undrawn};
use super::take_file;
use crate::exit::{Exit, Failure, Outcome};
use crate::terminal::Terminal;

/// The file that says what a study is made of, in its folder.
pub const PLAN: &str = "study.toml";

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
        if name.is_empty() || path.is_empty() {
            return Err("expected scratch, probe, untrained, pixels, FILE or NAME=FILE".to_owned());
        }
        Ok(Rival::Encoder { name, path: path.to_owned() })
    }
}

impl FromStr for Rival {
    type Err = String;

    fn from_str(text: &str) -> Result<Rival, String> {
        Rival::parse(text)
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

/// What a study is made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sweep {
    /// Amounts of labels, from few to many.
    pub amounts: Vec<LabelAmount>,
    /// Seeds.
    pub seeds: Vec<u64>,
    /// What the encoder is compared with.
    pub rivals: Vec<Rival>,
    /// Whether each block learns by itself in turn.
    pub sweep_blocks: bool,
    /// The settings of the encoder's own fine-tuning.
    pub settings: FinetuneSettings,
}

impl Sweep {
    /// Whether it is one training only.
    pub fn is_one(&self) -> bool {
        self.amounts.len() * self.seeds.len() == 1 && self.rivals.is_empty() && !self.sweep_blocks
    }

    /// A study from its file.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn read(path: &Path) -> Outcome<Sweep> {
        let text = std::fs::read_to_string(path);
        let text = text.map_err(|error| Failure::new(Exit::Environment, error).at(path.display()))?;
        toml::from_str(&text).map_err(|error| {
            let failure = Failure::new(Exit::Data, error).at(path.display());
            failure.hint("was it written by another version of this program, or changed by hand?")
        })
    }

    /// Opens every encoder and checks every training against the data.
    ///
    /// # Errors
    /// An encoder or labels that cannot be used, rivals that need an encoder where there is none.
    pub fn prepare<'a>(
        mut self,
        file: Option<EncoderFile>,
        data: &'a DataSet,
        terminal: &Terminal,
    ) -> Outcome<Prepared<'a>> {
        self.settings.take_images(data)?;
        let mut conditions = Vec::new();
        for (name, way) in self.ways(file)? {
            let condition = Condition::new(&name, way, &self, data)?;
            if conditions.iter().any(|other: &Condition| other.folder == condition.folder) {
                let failure = Failure::message(Exit::Usage, format!("two rivals are called `{name}`"));
                return Err(failure.hint("name them apart as NAME=FILE"));
            }
            conditions.push(condition);
        }
        let computing = Computing {
            batch: 256,
            workers: twinlens_ssl::workers(self.settings.workers),
            device: self.settings.device.clone(),
            cached: true,
        };
        if let Some(Condition { way: Prepared2::Tuned(jobs), .. }) = conditions.first() {
            for warning in jobs.iter().flat_map(|job| &job.images.warnings).take(1) {
                tracing::warn!("{warning}");
            }
        }
        let _ = terminal;
        Ok(Prepared { sweep: self, conditions, data, computing })
    }
}
