//! Trainings and a study as a library does them: no process, no terminal, nothing but values and a folder.

#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests may stop the test too")]

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::rc::Rc;

use twinlens_data::{DataSettings, LabelAmount};
use twinlens_lab::jobs::{
    Finetuning, Job, JobError, JobOutcome, JobState, JudgeJob, JudgeRequest, Pretraining, TrainingJob,
};
use twinlens_lab::predict::Classifier;
use twinlens_lab::run_settings::RunSettings;
use twinlens_lab::study::{ExistingStudy, Rival, Study, StudyPlan};
use twinlens_lab::{
    Asked, BUNDLED, Events, Lab, LabError, Task, Training, TrainingEvent, TrainingListener, own_joined,
    read_encoder, reading_for, weights_sha256,
};
use twinlens_run::{Ancestor, Recipe, RunKind, RunRecord, RunState};
use twinlens_ssl::finetune::{FinetuneSettings, Stage, Trainable, Whole};
use twinlens_ssl::methods::MethodSettings;
use twinlens_ssl::{Common, Settings};
use twinlens_views::presets::preset;

/// What a short training on small bundled images has.
fn small(usual: Common, policy: &str) -> Common {
    Common {
        data: BUNDLED.into(),
        size: 8.into(),
        batch: 16,
        log_every: 1,
        workers: 1,
        device: "cpu".into(),
        views: preset(policy).unwrap(),
        ..usual
    }
}

fn settings() -> Settings {
    let mut settings = Settings { limit: 48, epochs: 2, ..Settings::default() };
    settings.common = small(settings.common, "medmnist");
    let MethodSettings::BarlowTwins(method) = &mut settings.method else { panic!("another method") };
    (method.projector.hidden_dim, method.projector.output_dim) = (32, 16);
    settings.knn.limit = 48;
    settings
}

fn finetune_settings(init: &Path) -> FinetuneSettings {
    let stage = |epochs, trainable| Stage {
        epochs,
        trainable: Trainable::Whole(trainable),
        lr_encoder: None,
        lr_head: None,
        freeze_batch_norm: false,
    };
    let usual = FinetuneSettings::default();
    FinetuneSettings {
        common: small(usual.common.clone(), "crop-flip"),
        init: init.display().to_string(),
        labels_per_class: 4,
        stages: vec![stage(1, Whole::Head), stage(1, Whole::All)],
        ..usual
    }
}

/// Remembers what it is told, in words.
#[derive(Default)]
struct Memory {
    told: Rc<RefCell<Vec<String>>>,
}

struct OfOne {
    told: Rc<RefCell<Vec<String>>>,
    log: File,
}

impl Events for Memory {
    fn begin(&self, what: &str) -> Box<dyn Task + '_> {
        self.told.borrow_mut().push(format!("begins: {what}"));
        Box::new(twinlens_lab::Silent)
    }

    fn train(&self, training: Training<'_>) -> Box<dyn TrainingListener + '_> {
        let Training { label, epochs, folder, log } = training;
        assert!(folder.join("config.toml").is_file());
        self.told.borrow_mut().push(format!("{label} for {epochs} epochs"));
        Box::new(OfOne { told: self.told.clone(), log })
    }

    fn warn(&self, warning: &str) {
        self.told.borrow_mut().push(format!("warning: {warning}"));
    }
}

impl TrainingListener for OfOne {
    fn hear(&mut self, event: &TrainingEvent<'_>) {
        let text = match event {
            TrainingEvent::Started { total_steps, step } => format!("starts at {step} of {total_steps}"),
            TrainingEvent::Step { epoch, step, loss } => {
                assert!(loss.unwrap().is_finite());
                format!("epoch {epoch} step {step}")
            }
            TrainingEvent::Metrics(row) => format!("row of step {}", row["step"]),
            TrainingEvent::Look { epoch, measure, value } => {
                assert!((0.0..=1.0).contains(value));
                format!("{measure} after {epoch}")
            }
            TrainingEvent::Ended(state) => format!("ended: {state}"),
            _ => return,
        };
        writeln!(self.log, "{text}").unwrap();
        self.told.borrow_mut().push(text);
    }
}

fn encoder(run: &Path) -> Vec<u8> {
    std::fs::read(run.join("encoder/encoder.safetensors")).unwrap()
}

/// A short pre-training in `folder`.
fn pretrained(folder: &Path) {
    twinlens_lab::jobs::pretrain(settings(), folder, &Lab::default()).unwrap();
}

#[test]
fn a_training_is_heard_and_its_lineage_goes_from_run_to_run() {
    let place = tempfile::tempdir().unwrap();
    let [first, second, third] = ["first", "second", "third"].map(|name| place.path().join(name));
    let memory = Memory::default();
    let lab = Lab { events: &memory, ..Lab::default() };
    let recipe = Recipe { id: "mine".into(), sha256: "07".into(), changed: vec!["batch".into()] };
    let job = Pretraining::prepare(settings(), &lab).unwrap().following(Some(recipe.clone()));
    let pretrained = job.run(&first, "learning", &lab).unwrap();
    let told = memory.told.take();
    let place_of =
        |what: &str| told.iter().position(|text| text == what).unwrap_or_else(|| panic!("{what}: {told:?}"));
    let order = [
        "begins: reading images",
        "learning for 2 epochs",
        "starts at 0 of 6",
        "knn_accuracy after 0",
        "epoch 1 step 1",
        "row of step 1",
        "epoch 2 step 6",
        "knn_accuracy after 2",
        "ended: done",
    ]
    .map(place_of);
    assert!(order.is_sorted(), "{told:?}");
    let log = std::fs::read_to_string(first.join("train.log")).unwrap();
    assert!(log.starts_with("starts at 0") && log.ends_with("ended: done\n"), "{log}");
    assert_eq!(pretrained.metrics, RunRecord::read(&first).unwrap().metrics);

    let record = RunRecord::read(&first).unwrap();
    let lineage = record.lineage.unwrap();
    assert_eq!(
        (lineage.kind, &lineage.recipe, lineage.encoder),
        (RunKind::Pretraining, &Some(recipe), vec![])
    );
    assert_eq!((lineage.data.path.as_str(), &lineage.data.sha256), (BUNDLED, &job.data.fingerprint));
    assert_eq!(record.command, "");

    // The encoder's file in its run says as much as the run's folder.
    let file = first.join("encoder/encoder.safetensors");
    let tuned = twinlens_lab::jobs::finetune(finetune_settings(&file), &second, &lab).unwrap();
    assert_eq!(tuned.verdict.protocol, "fine-tune");
    let own = Ancestor {
        sha256: weights_sha256(&twinlens_lab::read_encoder(&first).unwrap()),
        method: Some("barlow-twins".into()),
        run: Some(first.display().to_string()),
    };
    let lineage = RunRecord::read(&second).unwrap().lineage.unwrap();
    assert_eq!((lineage.kind, &lineage.encoder[..]), (RunKind::Finetuning, &[own.clone()][..]));
    assert_eq!(tuned.encoder().unwrap().description().features, 512);

    predicts_what_it_was_judged_by(&second, &lab);

    let again = Pretraining::prepare(settings(), &lab).unwrap().beginning_with(&second).unwrap();
    again.create(&third, false, &lab).unwrap();
    let lineage = RunRecord::read(&third).unwrap().lineage.unwrap();
    let methods: Vec<_> = lineage.encoder.iter().map(|one| one.method.as_deref()).collect();
    assert_eq!(methods, [Some(Ancestor::FINE_TUNING), Some("barlow-twins")]);
    assert_eq!(lineage.encoder[1], own);
    // Nothing but what such a short training must disappoint in.
    let concerns = again.settings.concerns(again.prepared.train.len());
    let told = memory.told.take();
    let warnings = told.iter().filter(|text| text.starts_with("warning"));
    assert!(warnings.clone().count() > 0 && concerns.len() > 1, "{told:?}");
    for warning in warnings {
        assert!(concerns.iter().any(|concern| warning.ends_with(concern)), "{warning}");
    }
}

/// An .npy of so many RGB images of 8 x 8 pixels, whose values begin at `first`.
fn colours(images: usize, first: u8) -> Vec<u8> {
    let header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': ({images}, 8, 8, 3), }}");
    let values = (0..images * 192).map(|at| first.wrapping_add((at * 31 % 251) as u8));
    let length = (header.len() as u16).to_le_bytes();
    b"\x93NUMPY\x01\x00".iter().copied().chain(length).chain(header.bytes()).chain(values).collect()
}

#[test]
fn several_sets_are_learned_from_as_one_and_judged_one_by_one() {
    let place = tempfile::tempdir().unwrap();
    let lab = Lab::default();
    let write = |name: &str, first: u8| {
        let path = place.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, colours(40, first)).unwrap();
        path.display().to_string()
    };
    let joined = |path: &str| {
        let mut settings = Settings { epochs: 1, limit: 64, ..settings() };
        settings.data_options.join = vec![path.to_owned()];
        Pretraining::prepare(settings, &lab).unwrap()
    };
    let (here, there, other) = (write("b.npy", 0), write("there/b.npy", 0), write("other/b.npy", 9));
    let job = joined(&here);
    let parts: Vec<String> = job.data.parts.iter().map(ToString::to_string).collect();
    assert_eq!(parts, ["blood_cells_28.npz: 1090 train, 124 val, 343 test", "b.npy: 40 train"]);
    // A limit takes of every set its share.
    let train = &job.prepared.train;
    let of_b = (0..train.len()).filter(|&at| train.name(at).starts_with("b.npy: ")).count();
    assert!((1..=3).contains(&of_b), "{of_b} of {}", train.len());
    // Where they lie has no part in what the job is; what they hold has.
    assert_eq!(job.key().unwrap(), joined(&there).key().unwrap());
    assert_ne!(job.key().unwrap(), joined(&other).key().unwrap());

    let run = place.path().join("run");
    job.run(&run, "learning", &lab).unwrap();
    let record = RunRecord::read(&run).unwrap();
    assert_eq!(record.environment["data"]["parts"][1]["splits"]["train"], 40);
    assert_eq!(joined(&there).state(&run).unwrap(), JobState::Done);
    // Each is judged alone, as the run read it.
    assert_eq!(own_joined(&run), std::slice::from_ref(&here));
    let file = read_encoder(&run).unwrap();
    for name in [BUNDLED, &here] {
        assert!(reading_for(&run, &file, name).join.is_empty(), "{name}");
    }
    let mut request = JudgeRequest::new(&run, BUNDLED, "knn");
    request.reading = Some(record_reading(&record));
    let verdicts = JudgeJob::prepare(request, &lab).unwrap().verdicts(&lab).unwrap();
    assert_eq!(
        verdicts[0].data.sha256,
        lab.open(BUNDLED, &DataSettings::default()).unwrap().fingerprint.into()
    );
}

/// How a run read its data, the sets that it joined included.
fn record_reading(record: &RunRecord) -> DataSettings {
    let settings = RunSettings::of(record).unwrap().common().data_options.clone();
    assert_eq!(settings.join.len(), 1);
    settings
}

/// A run that was fine-tuned gives test images, as new ones, the probabilities that it wrote when it was judged.
fn predicts_what_it_was_judged_by(run: &Path, lab: &Lab<'_>) {
    let computing = lab.computing(1, "cpu");
    let classifier = Classifier::of_run(run, &computing, lab).unwrap();
    let data = lab.open(BUNDLED, &DataSettings::default()).unwrap();
    let table = classifier.predict(&data, &computing, lab.events).unwrap();
    let csv = table.csv();
    let judged = std::fs::read_to_string(run.join("eval/predictions-test.csv")).unwrap();
    assert!(judged.lines().count() > 300);
    // Both end in the probabilities; images of the test split come last.
    for (one, other) in csv.lines().rev().zip(judged.lines().skip(1).collect::<Vec<_>>().into_iter().rev()) {
        let fields = |line: &str| line.split(',').map(str::to_owned).collect::<Vec<_>>();
        let (one, other) = (fields(one), fields(other));
        assert_eq!((&one[0], &one[1], &one[3..]), (&other[0], &other[2], &other[3..]));
    }
}

#[test]
fn a_job_is_told_apart_by_its_key_stopped_gone_on_with_and_not_done_twice() {
    let place = tempfile::tempdir().unwrap();
    let [start, whole, stopped] = ["start", "whole", "stopped"].map(|name| place.path().join(name));
    pretrained(&start);
    let quiet = Lab::default();
    let job = |change: &dyn Fn(&mut FinetuneSettings)| {
        let mut settings = finetune_settings(&start);
        change(&mut settings);
        Job::Finetune(Box::new(Finetuning::prepare(settings, &quiet).unwrap()))
    };
    let one = job(&|_| {});
    let key = one.key().unwrap();
    assert_eq!(job(&|settings| (settings.workers, settings.log_every) = (2, 5)).key().unwrap(), key);
    for other in [job(&|settings| settings.seed = 1), job(&|settings| settings.init = "scratch".into())] {
        assert_ne!(other.key().unwrap(), key);
    }
    let pretraining = Job::Pretrain(Box::new(Pretraining::prepare(settings(), &quiet).unwrap()));
    assert_ne!(pretraining.key().unwrap(), key);
    assert_eq!(pretraining.state(&start).unwrap(), JobState::Done);

    assert_eq!(one.state(&whole).unwrap(), JobState::Absent);
    let JobOutcome::Finetuned(expected) = one.run(&whole, &quiet).unwrap() else { panic!("pre-trained") };
    assert_eq!(one.state(&whole).unwrap(), JobState::Done);

    let steps = Cell::new(0);
    let asked = || {
        steps.set(steps.get() + 1);
        if steps.get() == 3 { Asked::Stop } else { Asked::Continue }
    };
    let error = one.run(&stopped, &Lab { asked: &asked, ..quiet.clone() }).unwrap_err();
    assert!(error.is_interruption(), "{error}");
    assert_eq!(RunRecord::read(&stopped).unwrap().status.state, RunState::Interrupted);
    assert_eq!(one.state(&stopped).unwrap(), JobState::Begun);
    let JobOutcome::Finetuned(went_on) = one.run(&stopped, &quiet).unwrap() else { panic!("pre-trained") };
    assert_eq!((went_on.verdict, encoder(&stopped)), (expected.verdict.clone(), encoder(&whole)));

    // Nothing is made again, and no other job takes the folder.
    let before = std::fs::metadata(whole.join("encoder/encoder.safetensors")).unwrap().modified().unwrap();
    let JobOutcome::Finetuned(again) = one.run(&whole, &quiet).unwrap() else { panic!("pre-trained") };
    assert_eq!(again.verdict, expected.verdict);
    assert_eq!(
        std::fs::metadata(whole.join("encoder/encoder.safetensors")).unwrap().modified().unwrap(),
        before
    );
    for other in [&job(&|settings| settings.seed = 1), &pretraining] {
        let state = other.state(&whole).unwrap();
        assert!(matches!(state, JobState::OfSomethingElse(_)), "{state:?}");
        let error = other.run(&whole, &quiet).unwrap_err();
        assert!(error.hint().is_some_and(|hint| hint.contains("{overwrite}")), "{error}");
    }
    let foreign = place.path().join("foreign");
    std::fs::create_dir(&foreign).unwrap();
    std::fs::write(foreign.join("mine.txt"), "mine").unwrap();
    assert!(matches!(one.state(&foreign).unwrap(), JobState::OfSomethingElse(_)));
    assert!(one.run(&foreign, &quiet).is_err());
}

#[test]
fn a_pre_training_killed_before_its_first_checkpoint_begins_anew_with_the_recipe_it_had() {
    let place = tempfile::tempdir().unwrap();
    let run = place.path().join("run");
    let lab = Lab::default();
    let recipe = Recipe { id: "mine".into(), sha256: "07".into(), changed: vec![] };
    let job = Pretraining::prepare(settings(), &lab).unwrap().following(Some(recipe.clone()));
    drop(job.create(&run, false, &lab).unwrap());
    assert_eq!(job.state(&run).unwrap(), JobState::Begun);
    let again = Pretraining::prepare(settings(), &lab).unwrap();
    again.run(&run, "learning", &lab).unwrap();
    assert_eq!(again.state(&run).unwrap(), JobState::Done);
    assert_eq!(RunRecord::read(&run).unwrap().lineage.unwrap().recipe, Some(recipe));
}

#[test]
fn a_judgement_is_told_apart_by_its_key_and_not_done_twice() {
    let place = tempfile::tempdir().unwrap();
    let [run, out] = ["run", "out"].map(|name| place.path().join(name));
    let lab = Lab::default();
    pretrained(&run);
    let asked = |protocol: &str| JudgeRequest::new(&run, BUNDLED, protocol);
    let job = |request: JudgeRequest| Job::Judge(Box::new(JudgeJob::prepare(request, &lab).unwrap()));
    let knn = job(asked("knn"));
    assert_eq!(knn.state(&out).unwrap(), JobState::Absent);
    let JobOutcome::Judged(verdicts) = knn.run(&out, &lab).unwrap() else { panic!("another outcome") };
    assert_eq!((verdicts.len(), knn.state(&out).unwrap()), (2, JobState::Done));
    // Read back, not done again: what was found is what the file says.
    let file = out.join("verdicts.json");
    std::fs::write(&file, std::fs::read_to_string(&file).unwrap().replace("\"knn\"", "\"told\"")).unwrap();
    let JobOutcome::Judged(verdicts) = knn.run(&out, &lab).unwrap() else { panic!("another outcome") };
    assert_eq!(verdicts[0].protocol, "told");
    // The usual setting said aloud is the same request, any other is not; nor are other seeds, where there are any.
    let with = |protocol: &str, key: &str, value: serde_json::Value| JudgeRequest {
        settings: [(key.to_owned(), value)].into(),
        ..asked(protocol)
    };
    let key = |request: JudgeRequest| job(request).key().unwrap();
    let usual = key(asked("knn"));
    assert_eq!(key(with("knn", "vote", "weighted".into())), usual);
    assert_ne!(key(with("knn", "k", 3.into())), usual);
    assert_eq!(
        key(JudgeRequest { part: twinlens_lab::Part::All, ..asked("knn") }),
        usual,
        "kNN heeds no part"
    );
    let seeds = |protocol: &str| {
        let repeat = twinlens_lab::Repeat { seeds: vec![7], ..twinlens_lab::Repeat::default() };
        key(JudgeRequest { repeat, ..asked(protocol) })
    };
    assert_eq!(seeds("knn"), usual, "kNN draws labels, and nothing else");
    assert_ne!(seeds("cluster"), key(asked("cluster")));
    let other = job(with("knn", "k", 3.into()));
    assert!(matches!(other.state(&out).unwrap(), JobState::OfSomethingElse(_)));
    assert!(other.run(&out, &lab).unwrap_err().to_string().contains("another request"));
    // Exhibits stand beside the verdicts of those that have some.
    let clusters = place.path().join("clusters");
    job(with("cluster", "k", 3.into())).run(&clusters, &lab).unwrap();
    assert_eq!(std::fs::read_dir(&clusters).unwrap().count(), 3, "verdicts, a table and a picture");
    // Settings that cannot be are told before data are opened.
    let refused = JudgeRequest { data: "nowhere.npz".into(), ..with("knn", "k", 0.into()) };
    assert!(JudgeJob::prepare(refused, &lab).unwrap_err().to_string().contains("k = 0"));
}

#[test]
fn the_kind_of_a_run_is_read_from_its_record_and_guessed_only_without_one() {
    let config = toml::to_string(&settings()).unwrap();
    let kind = |kind| RunSettings::read("config.toml", &config, kind).map(|settings| settings.kind());
    assert_eq!(kind(None).unwrap(), RunKind::Pretraining);
    assert!(matches!(kind(Some(RunKind::Finetuning)), Err(JobError::Unreadable { .. })));
    let config = toml::to_string(&finetune_settings(Path::new("scratch"))).unwrap();
    assert_eq!(RunSettings::read("config.toml", &config, None).unwrap().kind(), RunKind::Finetuning);
}

#[test]
fn a_study_runs_without_a_process_and_is_read_back() {
    let place = tempfile::tempdir().unwrap();
    let [start, out] = ["start", "study"].map(|name| place.path().join(name));
    pretrained(&start);
    let memory = Memory::default();
    let lab = Lab { events: &memory, ..Lab::default() };
    let data = lab.open(BUNDLED, &DataSettings::default()).unwrap();
    let file = std::sync::Arc::new(twinlens_lab::read_encoder(&start).unwrap());
    let mut settings = finetune_settings(&start);
    twinlens_lab::jobs::adopt_encoder(&mut settings, &file).unwrap();
    let plan = StudyPlan {
        amounts: vec![LabelAmount::PerClass(2), LabelAmount::PerClass(4)],
        seeds: vec![0],
        rivals: vec![Rival::Scratch, Rival::Pixels],
        sweep_blocks: false,
        settings,
        recipe: None,
    };
    let study = Study::prepare(plan.clone(), Some(file), &data, &lab).unwrap();
    assert_eq!(study.trainings(), 4);
    let outcome = study.run(&out, false, &lab).unwrap();
    let names: Vec<&str> = outcome.points.iter().map(|point| point.name.as_str()).collect();
    assert_eq!(names, ["fine-tuned", "fine-tuned", "scratch", "scratch", "pixels probe", "pixels probe"]);
    let told = memory.told.take();
    assert_eq!(told.iter().filter(|text| *text == "ended: done").count(), 4, "{told:?}");
    assert!(told.iter().any(|text| text.starts_with("scratch, labels 4")), "{told:?}");
    let existing = ExistingStudy::read(&out).unwrap();
    assert_eq!((existing.points.len(), existing.plan.seeds), (6, plan.seeds));
    assert!(out.join("label-efficiency.svg").is_file());
    // What is done is not done again.
    study.run(&out, false, &lab).unwrap();
    assert!(memory.told.take().iter().all(|text| !text.starts_with("ended")));
    // A stop ends it between two trainings.
    let stop = Lab { asked: &|| Asked::Stop, ..lab.clone() };
    let error = study.run(&out, false, &stop).unwrap_err();
    assert!(matches!(error, LabError::Job(JobError::Interrupted)), "{error}");
}
