//! The work of one node: a training in its run folder, or a judgement whose result appears whole.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use twinlens_data::{DataSet, Split};
use twinlens_lab::jobs::{
    FINETUNING, Finetuning, JudgeJob, JudgeRequest, PRETRAINING, Pretraining, TrainingJob, adopt_encoder,
    kept_verdict,
};
use twinlens_lab::reports::keep_sheet;
use twinlens_lab::run_settings::RunSettings;
use twinlens_lab::{Lab, LabError, LabelDraw, Part, Repeat, Verdict, read_encoder, weights_sha256};
use twinlens_nn::weights::{EncoderDescription, EncoderFile};
use twinlens_run::{RunFolder, RunKind, RunRecord, write_atomically};
use twinlens_ssl::finetune::{range_of, stain_of};
use twinlens_ssl::{Prepared, Settings, WhenDone};

use crate::StudyError;
use crate::claim::{Claim, host};
use crate::data::DataSets;
use crate::node::{Draw, Judging, Node, Training, Tuning, Weights, Work};
use crate::plan::Plan;
use crate::store::{Done, Store, VERDICTS};

/// Where a node is worked on, and with what.
pub(crate) struct Bench<'a> {
    pub plan: &'a Plan,
    pub store: &'a Store,
    pub data: &'a DataSets<'a>,
    /// `auto`, `cpu`, `gpu`, `gpu:N`.
    pub device: &'a str,
}

/// How a training ended.
enum End {
    Well,
    Collapsed,
}

/// A training saves itself about this often, whatever its length.
const CHECKPOINTS: usize = 10;

impl Bench<'_> {
    /// Does the work of a node that this process has claimed, and says that it is done.
    pub fn make(&self, node: &Node, claim: &Claim, lab: &Lab<'_>) -> Result<Done, StudyError> {
        let began = Instant::now();
        let end = match &node.work {
            Work::Train(training) => self.train(node, training, lab)?,
            Work::Finetune(tuning) => {
                let verdict = self.tune(node, tuning, lab)?;
                self.publish(node, claim, &[verdict])?;
                End::Well
            }
            Work::Judge(judging) => {
                let verdicts = self.judge(node, judging, lab)?;
                self.publish(node, claim, &verdicts)?;
                End::Well
            }
        };
        if !claim.is_own() {
            return Err(StudyError::Lost { id: node.id.clone() });
        }
        let done = Done {
            outputs: self.store.outputs(node)?,
            collapsed: matches!(end, End::Collapsed),
            keeps: node.keeps().to_vec(),
            seconds: began.elapsed().as_secs_f64(),
            device: self.device_name()?,
            host: host(),
            version: lab.program.version.clone(),
            commit: lab.program.commit.clone(),
        };
        self.store.set_done(node, &done)?;
        Ok(done)
    }

    /// Where it computes, by name.
    fn device_name(&self) -> Result<String, StudyError> {
        if self.device != "auto" {
            return Ok(self.device.to_owned());
        }
        let found = twinlens_nn::device::open(self.device).map_err(LabError::from)?;
        Ok(if twinlens_nn::device::is_cpu(&found) { "cpu" } else { "gpu" }.to_owned())
    }

    fn open(&self, node: &Node, reading: &str) -> Result<DataSet, StudyError> {
        self.data.same(&self.plan.data, &node.data, reading)
    }

    fn train(&self, node: &Node, training: &Training, lab: &Lab<'_>) -> Result<End, StudyError> {
        let mut settings = self.settings(&training.settings)?;
        let data = self.open(node, &reading(&settings)?)?;
        settings.data = self.data.place(&node.data);
        settings.device = self.device.to_owned();
        let every = settings.epochs.div_ceil(CHECKPOINTS);
        let checkpoint = &mut settings.checkpoint;
        (checkpoint.every, checkpoint.keep) = (every, 0);
        (checkpoint.epochs, checkpoint.when_done) = (training.keep.clone(), WhenDone::Remove);
        let job = Pretraining::with_data(settings, data.clone(), lab)?.following(training.recipe.clone());
        let run = self.store.run(node);
        let shown = job.settings();
        if node.keeps().iter().any(|epoch| !self.has_encoder(node, *epoch)) && is_done(&run) {
            // An earlier study needed fewer encoders of this training: it is made again, and comes to the same.
            let mut folder = job.create(&run, true, lab)?;
            return ended(job.begin(&mut folder, PRETRAINING, lab).map(drop));
        }
        let end = ended(job.run(&run, PRETRAINING, lab).map(drop))?;
        if let Err(error) = keep_sheet(&RunFolder::open(&run)?, &data, &shown, lab) {
            lab.events.warn(&format!("there is no contact sheet of {}: {error}", node.id));
        }
        Ok(end)
    }

    fn has_encoder(&self, node: &Node, epoch: u64) -> bool {
        self.store.encoder(node, Some(epoch)).is_ok_and(|file| file.is_file())
    }

    fn tune(&self, node: &Node, tuning: &Tuning, lab: &Lab<'_>) -> Result<Verdict, StudyError> {
        let read = RunSettings::read("the plan", &tuning.settings, Some(RunKind::Finetuning));
        let RunSettings::Finetuning(settings) = read.map_err(LabError::from)? else {
            return Err(self.unreadable("settings of a fine-tuning that are none"));
        };
        let mut settings = *settings;
        let text =
            toml::to_string(&settings.data_options).map_err(|error| self.unreadable(&error.to_string()))?;
        let data = self.open(node, &text)?;
        settings.data = self.data.place(&node.data);
        settings.device = self.device.to_owned();
        let file = match &tuning.weights {
            Weights::Random(_) => None,
            weights => {
                let (path, file) = self.encoder(node, weights)?;
                settings.init = path.display().to_string();
                adopt_encoder(&mut settings, &file)?;
                Some(Arc::new(file))
            }
        };
        settings.take_images(&data).map_err(LabError::from)?;
        let job = Finetuning::new(settings, file, &data)?;
        let run = self.store.run(node);
        job.run(&run, FINETUNING, lab)?;
        RunFolder::open(&run)?.remove_checkpoints(&[])?;
        let kept =
            kept_verdict(&RunRecord::read(&run)?).map_err(|error| self.unreadable(&error.to_string()))?;
        kept.map(|verdict| verdict.any()).ok_or_else(|| self.unreadable("a fine-tuning without its verdict"))
    }

    fn judge(&self, node: &Node, judging: &Judging, lab: &Lab<'_>) -> Result<Vec<Verdict>, StudyError> {
        let data = self.open(node, &judging.reading)?;
        let (path, file) = match &judging.weights {
            Weights::Random(settings) => (PathBuf::new(), self.described(node, settings, &data)?),
            weights => self.encoder(node, weights)?,
        };
        let data = self.ranged(node, judging, &file, data, lab)?;
        let Draw { label_choice: choice, seed, .. } = judging.draw;
        let labels = vec![LabelDraw { amount: judging.draw.amount(), choice, seed }];
        // Of a checkpoint it is the run that knows the views.
        let input = node.input.as_deref().and_then(|input| self.plan.node(input));
        let home = input.map_or(path, |input| self.store.run(input));
        let request = JudgeRequest {
            features: judging.features,
            untrained_seed: seed,
            settings: judging.settings.clone(),
            repeat: Repeat { labels, seeds: vec![seed] },
            part: Part::named(&judging.split).unwrap_or(Part::Split(Split::Test)),
            device: self.device.to_owned(),
            ..JudgeRequest::new(home, self.data.place(&node.data), &judging.protocol)
        };
        Ok(JudgeJob::with(request, file, data)?.verdicts(lab)?)
    }

    /// The data, with values in the range that the encoder learned with.
    fn ranged(
        &self,
        node: &Node,
        judging: &Judging,
        file: &EncoderFile,
        data: DataSet,
        lab: &Lab<'_>,
    ) -> Result<DataSet, StudyError> {
        let EncoderDescription { range, stain, .. } = &file.description;
        if range.as_ref().is_none_or(|range| *range == data.range) && *stain == data.stain {
            return Ok(data);
        }
        let mut settings: twinlens_data::DataSettings =
            toml::from_str(&judging.reading).map_err(|error| self.unreadable(&error.to_string()))?;
        settings.range = range_of(&file.description);
        (settings.stain, settings.stain_reference) = (stain_of(&file.description), String::new());
        Ok(lab.open(&self.data.place(&node.data), &settings)?)
    }

    /// A network and how images are prepared for it, without weights.
    fn described(&self, node: &Node, settings: &str, data: &DataSet) -> Result<EncoderFile, StudyError> {
        let settings = self.settings(settings)?;
        let prepared = Prepared::new(&settings, data).map_err(LabError::from)?;
        let features = settings.encoder.features();
        let origin = format!("random weights, for node {}", node.id);
        let description = settings.description(&prepared.context, &data.range, features, origin);
        Ok(EncoderFile { description, tensors: BTreeMap::new() })
    }

    /// The encoder that a node takes, and where it lies.
    fn encoder(&self, node: &Node, weights: &Weights) -> Result<(PathBuf, EncoderFile), StudyError> {
        let path = match weights {
            Weights::Input(epoch) => {
                let input = node.input.as_deref().and_then(|input| self.plan.node(input));
                let input = input.ok_or_else(|| self.unreadable("a node without its input"))?;
                self.store.encoder(input, *epoch)?
            }
            Weights::File(name) => {
                let file = self.plan.files.get(name);
                file.ok_or_else(|| StudyError::NoFile { name: name.clone() })?.path.clone()
            }
            Weights::Random(_) => return Err(self.unreadable("random weights where an encoder is needed")),
        };
        let file = read_encoder(&path)?;
        if let Weights::File(name) = weights
            && let Some(planned) = self.plan.files.get(name)
        {
            let found = weights_sha256(&file);
            if found != planned.sha256 {
                let planned = planned.sha256.clone();
                return Err(StudyError::OtherData { name: name.clone(), planned, found });
            }
        }
        Ok((path, file))
    }

    fn settings(&self, text: &str) -> Result<Settings, StudyError> {
        match RunSettings::read("the plan", text, Some(RunKind::Pretraining)).map_err(LabError::from)? {
            RunSettings::Pretraining(settings) => Ok(*settings),
            RunSettings::Finetuning(_) => Err(self.unreadable("settings of a training that are none")),
        }
    }

    /// Writes verdicts and what stands beside them into a folder of this claim's own, and puts that in its place.
    fn publish(&self, node: &Node, claim: &Claim, verdicts: &[Verdict]) -> Result<(), StudyError> {
        let own = self.store.folder(node).join(format!("result-{}", claim.nonce()));
        std::fs::create_dir_all(&own).map_err(|error| StudyError::io(&own, error))?;
        for verdict in verdicts {
            for exhibit in &verdict.exhibits {
                let name = format!("{}.{}", verdict.file_name(), exhibit.extension);
                write_atomically(&own.join(name), &exhibit.bytes)?;
            }
        }
        crate::store::write_json(&own.join(VERDICTS), &verdicts)?;
        if !claim.is_own() {
            drop(std::fs::remove_dir_all(&own));
            return Err(StudyError::Lost { id: node.id.clone() });
        }
        let result = self.store.result(node);
        if result.is_dir() {
            // Of a worker that was killed before it could say that the node is done.
            std::fs::remove_dir_all(&result).map_err(|error| StudyError::io(&result, error))?;
        }
        std::fs::rename(&own, &result).map_err(|error| StudyError::io(&result, error))
    }

    fn unreadable(&self, reason: &str) -> StudyError {
        StudyError::Unreadable { path: PathBuf::from(crate::plan::PLAN), reason: reason.to_owned() }
    }
}

/// How the data of a training are read, as a plan names it.
fn reading(settings: &Settings) -> Result<String, StudyError> {
    toml::to_string(&settings.data_options).map_err(|error| StudyError::Unreadable {
        path: PathBuf::from(crate::plan::PLAN),
        reason: error.to_string(),
    })
}

fn is_done(run: &Path) -> bool {
    RunRecord::read(run).is_ok_and(|record| record.status.state == twinlens_run::RunState::Done)
}

fn ended(result: Result<(), LabError>) -> Result<End, StudyError> {
    match result {
        Ok(()) => Ok(End::Well),
        Err(error) if error.is_collapse() => Ok(End::Collapsed),
        Err(error) => Err(error.into()),
    }
}
