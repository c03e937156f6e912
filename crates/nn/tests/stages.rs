//! The stages of encoders: their names, shapes and values.

use burn::tensor::{Device, Tensor, TensorData};
use twinlens_golden::{Case, reference_weight};
use twinlens_nn::Precision;
use twinlens_nn::encoders::{ENCODERS, Encoder, Stem, find};
use twinlens_nn::ops::{global_average_pool, read};
use twinlens_nn::weights::{Pass, Weights};
use twinlens_random::{Purpose, Stream};

/// Names and channels under torchvision's names, and the side of the map of an image of 64 pixels.
fn expected(id: &str, stem: Stem) -> Vec<(&'static str, usize, usize)> {
    match (id, stem) {
        ("resnet18" | "resnet34", Stem::Imagenet) => vec![
            ("maxpool", 64, 16),
            ("layer1", 64, 16),
            ("layer2", 128, 8),
            ("layer3", 256, 4),
            ("layer4", 512, 2),
        ],
        ("resnet18" | "resnet34", Stem::Cifar) => vec![
            ("relu", 64, 64),
            ("layer1", 64, 64),
            ("layer2", 128, 32),
            ("layer3", 256, 16),
            ("layer4", 512, 8),
        ],
        ("resnet50" | "resnet101" | "resnet152", Stem::Imagenet) => vec![
            ("maxpool", 64, 16),
            ("layer1", 256, 16),
            ("layer2", 512, 8),
            ("layer3", 1024, 4),
            ("layer4", 2048, 2),
        ],
        ("resnet50" | "resnet101" | "resnet152", Stem::Cifar) => vec![
            ("relu", 64, 64),
            ("layer1", 256, 64),
            ("layer2", 512, 32),
            ("layer3", 1024, 16),
            ("layer4", 2048, 8),
        ],
        ("convnext_tiny", _) => vec![
            ("features.0", 96, 16),
            ("features.1", 96, 16),
            ("features.3", 192, 8),
            ("features.5", 384, 4),
            ("features.7", 768, 2),
        ],
        _ => {
            let names = match id {
                "vgg11" => ["features.2", "features.5", "features.10", "features.15", "features.20"],
                "vgg11_bn" => ["features.3", "features.7", "features.14", "features.21", "features.28"],
                "vgg13" => ["features.4", "features.9", "features.14", "features.19", "features.24"],
                "vgg13_bn" => ["features.6", "features.13", "features.20", "features.27", "features.34"],
                "vgg16" => ["features.4", "features.9", "features.16", "features.23", "features.30"],
                "vgg16_bn" => ["features.6", "features.13", "features.23", "features.33", "features.43"],
                _ => panic!("the stages of {id} are not written down here"),
            };
            let shapes = [(64, 32), (128, 16), (256, 8), (512, 4), (512, 2)];
            names.into_iter().zip(shapes).map(|(name, (channels, side))| (name, channels, side)).collect()
        }
    }
}

#[test]
fn every_encoder_has_torchvisions_stages() {
    for (spec, (_, stem)) in ENCODERS.iter().flat_map(|spec| Stem::ALL.map(|stem| (spec, stem))) {
        let mut weights = Weights::zeroed(&Device::flex());
        let encoder = spec.build(&mut weights.root(), stem, 1);
        // The stages keep the ratio of the sides, too.
        let x = Tensor::zeros([1, 64, 32, 1], &Device::flex());
        let maps = encoder.forward_stages(&mut Pass::evaluate(&mut weights), x);
        let stages = encoder.stages().iter().map(|stage| (stage.name(), stage.channels()));
        let found: Vec<_> = stages.zip(maps.iter().map(Tensor::dims)).collect();
        let expected: Vec<_> = expected(spec.id, stem)
            .into_iter()
            .map(|(name, channels, side)| ((name, channels), [1, side, side / 2, channels]))
            .collect();
        assert_eq!(found, expected, "{} {stem:?}", spec.id);
        assert_eq!(encoder.features(), spec.features, "{}", spec.id);
    }
}

#[test]
fn the_documentation_names_the_stages_and_their_channels() {
    let page = include_str!("../../../docs/reference/encoders.md");
    for (spec, (_, stem)) in ENCODERS.iter().flat_map(|spec| Stem::ALL.map(|stem| (spec, stem))) {
        let encoder = spec.describe(stem);
        let told = |line: &str| {
            let mut stages = encoder.stages().iter();
            line.contains(&format!("`{}`", spec.id))
                && stages.all(|stage| line.contains(&format!("`{}` {}", stage.name(), stage.channels())))
        };
        assert!(page.lines().any(told), "encoders.md: no line with the stages of {} {stem:?}", spec.id);
    }
}

/// Images of noise and a network of noise, whose branches count.
fn network(id: &str, stem: Stem) -> (Encoder, Weights, Tensor<4>) {
    let device = Device::flex();
    let mut weights = Weights::new(1, &device);
    let encoder = find(id).unwrap().build(&mut weights.root(), stem, 2);
    for entry in weights.entries_mut().iter_mut().filter(|entry| entry.name().ends_with("layer_scale")) {
        let ones = entry.value().ones_like();
        entry.set_value(ones);
    }
    let mut stream = Stream::new(4, Purpose::Evaluation, [0; 3]);
    let shape = [1, 12, 20, 2];
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| stream.normal() as f32).collect();
    (encoder, weights, Tensor::from_data(TensorData::new(values, shape), &device))
}

#[test]
fn both_sides_of_every_stage_make_the_whole() {
    let kinds = [
        ("resnet18", Stem::Imagenet),
        ("resnet18", Stem::Cifar),
        ("resnet50", Stem::Imagenet),
        ("vgg11", Stem::Cifar),
        ("vgg11_bn", Stem::Cifar),
        ("convnext_tiny", Stem::Cifar),
    ];
    for ((id, stem), precision) in
        kinds.iter().flat_map(|kind| [Precision::F32, Precision::Bf16].map(|precision| (*kind, precision)))
    {
        let (encoder, mut weights, x) = network(id, stem);
        let mut pass = Pass::evaluate(&mut weights).with_precision(precision);
        let features = read(encoder.forward(&mut pass, x.clone()));
        let maps = encoder.forward_stages(&mut pass, x.clone());
        for (stage, map) in encoder.stages().iter().zip(maps) {
            let what = format!("{id} {stem:?} {precision:?} {}", stage.name());
            let (until, after) = encoder.split_after(stage.name()).unwrap();
            assert_eq!(read(until.forward_map(&mut pass, x.clone())), read(map.clone()), "{what}");
            assert_eq!(
                read(until.forward(&mut pass, x.clone())),
                read(global_average_pool(map.clone())),
                "{what}"
            );
            assert_eq!(read(after.forward(&mut pass, map)), features, "{what}");
            let modules = [until.blocks().concat(), after.blocks().concat()].concat();
            assert_eq!(modules, encoder.blocks().concat(), "{what}");
            assert_eq!(
                (until.features(), after.features()),
                (stage.channels(), encoder.features()),
                "{what}"
            );
        }
    }
}

#[test]
fn the_average_of_the_last_map_is_the_features_but_for_a_head() {
    for (id, headless) in [("resnet18", true), ("vgg11", true), ("convnext_tiny", false)] {
        let (encoder, mut weights, x) = network(id, Stem::Cifar);
        let mut pass = Pass::evaluate(&mut weights);
        let features = read(encoder.forward(&mut pass, x.clone()));
        let average = read(global_average_pool(encoder.forward_map(&mut pass, x)));
        assert_eq!(average == features, headless, "{id}");
        assert_eq!(encoder.head().is_empty(), headless, "{id}");
    }
}

#[test]
fn an_unknown_stage_is_told_with_the_nearest_and_all() {
    let encoder = find("resnet18").unwrap().describe(Stem::Imagenet);
    let error = encoder.split_after("layr3").unwrap_err().to_string();
    assert_eq!(
        error,
        "unknown stage `layr3`, perhaps `layer3`; stages: maxpool, layer1, layer2, layer3, layer4"
    );
    let error = encoder.split_after("relu").unwrap_err().to_string();
    assert!(error.contains("unknown stage `relu`"), "{error}");
}

/// Heat maps of torchvision's ResNet-18 in double precision: `max(0, sum_c a_c A_c)` with the map `A` of a stage and
/// `a_c` the mean over its pixels of the gradient of `probe . features` (Selvaraju et al., "Grad-CAM", ICCV 2017).
#[test]
fn golden_maps_and_their_gradients() {
    for case in twinlens_golden::cases("explain/grad_cam") {
        let device = Device::flex();
        let mut weights = Weights::zeroed(&device);
        let encoder = find(case.text("encoder")).unwrap().build(&mut weights.root(), Stem::Imagenet, 3);
        let mut filled = weights.export("");
        for (name, tensor) in &mut filled {
            tensor.values = reference_weight(name, &tensor.shape, case.text("weights"));
        }
        weights.import("", &filled).unwrap();
        let shape: [usize; 4] = case.shape("in.x").try_into().unwrap();
        let x = Tensor::<4>::from_data(TensorData::new(case.f32("in.x").to_vec(), shape), &device);
        let (until, after) = encoder.split_after(case.text("layer")).unwrap();
        let mut pass = Pass::evaluate(&mut weights);
        let map = until.forward_map(&mut pass, x.permute([0, 2, 3, 1])).autodiff().require_grad();
        let probe = Tensor::<2>::from_data(TensorData::new(case.f32("in.probe").to_vec(), [1, 512]), &device);
        let score = (after.forward(&mut pass, map.clone()) * probe.autodiff()).sum();
        case.check("out.score", &read(score.clone()));
        let gradient = map.grad(&score.backward()).unwrap();
        check_heatmap(&case, &read(map), &read(gradient));
    }
}

/// `map` and `gradient` are `[H, W, C]`.
fn check_heatmap(case: &Case, map: &[f32], gradient: &[f32]) {
    let channels = case.shape("out.weights")[0];
    let pixels = map.len() / channels;
    let of_channel = |channel: usize| gradient.iter().skip(channel).step_by(channels).sum::<f32>();
    let means: Vec<f32> = (0..channels).map(|channel| of_channel(channel) / pixels as f32).collect();
    case.check("out.weights", &means);
    let heat = |pixel: &[f32]| pixel.iter().zip(&means).map(|(a, b)| a * b).sum::<f32>().max(0.0);
    let heatmap: Vec<f32> = map.chunks_exact(channels).map(heat).collect();
    case.check("out.heatmap", &heatmap);
}
