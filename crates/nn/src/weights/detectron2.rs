//! Bottleneck ResNets for detectron2, the program in which the papers measure transfer to detection ("R50-C4").

use std::collections::BTreeMap;

use super::NamedTensor;

/// detectron2's name of a ResNet's entry: `stem.conv1.norm.weight` for `bn1.weight`, `res3.0.shortcut.weight` for
/// `layer2.0.downsample.0.weight`.
fn name(torchvision: &str) -> String {
    let staged = (1..=4).fold(torchvision.to_owned(), |name, stage| {
        name.replace(&format!("layer{stage}."), &format!("res{}.", stage + 1))
    });
    let normed = (1..=3)
        .fold(staged, |name, place| name.replace(&format!("bn{place}."), &format!("conv{place}.norm.")));
    let name = normed.replace("downsample.0.", "shortcut.").replace("downsample.1.", "shortcut.norm.");
    if name.starts_with("res") { name } else { format!("stem.{name}") }
}

/// The bytes of a file that detectron2 takes as `MODEL.WEIGHTS` (`.pkl`): its names for the weights of a ResNet with
/// torchvision's, as NumPy arrays in a dictionary `{"model": .., "__author__": .., "matching_heuristics": True}`.
///
/// The stride is at the 3x3 convolutions (`MODEL.RESNETS.STRIDE_IN_1X1 False`) and the channels are in the order of
/// the training images (`INPUT.FORMAT "RGB"`), unlike detectron2's own files.
pub fn write_detectron2(tensors: &BTreeMap<String, NamedTensor>) -> Vec<u8> {
    let mut pickle = Pickle::new();
    pickle.dictionary(|pickle| {
        pickle.text("model");
        pickle.dictionary(|pickle| {
            for (torchvision, tensor) in tensors {
                pickle.text(&name(torchvision));
                pickle.array(tensor);
                pickle.set_item();
            }
        });
        pickle.set_item();
        pickle.text("__author__");
        pickle.text("twinlens");
        pickle.set_item();
        pickle.text("matching_heuristics");
        pickle.flag(true);
        pickle.set_item();
    });
    pickle.finish()
}

/// A writer of Python's pickle format, protocol 3: the little that a dictionary of arrays needs.
struct Pickle {
    bytes: Vec<u8>,
}

impl Pickle {
    fn new() -> Pickle {
        Pickle { bytes: b"\x80\x03".to_vec() }
    }

    fn finish(mut self) -> Vec<u8> {
        self.bytes.push(b'.');
        self.bytes
    }

    fn dictionary(&mut self, fill: impl FnOnce(&mut Pickle)) {
        self.bytes.push(b'}');
        fill(self);
    }

    /// Puts the last value under the last key but one into the dictionary before them.
    fn set_item(&mut self) {
        self.bytes.push(b's');
    }

    fn sized(&mut self, opcode: u8, data: impl ExactSizeIterator<Item = u8>) {
        self.bytes.push(opcode);
        self.bytes.extend((data.len() as u32).to_le_bytes());
        self.bytes.extend(data);
    }

    fn text(&mut self, text: &str) {
        self.sized(b'X', text.bytes());
    }

    fn integer(&mut self, value: i32) {
        self.bytes.push(b'J');
        self.bytes.extend(value.to_le_bytes());
    }

    fn flag(&mut self, value: bool) {
        self.bytes.push(if value { 0x88 } else { 0x89 });
    }

    fn global(&mut self, module: &str, name: &str) {
        self.bytes.extend(format!("c{module}\n{name}\n").bytes());
    }

    fn tuple(&mut self, fill: impl FnOnce(&mut Pickle)) {
        self.bytes.push(b'(');
        fill(self);
        self.bytes.push(b't');
    }

    /// Calls the callable before the last tuple with it.
    fn call(&mut self) {
        self.bytes.push(b'R');
    }

    /// Gives the last tuple to the object before it as its state.
    fn build(&mut self) {
        self.bytes.push(b'b');
    }

    /// A NumPy array of little-endian f32, as NumPy pickles it: an empty array, then its state.
    fn array(&mut self, tensor: &NamedTensor) {
        self.global("numpy.core.multiarray", "_reconstruct");
        self.tuple(|pickle| {
            pickle.global("numpy", "ndarray");
            pickle.tuple(|pickle| pickle.integer(0));
            pickle.sized(b'B', b"b".iter().copied());
        });
        self.call();
        self.tuple(|pickle| {
            pickle.integer(1);
            pickle.tuple(|pickle| tensor.shape.iter().for_each(|&size| pickle.integer(size as i32)));
            pickle.float_type();
            pickle.flag(false);
            let bytes: Vec<u8> = tensor.values.iter().flat_map(|value| value.to_le_bytes()).collect();
            pickle.sized(b'B', bytes.into_iter());
        });
        self.build();
    }

    fn float_type(&mut self) {
        self.global("numpy", "dtype");
        self.tuple(|pickle| {
            pickle.text("f4");
            pickle.flag(false);
            pickle.flag(true);
        });
        self.call();
        self.tuple(|pickle| {
            pickle.integer(3);
            pickle.text("<");
            pickle.bytes.extend(b"NNN");
            [-1, -1, 0].into_iter().for_each(|value| pickle.integer(value));
        });
        self.build();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoders::{Stem, find};

    #[test]
    fn names_are_detectron2s() {
        for (torchvision, detectron2) in [
            ("conv1.weight", "stem.conv1.weight"),
            ("bn1.running_var", "stem.conv1.norm.running_var"),
            ("layer1.0.conv2.weight", "res2.0.conv2.weight"),
            ("layer4.2.bn3.bias", "res5.2.conv3.norm.bias"),
            ("layer2.0.downsample.0.weight", "res3.0.shortcut.weight"),
            ("layer2.0.downsample.1.running_mean", "res3.0.shortcut.norm.running_mean"),
        ] {
            assert_eq!(name(torchvision), detectron2);
        }
        let entries = find("resnet50").unwrap().entries(Stem::Imagenet, 3);
        let names: std::collections::BTreeSet<String> =
            entries.iter().map(|(entry, _)| name(entry)).collect();
        assert_eq!(names.len(), entries.len());
    }

    /// The file that these bytes are was read with NumPy 2: `[[1, -2]]`, f32, under `stem.conv1.weight`.
    #[test]
    fn the_file_is_the_pickle_that_numpy_reads() {
        let tensor = NamedTensor { shape: vec![1, 2], values: vec![1.0, -2.0] };
        let bytes = write_detectron2(&[("conv1.weight".to_owned(), tensor)].into());
        let expected: &[&[u8]] = &[
            b"\x80\x03}X\x05\0\0\0model}X\x11\0\0\0stem.conv1.weight",
            b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(J\0\0\0\0tB\x01\0\0\0btR",
            b"(J\x01\0\0\0(J\x01\0\0\0J\x02\0\0\0t",
            b"cnumpy\ndtype\n(X\x02\0\0\0f4\x89\x88tR(J\x03\0\0\0X\x01\0\0\0<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffJ\0\0\0\0tb",
            b"\x89B\x08\0\0\0\0\0\x80?\0\0\0\xc0tbs",
            b"sX\x0a\0\0\0__author__X\x08\0\0\0twinlenssX\x13\0\0\0matching_heuristics\x88s.",
        ];
        assert_eq!(bytes, expected.concat());
    }
}
