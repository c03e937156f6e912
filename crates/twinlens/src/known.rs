//! Public data sets by name: what they are, where they are, and where they lie once fetched.
//!
//! Numbers and checksums are those that the publishers, or the packages that load these sets, have in print:
//! MedMNIST's are from its package `medmnist` 3.0.2 (`info.py`, sizes 28 to 224), CIFAR's and MNIST's SHA-256 and
//! lengths from the checksums of TensorFlow Datasets. None was made up or computed here.

use std::path::{Path, PathBuf};

use crate::download::{Checksum, Remote};

/// A variable that names a folder on another server, to take files from instead of their publisher's.
pub const MIRROR: &str = "TWINLENS_DATA_MIRROR";

/// A public data set.
#[derive(Debug)]
pub struct Known {
    /// Its name on the command line.
    pub name: &'static str,
    /// What is on the images.
    pub summary: &'static str,
    /// Training, validation and test images; no validation where the set defines none.
    pub images: [u32; 3],
    /// Number of classes.
    pub classes: usize,
    /// 1 for grey, 3 for RGB.
    pub channels: usize,
    /// Under which licence it is published.
    pub licence: &'static str,
    /// The names of the classes by label; empty where the files hold them or they are numbers.
    pub class_names: &'static [&'static str],
    source: Source,
}

/// Where a set comes from.
#[derive(Debug)]
enum Source {
    /// One .npz for each of [`MEDMNIST_SIDES`]; these are their MD5.
    MedMnist([&'static str; 4]),
    /// Files of one size below an address, that together make the set: name, bytes, SHA-256.
    Files { side: usize, base: &'static str, files: &'static [(&'static str, u64, &'static str)] },
}

/// The sizes in which MedMNIST is published; the first has no suffix in its name.
const MEDMNIST_SIDES: [usize; 4] = [28, 64, 128, 224];

const ZENODO: &str = "https://zenodo.org/records/10519652/files/";
const TORONTO: &str = "https://www.cs.toronto.edu/~kriz/";
const CC_BY: &str = "CC BY 4.0";

/// The classes of BloodMNIST, also those of the images inside this program.
pub const BLOOD_CELLS: &[&str] = &[
    "basophil",
    "eosinophil",
    "erythroblast",
    "immature granulocyte",
    "lymphocyte",
    "monocyte",
    "neutrophil",
    "platelet",
];

const ORGANS: &[&str] = &[
    "bladder",
    "femur-left",
    "femur-right",
    "heart",
    "kidney-left",
    "kidney-right",
    "liver",
    "lung-left",
    "lung-right",
    "pancreas",
    "spleen",
];

/// All sets, by name.
pub const KNOWN: &[Known] = &[
    Known {
        name: "bloodmnist",
        summary: "blood cells under the microscope",
        images: [11_959, 1_712, 3_421],
        classes: 8,
        channels: 3,
        licence: CC_BY,
        class_names: BLOOD_CELLS,
        source: Source::MedMnist([
            "7053d0359d879ad8a5505303e11de1dc",
            "2b94928a2ae4916078ca51e05b6b800b",
            "adace1e0ed228fccda1f39692059dd4c",
            "b718ff6835fcbdb22ba9eacccd7b2601",
        ]),
    },
    Known {
        name: "breastmnist",
        summary: "ultrasound of the breast",
        images: [546, 78, 156],
        classes: 2,
        channels: 1,
        licence: CC_BY,
        class_names: &["malignant", "normal, benign"],
        source: Source::MedMnist([
            "750601b1f35ba3300ea97c75c52ff8f6",
            "742edef2a1fd1524b2efff4bd7ba9364",
            "363e4b3f8d712e9b5de15470a2aaadf1",
            "b56378a6eefa9fed602bb16d192d4c8b",
        ]),
    },
    Known {
        name: "chestmnist",
        summary: "chest X-rays, several findings each",
        images: [78_468, 11_219, 22_433],
        classes: 14,
        channels: 1,
        licence: CC_BY,
        class_names: &[
            "atelectasis",
            "cardiomegaly",
            "effusion",
            "infiltration",
            "mass",
            "nodule",
            "pneumonia",
            "pneumothorax",
            "consolidation",
            "edema",
            "emphysema",
            "fibrosis",
            "pleural",
            "hernia",
        ],
        source: Source::MedMnist([
            "02c8a6516a18b556561a56cbdd36c4a8",
            "9de6cd0b934ebb5b7426cfba5efbae16",
            "db107e5590b27930b62dbaf558aebee3",
            "45bd33e6f06c3e8cdb481c74a89152aa",
        ]),
    },
    Known {
        name: "cifar10",
        summary: "photographs of animals and vehicles",
        images: [50_000, 0, 10_000],
        classes: 10,
        channels: 3,
        licence: "none stated",
        class_names: &[],
        source: Source::Files {
            side: 32,
            base: TORONTO,
            files: &[(
                "cifar-10-binary.tar.gz",
                170_052_171,
                "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
            )],
        },
    },
    Known {
        name: "cifar100",
        summary: "photographs of animals, plants and things",
        images: [50_000, 0, 10_000],
        classes: 100,
        channels: 3,
        licence: "none stated",
        class_names: &[],
        source: Source::Files {
            side: 32,
            base: TORONTO,
            files: &[(
                "cifar-100-binary.tar.gz",
                168_513_733,
                "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
            )],
        },
    },
    Known {
        name: "dermamnist",
        summary: "skin lesions through a dermatoscope",
        images: [7_007, 1_003, 2_005],
        classes: 7,
        channels: 3,
        licence: "CC BY-NC 4.0",
        class_names: &[
            "actinic keratoses and intraepithelial carcinoma",
            "basal cell carcinoma",
            "benign keratosis-like lesions",
            "dermatofibroma",
            "melanoma",
            "melanocytic nevi",
            "vascular lesions",
        ],
        source: Source::MedMnist([
            "0744692d530f8e62ec473284d019b0c7",
            "b70a2f5635c6199aeaa28c31d7202e1f",
            "2defd784463fa5243564e855ed717de1",
            "8974907d8e169bef5f5b96bc506ae45d",
        ]),
    },
    Known {
        name: "mnist",
        summary: "handwritten digits",
        images: [60_000, 0, 10_000],
        classes: 10,
        channels: 1,
        licence: "CC BY-SA 3.0",
        class_names: &[],
        source: Source::Files {
            side: 28,
            base: "https://storage.googleapis.com/cvdf-datasets/mnist/",
            files: &[
                (
                    "train-images-idx3-ubyte.gz",
                    9_912_422,
                    "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
                ),
                (
                    "train-labels-idx1-ubyte.gz",
                    28_881,
                    "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
                ),
                (
                    "t10k-images-idx3-ubyte.gz",
                    1_648_877,
                    "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
                ),
                (
                    "t10k-labels-idx1-ubyte.gz",
                    4_542,
                    "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
                ),
            ],
        },
    },
    Known {
        name: "octmnist",
        summary: "optical coherence tomography of the retina",
        images: [97_477, 10_832, 1_000],
        classes: 4,
        channels: 1,
        licence: CC_BY,
        class_names: &["choroidal neovascularization", "diabetic macular edema", "drusen", "normal"],
        source: Source::MedMnist([
            "c68d92d5b585d8d81f7112f81e2d0842",
            "e229e9440236b774d9f0dfef9d07bdaf",
            "0a97e76651ace45c5d943ee3f65b63ae",
            "abc493b6d529d5de7569faaef2773ba3",
        ]),
    },
    Known {
        name: "organamnist",
        summary: "abdominal organs in CT, axial",
        images: [34_561, 6_491, 17_778],
        classes: 11,
        channels: 1,
        licence: CC_BY,
        class_names: ORGANS,
        source: Source::MedMnist([
            "68e3f8846a6bd62f0c9bf841c0d9eacc",
            "2dcccc29b88e6da5a01161ef20cda288",
            "eeae80d0a227a8d099027e1b3cfd3b60",
            "50747347e05c87dd3aaf92c49f9f3170",
        ]),
    },
    Known {
        name: "organcmnist",
        summary: "abdominal organs in CT, coronal",
        images: [12_975, 2_392, 8_216],
        classes: 11,
        channels: 1,
        licence: CC_BY,
        class_names: ORGANS,
        source: Source::MedMnist([
            "b9ceb9546e10131b32923c5bbeaea2b1",
            "3ce34a8724ea6f548e6db4744d03b6a9",
            "773c1f009daa3fe5d9a2a201b2a7ed94",
            "050f5e875dc056f6768abf94ec9995d1",
        ]),
    },
    Known {
        name: "organsmnist",
        summary: "abdominal organs in CT, sagittal",
        images: [13_932, 2_452, 8_827],
        classes: 11,
        channels: 1,
        licence: CC_BY,
        class_names: ORGANS,
        source: Source::MedMnist([
            "9ab87b696fb54e2a387ebe992d6ed5f1",
            "53a6d115339d874c25e309a994ff46d3",
            "ded0c5fa01a95dc4978b956f613e9b8e",
            "b354719e553fbbb2513d5533f52a4cb1",
        ]),
    },
    Known {
        name: "pathmnist",
        summary: "tissue of the colon, stained with haematoxylin and eosin",
        images: [89_996, 10_004, 7_180],
        classes: 9,
        channels: 3,
        licence: CC_BY,
        class_names: &[
            "adipose",
            "background",
            "debris",
            "lymphocytes",
            "mucus",
            "smooth muscle",
            "normal colon mucosa",
            "cancer-associated stroma",
            "colorectal adenocarcinoma epithelium",
        ],
        source: Source::MedMnist([
            "a8b06965200029087d5bd730944a56c1",
            "55aa9c1e0525abe5a6b9d8343a507616",
            "ac42d08fb904d92c244187169d1fd1d9",
            "2c51a510bcdc9cf8ddb2af93af1eadec",
        ]),
    },
    Known {
        name: "pneumoniamnist",
        summary: "chest X-rays of children",
        images: [4_708, 524, 624],
        classes: 2,
        channels: 1,
        licence: CC_BY,
        class_names: &["normal", "pneumonia"],
        source: Source::MedMnist([
            "28209eda62fecd6e6a2d98b1501bb15f",
            "8f4eceb4ccffa70c672198ea285246c6",
            "05b46931834c231683c68f40c47b2971",
            "d6a3c71de1b945ea11211b03746c1fe1",
        ]),
    },
    Known {
        name: "retinamnist",
        summary: "the back of the eye, graded for diabetic retinopathy",
        images: [1_080, 120, 400],
        classes: 5,
        channels: 3,
        licence: CC_BY,
        class_names: &[],
        source: Source::MedMnist([
            "bd4c0672f1bba3e3a89f0e4e876791e4",
            "afda852cc34dcda56f86ad2b2457dbcc",
            "e48e916a24454daf90583d4e6efb1a18",
            "eae7e3b6f3fcbda4ae613ebdcbe35348",
        ]),
    },
    Known {
        name: "tissuemnist",
        summary: "cells of the kidney's cortex",
        images: [165_466, 23_640, 47_280],
        classes: 8,
        channels: 1,
        licence: CC_BY,
        class_names: &[
            "Collecting Duct, Connecting Tubule",
            "Distal Convoluted Tubule",
            "Glomerular endothelial cells",
            "Interstitial endothelial cells",
            "Leukocytes",
            "Podocytes",
            "Proximal Tubule Segments",
            "Thick Ascending Limb",
        ],
        source: Source::MedMnist([
            "ebe78ee8b05294063de985d821c1c34b",
            "123ece2eba09d0aa5d698fda57103344",
            "61b955355d7425a89687b06cca3ce0c2",
            "b077128c4a949f0a4eb01517f9037b9c",
        ]),
    },
];

/// A data set in one of its sizes.
#[derive(Clone, Copy, Debug)]
pub struct Edition {
    /// The set.
    pub known: &'static Known,
    /// The side of its images in pixels.
    pub side: usize,
}

impl Known {
    /// The set in each of its sizes, smallest first.
    pub fn editions(&'static self) -> Vec<Edition> {
        let sides: &[usize] = match &self.source {
            Source::MedMnist(_) => &MEDMNIST_SIDES,
            Source::Files { side, .. } => std::slice::from_ref(side),
        };
        sides.iter().map(|&side| Edition { known: self, side }).collect()
    }
}

/// The edition that `--data` calls `name`: `bloodmnist`, `bloodmnist_64`.
pub fn find(name: &str) -> Option<Edition> {
    KNOWN.iter().flat_map(Known::editions).find(|edition| edition.name() == name)
}

impl Edition {
    /// Its name for `--data`: the set's, with the size unless that is the smallest.
    pub fn name(&self) -> String {
        match self.known.source {
            Source::MedMnist(_) if self.side != MEDMNIST_SIDES[0] => {
                format!("{}_{}", self.known.name, self.side)
            }
            _ => self.known.name.to_owned(),
        }
    }

    /// Its files: name on disk and place on the network; `mirror` is an address to take them from instead.
    pub fn files(&self, mirror: Option<&str>) -> Vec<(String, Remote)> {
        let address = |base: &str, name: &str, query: &str| match mirror {
            Some(mirror) => format!("{}/{name}", mirror.trim_end_matches('/')),
            None => format!("{base}{name}{query}"),
        };
        match &self.known.source {
            Source::MedMnist(md5) => {
                let name = format!("{}.npz", self.name());
                let checksums = MEDMNIST_SIDES.iter().zip(md5).filter(|(side, _)| **side == self.side);
                let remote = |(_, digits): (&usize, &&'static str)| Remote {
                    url: address(ZENODO, &name, "?download=1"),
                    bytes: None,
                    checksum: Checksum::Md5(digits),
                };
                checksums.map(|found| (name.clone(), remote(found))).collect()
            }
            Source::Files { base, files, .. } => {
                let file = |(name, bytes, digits): &(&str, u64, &'static str)| {
                    let url = address(base, name, "");
                    (
                        (*name).to_owned(),
                        Remote { url, bytes: Some(*bytes), checksum: Checksum::Sha256(digits) },
                    )
                };
                files.iter().map(file).collect()
            }
        }
    }

    /// Where each file lies in the user's data folder.
    pub fn places(&self, data_folder: &Path) -> Vec<PathBuf> {
        let folder = self.folder(data_folder);
        self.files(None).into_iter().map(|(name, _)| folder.join(name)).collect()
    }

    /// What to open: the file, or the folder of several.
    pub fn path(&self, data_folder: &Path) -> PathBuf {
        match &self.places(data_folder)[..] {
            [only] => only.clone(),
            _ => self.folder(data_folder),
        }
    }

    /// Whether every file is there. A file gets its name only after its checksum was right.
    pub fn is_here(&self, data_folder: &Path) -> bool {
        self.places(data_folder).iter().all(|place| place.is_file())
    }

    /// One folder for a set, so that several files of one set are together and alone.
    fn folder(&self, data_folder: &Path) -> PathBuf {
        data_folder.join("downloads").join(self.known.name)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_sorted_and_tell_the_size() {
        assert!(KNOWN.is_sorted_by_key(|known| known.name));
        assert_eq!(KNOWN.len(), 15);
        let names: Vec<String> = KNOWN.iter().flat_map(Known::editions).map(|one| one.name()).collect();
        assert_eq!(names.len(), 12 * 4 + 3);
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        let found = find("bloodmnist_64").unwrap();
        assert_eq!((found.known.name, found.side), ("bloodmnist", 64));
        assert_eq!(find("cifar10").unwrap().side, 32);
        for wrong in ["bloodmnist_28", "bloodmnist_65", "mnist_28", "BLOODMNIST", ""] {
            assert!(find(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn every_checksum_is_one_and_none_is_there_twice() {
        let mut seen = BTreeSet::new();
        for (name, remote) in KNOWN.iter().flat_map(Known::editions).flat_map(|one| one.files(None)) {
            let (digits, length) = match remote.checksum {
                Checksum::Md5(digits) => (digits, 32),
                Checksum::Sha256(digits) => (digits, 64),
            };
            let hexadecimal = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
            assert!(digits.len() == length && digits.chars().all(hexadecimal), "{name}");
            assert!(seen.insert(digits), "{name}: copied from another file");
        }
    }

    #[test]
    fn class_names_are_as_many_as_classes() {
        for known in KNOWN.iter().filter(|known| !known.class_names.is_empty()) {
            assert_eq!(known.class_names.len(), known.classes, "{}", known.name);
        }
    }

    #[test]
    fn addresses_are_the_publishers_or_a_mirrors() {
        let url = |name: &str, mirror| find(name).unwrap().files(mirror)[0].1.url.clone();
        assert_eq!(
            url("bloodmnist_64", None),
            "https://zenodo.org/records/10519652/files/bloodmnist_64.npz?download=1"
        );
        assert_eq!(url("cifar10", None), "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz");
        assert_eq!(url("bloodmnist", Some("http://here/data/")), "http://here/data/bloodmnist.npz");
    }

    #[test]
    fn one_file_is_opened_itself_and_several_as_their_folder() {
        let path = |name: &str| find(name).unwrap().path(Path::new("cache"));
        assert_eq!(path("bloodmnist_224"), Path::new("cache/downloads/bloodmnist/bloodmnist_224.npz"));
        assert_eq!(path("mnist"), Path::new("cache/downloads/mnist"));
    }
}
