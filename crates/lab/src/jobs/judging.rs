//! Judging as a job: an encoder, data and a protocol, asked for as a value.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use twinlens_data::{DataSet, DataSettings, LabelAmount, Split};
use twinlens_nn::weights::EncoderFile;
use twinlens_run::write_atomically;
use twinlens_views::ViewPolicy;

use super::{JobError, JobState};
use crate::identity::digest;
use crate::protocols::{Needs, ProtocolSpec, find};
use crate::{
    Computing, Exhibit, FeaturesKind, Judging, Lab, LabError, LabelDraw, Part, Repeat, Settings, Subject,
    Verdict, ViewsOf, data_record, read_encoder, reading_for,
};

/// What is to be judged, on what, and how.
#[derive(Clone, Debug)]
pub struct JudgeRequest {
    /// A run's folder, or an `encoder.safetensors` with its `encoder.json` beside it.
    pub encoder: PathBuf,
    /// Whose features.
    pub features: FeaturesKind,
    /// Seed of an untrained network's weights.
    pub untrained_seed: u64,
    /// The stage whose averaged map is the features; none: the encoder's own.
    pub stage: Option<String>,
    /// The data set, by path or name.
    pub data: String,
    /// How they are read; none: as the run read them, where they are its own.
    pub reading: Option<DataSettings>,
    /// The protocol, by its name.
    pub protocol: String,
    /// Its settings; those that are not named are the usual ones.
    pub settings: Settings,
    /// With which labels or seeds.
    pub repeat: Repeat,
    /// Which images, of protocols that take them all alike.
    pub part: Part,
    /// Which views, of protocols that compare some.
    pub views: ViewsOf,
    /// `auto`, `cpu`, `gpu` or `gpu:N`.
    pub device: String,
}

impl JudgeRequest {
    /// Judging the trained encoder at `encoder` on `data` by `protocol` as usual: once, with all labels, on the CPU.
    pub fn new(encoder: impl Into<PathBuf>, data: impl Into<String>, protocol: &str) -> JudgeRequest {
        JudgeRequest {
            encoder: encoder.into(),
            features: FeaturesKind::Trained,
            untrained_seed: 0,
            stage: None,
            data: data.into(),
            reading: None,
            protocol: protocol.to_owned(),
            settings: Settings::new(),
            repeat: Repeat::default(),
            part: Part::Split(Split::Test),
            views: ViewsOf::Run,
            device: "cpu".to_owned(),
        }
    }
}

/// A judgement whose encoder and data are open and whose request was checked, before anything is computed.
#[derive(Debug)]
pub struct JudgeJob {
    request: JudgeRequest,
    protocol: &'static ProtocolSpec,
    subject: Subject,
    data: DataSet,
}

/// The file of what a job came to, in its folder.
const FILE: &str = "verdicts.json";

/// Its content.
#[derive(Serialize, Deserialize)]
struct Kept {
    key: String,
    verdicts: Vec<Verdict>,
}

impl JudgeJob {
    /// Opens encoder and data, and checks the request.
    ///
    /// # Errors
    /// A protocol of another name, or settings that it cannot take; an encoder or data that cannot be read.
    pub fn prepare(request: JudgeRequest, lab: &Lab<'_>) -> Result<JudgeJob, LabError> {
        check(&request)?;
        let file = read_encoder(&request.encoder)?;
        let reading =
            request.reading.clone().unwrap_or_else(|| reading_for(&request.encoder, &file, &request.data));
        // One data set is judged on: labels of several have no meaning in common.
        let data = lab.open(&request.data, &reading.alone())?;
        JudgeJob::with(request, file, data)
    }

    /// The same of an encoder and data that are open; the request says where the encoder's run is, whose views are compared, and
    /// what verdicts call the data.
    ///
    /// # Errors
    /// A protocol of another name, settings that it cannot take, an encoder of another kind than asked for.
    pub fn with(request: JudgeRequest, file: EncoderFile, data: DataSet) -> Result<JudgeJob, LabError> {
        let protocol = check(&request)?;
        let data = match protocol.needs {
            Needs::Classes | Needs::Tags => data.for_judging(),
            Needs::Images | Needs::Views => data,
        };
        let subject = Subject::new(request.features, file, request.untrained_seed)?;
        let subject = subject.at(request.stage.as_deref())?;
        Ok(JudgeJob { request, protocol, subject, data })
    }

    /// What tells this job from any other: a hash of the protocol and all its settings, the draws and seeds, the weights, and
    /// the images by their content and split. Where these lie, and where it computes, have no part in it.
    ///
    /// # Errors
    /// Views that cannot be found.
    pub fn key(&self) -> Result<String, LabError> {
        let settings = self.protocol.usual().into_iter().chain(self.request.settings.clone());
        let data = data_record("", &self.data);
        let learns = matches!(self.protocol.needs, Needs::Classes | Needs::Tags);
        let text = json!({
            "kind": "judge",
            "protocol": self.protocol.id,
            "settings": settings.collect::<Settings>(),
            "draws": self.draws(),
            "part": (!learns).then(|| self.request.part.name()),
            "views": self.views()?.map(|(_, views)| views),
            "subject": self.subject.record(),
            "untrained": self.subject.seed(),
            "data": (data.sha256, data.splits),
        });
        Ok(digest([text.to_string()]))
    }

    /// How the folder `path` stands to this job. It is done in one go, so nothing is ever begun.
    ///
    /// # Errors
    /// Results that cannot be read.
    pub fn state(&self, path: &Path) -> Result<JobState, LabError> {
        Ok(match kept(path)? {
            None => JobState::Absent,
            Some(kept) if kept.key == self.key()? => JobState::Done,
            Some(_) => JobState::OfSomethingElse("verdicts of another request".to_owned()),
        })
    }

    /// Does the job in the folder `path`, which is made if it is missing: what is done is read back, and a folder with something
    /// else is refused. What stands beside verdicts is written first, the verdicts last.
    ///
    /// # Errors
    /// As [`JudgeJob::verdicts`]; a folder of something else, or that cannot be written.
    pub fn run(&self, path: &Path, lab: &Lab<'_>) -> Result<Vec<Verdict>, LabError> {
        let key = self.key()?;
        match kept(path)? {
            Some(kept) if kept.key == key => return Ok(kept.verdicts),
            Some(_) => {
                let reason = "verdicts of another request".to_owned();
                return Err(LabError::from(JobError::OtherRun { reason }).at(path.display()));
            }
            None => {}
        }
        let verdicts = self.verdicts(lab)?;
        std::fs::create_dir_all(path).map_err(|error| LabError::io(path, error))?;
        for verdict in &verdicts {
            for Exhibit { extension, bytes } in &verdict.exhibits {
                write_atomically(&path.join(format!("{}.{extension}", verdict.file_name())), bytes)?;
            }
        }
        let kept = serde_json::to_vec_pretty(&Kept { key, verdicts: verdicts.clone() })
            .map_err(|error| JobError::Unwritable { reason: error.to_string() })?;
        write_atomically(&path.join(FILE), &kept)?;
        Ok(verdicts)
    }

    /// The verdicts, kept nowhere: one for each repetition, and each variant that the settings ask for.
    ///
    /// # Errors
    /// Data without what the protocol needs; images or an encoder that cannot be used.
    pub fn verdicts(&self, lab: &Lab<'_>) -> Result<Vec<Verdict>, LabError> {
        let computing: Computing = lab.computing(0, &self.request.device);
        let data = (&self.data, self.request.data.as_str());
        let mut judging = Judging::new(&self.subject, data, &computing, lab.events);
        judging.part = self.request.part;
        judging.views = self.views()?;
        judging.run(self.protocol, &self.request.settings, &self.request.repeat)
    }

    /// What is drawn at random, of that which the protocol heeds.
    fn draws(&self) -> Value {
        let Repeat { labels, seeds } = &self.request.repeat;
        let seed = |draw: &LabelDraw| (draw.amount != LabelAmount::Share(1.0)).then_some(draw.seed);
        let draw = |draw: &LabelDraw| (draw.amount.setting(), json!(draw.choice), seed(draw));
        match self.protocol.needs {
            Needs::Classes => json!(labels.iter().map(draw).collect::<Vec<_>>()),
            _ => json!(seeds),
        }
    }

    fn views(&self) -> Result<Option<(String, Vec<ViewPolicy>)>, LabError> {
        match self.protocol.needs {
            Needs::Views => self.request.views.policy(self.request.features, &self.request.encoder),
            _ => Ok(None),
        }
    }
}

/// The protocol that is asked for, which takes the settings.
fn check(request: &JudgeRequest) -> Result<&'static ProtocolSpec, LabError> {
    let protocol = find(&request.protocol)?;
    protocol.check(&request.settings)?;
    Ok(protocol)
}

/// What was kept in a folder, if anything.
fn kept(path: &Path) -> Result<Option<Kept>, LabError> {
    let file = path.join(FILE);
    match std::fs::read(&file) {
        Ok(bytes) => {
            let read = serde_json::from_slice(&bytes);
            let damaged = |error: serde_json::Error| JobError::Unreadable { reason: error.to_string() };
            Ok(Some(read.map_err(|error| LabError::from(damaged(error)).at(file.display()))?))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(LabError::io(&file, error)),
    }
}

/// Judges an encoder.
///
/// # Errors
/// As [`JudgeJob::prepare`] and [`JudgeJob::verdicts`].
pub fn judge(request: JudgeRequest, lab: &Lab<'_>) -> Result<Vec<Verdict>, LabError> {
    JudgeJob::prepare(request, lab)?.verdicts(lab)
}
