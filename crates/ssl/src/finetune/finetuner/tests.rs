//! What learns and what does not, at which rate, and that it goes on to the same bits.

use twinlens_nn::encoders::EncoderSettings;
use twinlens_nn::ops::read;
use twinlens_nn::optim::{OptimiserSettings, ScheduleSettings};
use twinlens_random::{Purpose, Stream};
use twinlens_views::ViewData;

use super::*;
use crate::finetune::{Head, Trainable, Whole};
use crate::testing::tiny;

const SIZE: usize = 8;
const IMAGES: usize = 12;

fn stage(epochs: usize, trainable: Trainable) -> Stage {
    Stage { epochs, trainable, lr_encoder: None, lr_head: None, freeze_batch_norm: false }
}

fn only(modules: &[&str]) -> Trainable {
    Trainable::Modules(modules.iter().map(|module| (*module).to_owned()).collect())
}

fn settings(stages: Vec<Stage>) -> FinetuneSettings {
    let mut settings = FinetuneSettings { stages, ..FinetuneSettings::default() };
    settings.batch = IMAGES;
    settings.optim.lr = 0.01;
    // Whatever is not frozen would shrink.
    settings.optim.weight_decay = 0.1;
    settings
}

fn finetuner(settings: &FinetuneSettings, steps_per_epoch: usize) -> Finetuner {
    let mut weights = Weights::new(settings.seed, &Device::flex());
    let encoder = tiny(&mut weights.root().at("encoder"));
    Finetuner::on(settings, 3, steps_per_epoch, encoder, weights)
}

/// Images of three colours with noise that depends on `step`, and their classes.
fn batch(step: usize) -> (Vec<ViewBatch>, Vec<Option<usize>>) {
    let mut noise = Stream::new(7, Purpose::Evaluation, [step as u32, 0, 0]);
    let labels: Vec<usize> = (0..IMAGES).map(|image| image % 3).collect();
    let image = |&label: &usize| {
        let value = |at: usize| f32::from(u8::from(at % 3 == label)) + 0.5 * noise.normal() as f32;
        (0..SIZE * SIZE * 3).map(value).collect::<Vec<f32>>()
    };
    let data = labels.iter().map(image).collect::<Vec<_>>().concat();
    let data = ViewData::Normalised(data);
    let view = ViewBatch { data, height: SIZE, width: SIZE, channels: 3 };
    (vec![view], labels.into_iter().map(Some).collect())
}

/// Takes steps, entering stages as the loop does, and returns the losses.
fn train(finetuner: &mut Finetuner, steps: std::ops::Range<usize>) -> Vec<f64> {
    let of_step = |step| {
        if step % finetuner.steps_per_epoch == 0 {
            finetuner.start_of_epoch(step / finetuner.steps_per_epoch);
        }
        let (views, labels) = batch(step);
        finetuner.step(&views, &labels).loss.read()
    };
    steps.map(of_step).collect()
}

/// The names of the entries that training changes.
fn changed(settings: &FinetuneSettings) -> Vec<String> {
    let mut finetuner = finetuner(settings, 2);
    let before = finetuner.snapshot();
    train(&mut finetuner, 0..3);
    let after = finetuner.snapshot();
    before.into_iter().filter(|(name, tensor)| after[name] != *tensor).map(|(name, _)| name).collect()
}

const HEAD_ENTRIES: [&str; 2] = ["head.bias", "head.weight"];

/// Parameters and running statistics of a layer.
fn layer(name: &str, parameters: bool, statistics: bool) -> Vec<String> {
    let of = |entries: &[&str], on: bool| {
        entries.iter().filter(|_| on).map(|entry| format!("encoder.{name}.{entry}")).collect::<Vec<_>>()
    };
    let mut names = of(&["bn.bias", "bn.weight", "conv.weight"], parameters);
    names.extend(of(&["bn.running_mean", "bn.running_var"], statistics));
    names
}

fn sorted(parts: &[Vec<String>]) -> Vec<String> {
    let mut names = parts.concat();
    names.extend(HEAD_ENTRIES.map(str::to_owned));
    names.sort();
    names
}

#[test]
fn what_is_frozen_keeps_its_bytes_and_its_statistics() {
    let head = settings(vec![stage(2, Trainable::Whole(Whole::Head))]);
    assert_eq!(changed(&head), HEAD_ENTRIES);
    let all = settings(vec![stage(2, Trainable::Whole(Whole::All))]);
    assert_eq!(changed(&all), sorted(&[layer("layer1", true, true), layer("layer2", true, true)]));
    let mut fixed = all.clone();
    fixed.stages[0].freeze_batch_norm = true;
    assert_eq!(changed(&fixed), sorted(&[layer("layer1", true, false), layer("layer2", true, false)]));
}

#[test]
fn surgery_changes_the_named_modules_only() {
    let one = settings(vec![stage(2, only(&["layer1"]))]);
    assert_eq!(changed(&one), sorted(&[layer("layer1", true, true)]));
    let part = settings(vec![stage(2, only(&["layer2.conv"]))]);
    let names = ["encoder.layer2.conv.weight", "head.bias", "head.weight"];
    assert_eq!(changed(&part), names, "the norm is not within the module, so its statistics stay");
}

#[test]
fn stages_follow_each_other_and_start_afresh() {
    let two = settings(vec![stage(1, Trainable::Whole(Whole::Head)), stage(1, only(&["layer2"]))]);
    let mut finetuner = finetuner(&two, 2);
    let before = finetuner.encoder_weights();
    train(&mut finetuner, 0..2);
    assert_eq!(finetuner.encoder_weights(), before);
    finetuner.start_of_epoch(1);
    assert_eq!(finetuner.learning_rate(finetuner.factor()), 0.01, "every stage begins its own cosine");
    train(&mut finetuner, 2..3);
    let after = finetuner.encoder_weights();
    assert_eq!(after["layer1.conv.weight"], before["layer1.conv.weight"]);
    assert_ne!(after["layer2.conv.weight"], before["layer2.conv.weight"]);
    // One step in, of two: half the cosine.
    assert!((finetuner.factor() - 0.5).abs() < 1e-12);
}

/// SGD without decay, at the learning rate of `settings`.
fn sgd(settings: &FinetuneSettings) -> OptimiserSettings {
    OptimiserSettings { lr: settings.optim.lr, weight_decay: 0.0, ..OptimiserSettings::default() }
}

/// One step of SGD on the head, computed in f64: `W -= lr mean_i (p_i - y_i) f_i^T`.
#[test]
fn a_step_of_the_head_agrees_with_a_computation_by_hand() {
    for head in [Head::Linear, Head::ReluLinear] {
        let mut settings = settings(vec![stage(1, Trainable::Whole(Whole::Head))]);
        settings.head = head;
        settings.optim = sgd(&settings);
        settings.schedule = ScheduleSettings::constant();
        let mut finetuner = finetuner(&settings, 1);
        let [before, bias] = ["weight", "bias"].map(|name| finetuner.head_weights()[name].values.clone());
        let (views, labels) = batch(0);
        let report = finetuner.step(&views, &labels);
        let features = read(report.embeddings);
        let (mut expected, mut loss) = (before.iter().map(|&w| f64::from(w)).collect::<Vec<f64>>(), 0.0);
        for (image, label) in labels.iter().enumerate() {
            let f: Vec<f64> = features[image * 16..][..16].iter().map(|&f| f64::from(f).max(0.0)).collect();
            let logit = |class: usize| {
                let row = &before[class * 16..][..16];
                f64::from(bias[class]) + row.iter().zip(&f).map(|(&w, f)| f64::from(w) * f).sum::<f64>()
            };
            let powers = [0, 1, 2].map(|class| logit(class).exp());
            let sum: f64 = powers.iter().sum();
            loss -= (powers[label.unwrap()] / sum).ln() / IMAGES as f64;
            for class in 0..3 {
                let error = powers[class] / sum - f64::from(u8::from(*label == Some(class)));
                for (place, f) in f.iter().enumerate() {
                    expected[class * 16 + place] -= 0.01 * error * f / IMAGES as f64;
                }
            }
        }
        let got = report.loss.read();
        assert!((got - loss).abs() < 1e-5, "{got} {loss}");
        for (got, expected) in finetuner.head_weights()["weight"].values.iter().zip(&expected) {
            assert!((f64::from(*got) - expected).abs() < 1e-6, "{got} {expected}");
        }
        assert_ne!(finetuner.head_weights()["weight"].values, before);
    }
}

#[test]
fn the_loss_falls() {
    let all = settings(vec![stage(10, Trainable::Whole(Whole::All))]);
    let losses = train(&mut finetuner(&all, 3), 0..30);
    assert!(losses[29] < 0.5 * losses[0], "{losses:?}");
}

#[test]
fn rates_fall_by_layer_decay_towards_the_images() {
    let mut settings = settings(vec![stage(1, Trainable::Whole(Whole::All))]);
    settings.layer_decay = 0.5;
    settings.stages[0].lr_encoder = Some(0.002);
    settings.stages[0].lr_head = Some(0.05);
    let inside = |module: String| format!("encoder.{module}");
    let blocks = EncoderSettings::named("resnet18").unwrap().blocks().into_iter();
    let mut blocks: Vec<Vec<String>> = blocks.map(|block| block.into_iter().map(inside).collect()).collect();
    blocks.push(vec!["head".into()]);
    // Five blocks before the head: conv1 with bn1, layer1 to layer4.
    let expected = [
        ("encoder.conv1.weight", 0.002 * 0.5f64.powi(5)),
        ("encoder.bn1.bias", 0.002 * 0.5f64.powi(5)),
        ("encoder.layer1.1.conv2.weight", 0.002 * 0.5f64.powi(4)),
        ("encoder.layer4.0.downsample.0.weight", 0.001),
        ("head.weight", 0.05),
    ];
    for (name, expected) in expected {
        let rate = settings.optim.lr * rate(&settings, &settings.stages[0], &blocks, name);
        assert!((rate - expected).abs() < 1e-15, "{name}: {rate} {expected}");
    }
}

/// With SGD the first step is the rate times the gradient, so decay shows in how far weights move.
#[test]
fn decay_scales_the_steps_that_are_made() {
    let mut plain = settings(vec![stage(1, Trainable::Whole(Whole::All))]);
    plain.optim = sgd(&plain);
    plain.schedule = ScheduleSettings::constant();
    let decayed = FinetuneSettings { layer_decay: 0.5, ..plain.clone() };
    let moved = |settings: &FinetuneSettings, name: &str| {
        let mut finetuner = finetuner(settings, 1);
        let before = finetuner.snapshot()[name].values.clone();
        train(&mut finetuner, 0..1);
        let after = &finetuner.snapshot()[name].values;
        before.iter().zip(after).map(|(a, b)| f64::from(b - a).powi(2)).sum::<f64>().sqrt()
    };
    for (name, factor) in
        [("encoder.layer1.conv.weight", 0.25), ("encoder.layer2.conv.weight", 0.5), ("head.weight", 1.0)]
    {
        let ratio = moved(&decayed, name) / moved(&plain, name);
        assert!((ratio - factor).abs() < 1e-3, "{name}: {ratio}");
    }
}

#[test]
fn it_goes_on_to_the_same_bits_from_every_step() {
    let last = stage(2, Trainable::Whole(Whole::All));
    let settings = settings(vec![stage(1, Trainable::Whole(Whole::Head)), stage(1, only(&["layer2"])), last]);
    let total = 4 * 2;
    let mut whole = finetuner(&settings, 2);
    train(&mut whole, 0..total);
    for stop in 0..=total {
        let mut first = finetuner(&settings, 2);
        train(&mut first, 0..stop);
        let mut other = settings.clone();
        other.seed = 9;
        let mut second = finetuner(&other, 2);
        second.restore(&first.state(), stop).unwrap();
        second.settings.seed = settings.seed;
        train(&mut second, stop..total);
        assert_eq!(second.snapshot(), whole.snapshot(), "stopped after {stop} steps");
        assert_eq!(second.steps(), total);
    }
}
