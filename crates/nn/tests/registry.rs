//! What must hold for every encoder of the registry.

use burn::tensor::{Device, Tensor, TensorData};
use twinlens_nn::encoders::{
    ENCODERS, EncoderSettings, ResNetSettings, Stem, find, is_within, zero_init_residual,
};
use twinlens_nn::ops::read;
use twinlens_nn::weights::{Pass, Role, Weights};
use twinlens_random::{Purpose, Stream};

fn images(channels: usize) -> Tensor<4> {
    let mut stream = Stream::new(4, Purpose::Evaluation, [0; 3]);
    let shape = [3, 16, 12, channels];
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| stream.normal() as f32).collect();
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

/// Parameters of each encoder with the ImageNet stem for three channels: torchvision's numbers without classifiers.
const PARAMETERS: &[(&str, usize)] = &[
    ("resnet18", 11_689_512 - 513_000),
    ("resnet34", 21_797_672 - 513_000),
    ("resnet50", 25_557_032 - 2_049_000),
    ("resnet101", 44_549_160 - 2_049_000),
    ("resnet152", 60_192_808 - 2_049_000),
    ("vgg11", 132_863_336 - VGG_CLASSIFIER),
    ("vgg11_bn", 132_868_840 - VGG_CLASSIFIER),
    ("vgg13", 133_047_848 - VGG_CLASSIFIER),
    ("vgg13_bn", 133_053_736 - VGG_CLASSIFIER),
    ("vgg16", 138_357_544 - VGG_CLASSIFIER),
    ("vgg16_bn", 138_365_992 - VGG_CLASSIFIER),
    ("convnext_tiny", 28_589_128 - 769_000),
];

/// Three linear layers from 25,088 over 4096 and 4096 to 1000.
const VGG_CLASSIFIER: usize = 25_088 * 4096 + 4096 + 4096 * 4096 + 4096 + 4096 * 1000 + 1000;

#[test]
fn every_encoder_has_torchvisions_number_of_parameters() {
    let count = |id: &str| {
        let mut weights = Weights::zeroed(&Device::flex());
        find(id).unwrap().build(&mut weights.root(), Stem::Imagenet, 3);
        weights.parameter_count()
    };
    let found: Vec<(&str, usize)> = ENCODERS.iter().map(|spec| (spec.id, count(spec.id))).collect();
    assert_eq!(found, PARAMETERS);
}

#[test]
fn a_linear_layer_at_the_end_is_a_part_of_the_encoder() {
    let with = |fc: usize| EncoderSettings::ResNet18(ResNetSettings { fc, ..ResNetSettings::default() });
    let mut weights = Weights::new(7, &Device::flex());
    let encoder = with(40).build_in(&mut weights.root(), 3);
    assert_eq!((with(40).features(), encoder.features(), with(0).features()), (40, 40, 512));
    let names: Vec<&str> = weights.entries().iter().map(|entry| entry.name()).collect();
    assert_eq!(names[names.len() - 2..], ["fc.weight", "fc.bias"]);
    // It learns and freezes with the last block, and is no block of its own.
    assert_eq!(with(40).blocks().last().unwrap(), &["layer4", "fc"]);
    assert_eq!(with(40).blocks().len(), with(0).blocks().len());
    assert_eq!(encoder.forward(&mut Pass::evaluate(&mut weights), images(3)).dims(), [3, 40]);
    // As wide as torchvision's classifier, it has torchvision's parameters.
    let mut whole = Weights::zeroed(&Device::flex());
    with(1000).with_stem(Stem::Imagenet).build_in(&mut whole.root(), 3);
    assert_eq!(whole.parameter_count(), 11_689_512);
}

#[test]
fn every_weight_belongs_to_one_block_and_blocks_follow_the_images() {
    for spec in ENCODERS {
        let mut weights = Weights::zeroed(&Device::flex());
        let encoder = spec.build(&mut weights.root(), Stem::Imagenet, 3);
        let blocks = encoder.blocks();
        let mut places = Vec::new();
        for entry in weights.entries() {
            let holds = |block: &Vec<String>| block.iter().any(|module| is_within(entry.name(), module));
            let found: Vec<usize> = (0..blocks.len()).filter(|&at| holds(&blocks[at])).collect();
            assert_eq!(found.len(), 1, "{} {} is in blocks {found:?}", spec.id, entry.name());
            places.push(found[0]);
        }
        assert!(places.is_sorted(), "{}: {places:?}", spec.id);
        places.dedup();
        assert_eq!(places.len(), blocks.len(), "{}: an empty block in {blocks:?}", spec.id);
    }
    assert!(is_within("layer1.0.conv1.weight", "layer1") && is_within("conv1", "conv1"));
    assert!(!is_within("layer10.weight", "layer1") && !is_within("layer1.weight", "layer1.0"));
}

/// One of each kind: the deeper ones differ in the number of blocks only.
const KINDS: [(&str, Stem); 6] = [
    ("resnet18", Stem::Imagenet),
    ("resnet18", Stem::Cifar),
    ("resnet50", Stem::Cifar),
    ("vgg11", Stem::Cifar),
    ("vgg11_bn", Stem::Cifar),
    ("convnext_tiny", Stem::Cifar),
];

#[test]
fn every_trained_parameter_gets_a_gradient_and_no_buffer_does() {
    for (id, stem) in KINDS {
        let spec = find(id).unwrap();
        let mut weights = Weights::new(1, &Device::flex());
        let encoder = spec.build(&mut weights.root(), stem, 2);
        assert_eq!(encoder.features(), spec.features);
        let features = encoder.forward(&mut Pass::train(&mut weights), images(2));
        assert_eq!(features.dims(), [3, spec.features]);
        let grads = features.square().sum().backward();
        for entry in weights.entries() {
            let gradient = entry.value().grad(&grads);
            assert_eq!(gradient.is_some(), entry.role() == Role::Parameter, "{id} {}", entry.name());
            let finite = gradient.is_none_or(|gradient| read(gradient).iter().all(|g| g.is_finite()));
            assert!(finite, "{id} {}", entry.name());
        }
    }
}

#[test]
fn zero_init_residual_zeroes_the_last_norm_of_every_block_and_nothing_else() {
    for (id, last) in [("resnet18", "bn2.weight"), ("resnet50", "bn3.weight"), ("vgg11_bn", "none")] {
        let mut weights = Weights::new(1, &Device::flex());
        let encoder = find(id).unwrap().build(&mut weights.root(), Stem::Cifar, 3);
        let before = weights.export("");
        zero_init_residual(&encoder, &mut weights);
        for (name, tensor) in weights.export("") {
            let zeroed = name.starts_with("layer") && name.ends_with(last);
            if zeroed {
                assert!(tensor.values.iter().all(|v| *v == 0.0), "{id} {name}");
            } else {
                assert_eq!(tensor, before[&name], "{id} {name}");
            }
        }
    }
}

#[test]
fn stochastic_depth_is_a_function_of_seed_step_and_view_in_training_only() {
    let mut weights = Weights::new(1, &Device::flex());
    let encoder = find("convnext_tiny").unwrap().build(&mut weights.root(), Stem::Imagenet, 3);
    // Branches start at almost nothing; make them count.
    for entry in weights.entries_mut().iter_mut().filter(|entry| entry.name().ends_with("layer_scale")) {
        let ones = entry.value().ones_like();
        entry.set_value(ones);
    }
    let mut features =
        |pass: fn(&mut Weights) -> Pass<'_>| read(encoder.forward(&mut pass(&mut weights), images(3)));
    let quiet = features(|w| Pass::train(w));
    let noisy = features(|w| Pass::train(w).with_noise(7, 0));
    assert_ne!(quiet, noisy);
    assert_eq!(noisy, features(|w| Pass::train(w).with_noise(7, 0)));
    assert_ne!(noisy, features(|w| Pass::train(w).with_noise(8, 0)));
    assert_ne!(noisy, features(|w| Pass::train(w).with_noise(7, 1)));
    assert_eq!(quiet, features(|w| Pass::evaluate(w).with_noise(7, 0)));
}

#[test]
fn the_same_seed_gives_the_same_network_and_another_seed_another() {
    let weights = |seed| {
        let mut weights = Weights::new(seed, &Device::flex());
        ENCODERS[0].build(&mut weights.root(), Stem::Cifar, 3);
        weights.export("")
    };
    assert_eq!(weights(5), weights(5));
    assert_ne!(weights(5), weights(6));
}

#[test]
fn training_changes_running_statistics_and_evaluation_does_not() {
    let mut weights = Weights::new(1, &Device::flex());
    let encoder = ENCODERS[0].build(&mut weights.root(), Stem::Cifar, 3);
    let before = weights.export("");
    encoder.forward(&mut Pass::evaluate(&mut weights), images(3));
    assert_eq!(weights.export(""), before);
    encoder.forward(&mut Pass::train(&mut weights), images(3));
    let after = weights.export("");
    let changed: Vec<&String> = before.keys().filter(|name| before[*name] != after[*name]).collect();
    assert!(!changed.is_empty() && changed.iter().all(|name| name.contains("running_")), "{changed:?}");
}

#[test]
fn a_second_set_of_weights_is_independent() {
    let mut online = Weights::new(1, &Device::flex());
    let encoder = ENCODERS[0].build(&mut online.root(), Stem::Cifar, 3);
    let target = online.clone();
    let before = target.export("");
    encoder.forward(&mut Pass::train(&mut online), images(3));
    assert_eq!(target.export(""), before);
}

#[test]
fn names_are_torchvisions() {
    let known = [
        ("resnet18", "bn1.running_var", 64),
        ("resnet18", "layer2.0.downsample.0.weight", 128 * 64),
        ("resnet152", "layer3.35.conv3.weight", 1024 * 256),
        ("vgg16", "features.28.weight", 512 * 512 * 9),
        ("vgg16_bn", "features.41.running_mean", 512),
        ("vgg13", "features.22.bias", 512),
        ("convnext_tiny", "features.6.1.weight", 768 * 384 * 4),
        ("convnext_tiny", "features.5.8.layer_scale", 384),
        ("convnext_tiny", "features.1.0.block.5.weight", 96 * 384),
        ("convnext_tiny", "classifier.0.bias", 768),
    ];
    for (id, name, length) in known {
        let entries = find(id).unwrap().entries(Stem::Imagenet, 3);
        let shape = entries.iter().find(|(known, _)| known == name).map(|(_, shape)| shape);
        assert_eq!(shape.map(|shape| shape.iter().product()), Some(length), "{id} {name}");
    }
}
