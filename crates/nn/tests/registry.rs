//! What must hold for every encoder of the registry.

use burn::tensor::{Device, Tensor, TensorData};
use twinlens_nn::encoders::{ENCODERS, Stem};
use twinlens_nn::ops::read;
use twinlens_nn::weights::{Pass, Role, Weights};
use twinlens_random::{Purpose, Stream};

fn images(channels: usize) -> Tensor<4> {
    let mut stream = Stream::new(4, Purpose::Evaluation, [0; 3]);
    let shape = [3, 16, 12, channels];
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| stream.normal() as f32).collect();
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

#[test]
fn every_trained_parameter_gets_a_gradient_and_no_buffer_does() {
    for spec in ENCODERS {
        for (_, stem) in Stem::ALL {
            let mut weights = Weights::new(1, &Device::flex());
            let encoder = spec.build(&mut weights.root(), stem, 2);
            assert_eq!(encoder.features(), spec.features);
            let features = encoder.forward(&mut Pass::train(&mut weights), images(2));
            assert_eq!(features.dims(), [3, spec.features]);
            let grads = features.square().sum().backward();
            for entry in weights.entries() {
                let gradient = entry.value().grad(&grads);
                assert_eq!(
                    gradient.is_some(),
                    entry.role() == Role::Parameter,
                    "{} {}",
                    spec.id,
                    entry.name()
                );
                let finite = gradient.is_none_or(|gradient| read(gradient).iter().all(|g| g.is_finite()));
                assert!(finite, "{} {}", spec.id, entry.name());
            }
        }
    }
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
fn resnet18_has_torchvisions_names_and_number_of_parameters() {
    let mut weights = Weights::new(1, &Device::flex());
    ENCODERS[0].build(&mut weights.root(), Stem::Imagenet, 3);
    // torchvision's 11,689,512 without the classifier's 513,000.
    assert_eq!(weights.parameter_count(), 11_176_512);
    let names = weights.export("");
    for name in ["conv1.weight", "bn1.running_var", "layer2.0.downsample.0.weight", "layer4.1.bn2.bias"] {
        assert!(names.contains_key(name), "{name}");
    }
}
