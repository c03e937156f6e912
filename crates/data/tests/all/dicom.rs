//! DICOM files in folders: series, what is known of their slices, windows, and that nothing tells of people.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use twinlens_data::{
    DataSet, DataSettings, ImageSource, OnBadSample, OpenOptions, Pages, PixelType, Split, SplitPolicy,
    Window, WindowRule,
};

use crate::make::put;

/// A file written by hand: explicit kinds of values, little-endian.
#[derive(Clone, Default)]
struct Dicom {
    elements: Vec<((u16, u16), &'static str, Vec<u8>)>,
}

impl Dicom {
    /// An image of 2 rows of 3 signed numbers of 16 bits.
    fn of(values: [i16; 6]) -> Dicom {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let mut dicom = Dicom::default();
        for (number, value) in
            [(0x2, 1), (0x10, 2), (0x11, 3), (0x100, 16), (0x101, 16), (0x102, 15), (0x103, 1)]
        {
            dicom = dicom.short((0x28, number), value);
        }
        dicom.text((0x28, 0x4), "CS", "MONOCHROME2").bytes((0x7FE0, 0x10), "OW", bytes)
    }

    fn bytes(mut self, tag: (u16, u16), vr: &'static str, bytes: Vec<u8>) -> Dicom {
        self.elements.retain(|(other, ..)| *other != tag);
        self.elements.push((tag, vr, bytes));
        self
    }

    fn short(self, tag: (u16, u16), value: u16) -> Dicom {
        self.bytes(tag, "US", value.to_le_bytes().to_vec())
    }

    fn text(self, tag: (u16, u16), vr: &'static str, text: &str) -> Dicom {
        self.bytes(tag, vr, text.as_bytes().to_vec())
    }

    fn series(self, uid: &str) -> Dicom {
        self.text((0x20, 0xE), "UI", uid)
    }

    /// A slice with these directions at this place.
    fn at(self, orientation: &str, position: &str) -> Dicom {
        self.text((0x20, 0x37), "DS", orientation).text((0x20, 0x32), "DS", position)
    }

    fn write(mut self) -> Vec<u8> {
        let mut bytes = vec![0; 128];
        bytes.extend(b"DICM");
        self.elements.push(((2, 0x10), "UI", b"1.2.840.10008.1.2.1".to_vec()));
        self.elements.sort();
        for ((group, number), vr, mut value) in self.elements {
            if value.len() % 2 == 1 {
                value.push(if vr == "UI" { 0 } else { b' ' });
            }
            bytes.extend(group.to_le_bytes());
            bytes.extend(number.to_le_bytes());
            bytes.extend(vr.as_bytes());
            match vr {
                "OW" | "OB" | "SQ" | "UN" => {
                    bytes.extend([0, 0]);
                    bytes.extend((value.len() as u32).to_le_bytes());
                }
                _ => bytes.extend((value.len() as u16).to_le_bytes()),
            }
            bytes.extend(value);
        }
        bytes
    }
}

const AXIAL: &str = "1\\0\\0\\0\\1\\0";

fn settings(window: Window) -> DataSettings {
    DataSettings { splits: SplitPolicy::Defined, window, ..DataSettings::default() }
}

fn open(folder: &Path, settings: DataSettings) -> DataSet {
    twinlens_data::open(folder, &settings.into()).unwrap()
}

fn train(set: &DataSet) -> &dyn ImageSource {
    set.splits.train.as_deref().unwrap()
}

fn names(set: &DataSet) -> Vec<String> {
    (0..train(set).len()).map(|index| train(set).name(index)).collect()
}

fn column(set: &DataSet, name: &str) -> Vec<String> {
    let place = train(set).columns().iter().position(|column| column == name).unwrap();
    (0..train(set).len()).map(|index| train(set).metadata(index)[place].clone()).collect()
}

fn folder(files: &[(&str, Vec<u8>)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    files.iter().for_each(|(path, bytes)| put(folder.path(), path, bytes));
    folder
}

#[test]
fn slices_of_a_series_come_in_their_order_in_the_patient() {
    let slice = |z: f64| Dicom::of([z as i16; 6]).at(AXIAL, &format!("5\\-3\\{z}"));
    let folder = folder(&[
        ("a", slice(30.0).series("1.2").write()),
        ("b", slice(10.0).series("1.2").write()),
        ("c", slice(7.0).series("1.9").write()),
        ("d", slice(20.5).series("1.2").write()),
        ("e", slice(-1.0).series("1.9").write()),
    ]);
    let set = open(folder.path(), settings(Window::default()));
    assert_eq!(names(&set), ["b", "d", "a", "e", "c"]);
    assert_eq!(column(&set, "position_mm"), ["10", "20.5", "30", "-1", "7"]);
    assert_eq!(column(&set, "slice"), ["1", "2", "3", "1", "2"]);
    let series = column(&set, "series");
    assert_eq!([&series[0], &series[3]], [&series[2], &series[4]]);
    assert_ne!(series[0], series[3]);
}

#[test]
fn the_normal_of_the_slice_counts_and_else_the_number() {
    // Rows run along y, columns along -z: the normal is -x.
    let sagittal = |x: f64| Dicom::of([0; 6]).at("0\\1\\0\\0\\0\\-1", &format!("{x}\\0\\0")).series("1");
    let set = folder(&[("a", sagittal(1.0).write()), ("b", sagittal(2.0).write())]);
    let set = open(set.path(), settings(Window::default()));
    assert_eq!(names(&set), ["b", "a"]);
    assert_eq!(column(&set, "position_mm"), ["-2", "-1"]);
    let numbered = |number: &str| Dicom::of([0; 6]).series("1").text((0x20, 0x13), "IS", number);
    let unplaced =
        [("a", numbered("10").write()), ("b", numbered("9").write()), ("c", numbered("-1").write())];
    let set = folder(&unplaced);
    let set = open(set.path(), settings(Window::default()));
    assert_eq!(names(&set), ["c", "b", "a"]);
    assert_eq!(column(&set, "position_mm"), ["", "", ""]);
    // Slices in several directions have no common normal.
    let oblique = sagittal(0.0).text((0x20, 0x13), "IS", "2");
    let axial = Dicom::of([0; 6]).at(AXIAL, "0\\0\\9").series("1").text((0x20, 0x13), "IS", "1");
    let set = folder(&[("a", oblique.write()), ("b", axial.write())]);
    assert_eq!(names(&open(set.path(), settings(Window::default()))), ["b", "a"]);
}

#[test]
fn windows_by_file_by_preset_and_as_range_have_one_form() {
    let own = Dicom::of([-1000, 0, 50, 100, 150, 3000]).text((0x8, 0x60), "CS", "CT");
    let own = own.text((0x28, 0x1050), "DS", "50\\900").text((0x28, 0x1051), "DS", "101\\9");
    let sloped = Dicom::of([-10, 0, 10, 20, 30, 40]).text((0x8, 0x60), "CS", "CT");
    let sloped = sloped.text((0x28, 0x1052), "DS", "-1").text((0x28, 0x1053), "DS", "0.5");
    let folder = folder(&[("a", own.write()), ("b", sloped.write())]);
    let values = |window: Window| {
        let set = open(folder.path(), settings(window));
        let images: Vec<Vec<f64>> =
            (0..2).map(|index| train(&set).image(index).unwrap().pixels.to_f64()).collect();
        let stored = train(&set).stored(1).unwrap();
        (images, stored, set)
    };
    let (images, stored, set) = values(Window::default());
    assert_eq!(
        images,
        [vec![0.0, 0.005, 0.505, 1.0, 1.0, 1.0], vec![0.0, 0.2, 0.4, 0.6, 0.8, 1.0]]
            .map(|row| { row.into_iter().map(|value: f64| f64::from(value as f32)).collect::<Vec<f64>>() })
    );
    assert_eq!(stored.pixel_type(), PixelType::F32);
    assert_eq!(column(&set, "window"), ["50/101", ""]);
    let told = |set: &DataSet, id: &str| set.notices.iter().any(|notice| notice.id == id);
    assert!(told(&set, "window") && told(&set, "no-window") && !told(&set, "no-hounsfield"));
    let (images, _, set) = values(Window::Bounds([0.0, 200.0]));
    assert_eq!(images[0], [0.0, 0.0, 0.25, 0.5, 0.75, 1.0]);
    assert_eq!(column(&set, "window"), ["0..200", "0..200"]);
    let (images, ..) = values(Window::Rule(WindowRule::Lung));
    assert_eq!(images[0][0], f64::from((350.0 / 1500.0) as f32));
    assert_eq!(images[0][1], f64::from(0.9f32));
    let (images, ..) = values(Window::Rule(WindowRule::SoftTissue));
    assert_eq!(images[0][..3], [0.0, f64::from(0.4f32), f64::from(0.525f32)]);
    // As they are: whole numbers and others, in one form.
    let set = open(folder.path(), settings(Window::Rule(WindowRule::None)));
    assert_eq!(train(&set).stored(0).unwrap().pixels.to_f64(), [-1000.0, 0.0, 50.0, 100.0, 150.0, 3000.0]);
    assert_eq!(train(&set).stored(1).unwrap().pixels.to_f64(), [-6.0, -1.0, 4.0, 9.0, 14.0, 19.0]);
    // Other than CT.
    let folder = crate::dicom::folder(&[("a", Dicom::of([1; 6]).write())]);
    assert!(told(&open(folder.path(), settings(Window::Rule(WindowRule::Bone))), "no-hounsfield"));
}

#[test]
fn frames_are_pages_with_what_is_known_of_each() {
    let given = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files/dicom/enhanced.dcm");
    let set = open(&given, DataSettings { pages: Pages::Each, ..settings(Window::default()) });
    assert_eq!(names(&set), (0..4).map(|page| format!("enhanced.dcm[{page}]")).collect::<Vec<_>>());
    assert_eq!(column(&set, "position_mm"), ["10", "7.5", "5", "2.5"]);
    assert_eq!(column(&set, "slice"), ["1", "2", "3", "4"]);
    assert_eq!(column(&set, "window"), ["100/200", "200/201", "300/202", "400/203"]);
    let set = open(&given, DataSettings { pages: Pages::Middle, ..settings(Window::default()) });
    assert_eq!(column(&set, "position_mm"), ["5"]);
    let set = open(&given, DataSettings { pages: Pages::Max, ..settings(Window::default()) });
    assert_eq!(column(&set, "position_mm"), [""]);
    let set = open(&given, settings(Window::default()));
    assert!(
        set.notices
            .iter()
            .any(|notice| notice.id == "pages" && notice.hint.as_deref().unwrap().contains("each"))
    );
}

#[test]
fn a_table_and_dicom_both_tell_of_images() {
    let image = |value: i16| Dicom::of([value; 6]).series("1").text((0x20, 0x13), "IS", &value.to_string());
    let table = b"file,label,patient,site\none.dcm,x,p1,north\ntwo.dcm,y,p2,south\n";
    let folder = folder(&[
        ("labels.csv", table.to_vec()),
        ("one.dcm", image(2).text((0x10, 0x20), "LO", "Q-77").write()),
        ("two.dcm", image(1).write()),
    ]);
    let set = open(folder.path(), settings(Window::default()));
    assert_eq!(set.classes, ["x", "y"]);
    assert_eq!(names(&set), ["two.dcm", "one.dcm"]);
    assert_eq!(column(&set, "patient"), ["p2", "p1"]);
    assert_eq!(column(&set, "site"), ["south", "north"]);
    assert_eq!(column(&set, "slice"), ["1", "2"]);
    let hashes = column(&set, "dicom_patient");
    assert!(hashes[0].is_empty() && hashes[1].len() == 12, "{hashes:?}");
    assert_eq!([train(&set).label(0), train(&set).label(1)], [Some(1), Some(0)]);
}

/// Texts about a person, each of which must be found nowhere.
const PRIVATE: [((u16, u16), &str, &str); 16] = [
    ((0x8, 0x20), "DA", "19870611"),
    ((0x8, 0x21), "DA", "19870612"),
    ((0x8, 0x22), "DA", "19870613"),
    ((0x8, 0x30), "TM", "114253"),
    ((0x8, 0x50), "SH", "ACC-558812"),
    ((0x8, 0x80), "LO", "Saint Elsewhere"),
    ((0x8, 0x90), "PN", "Referrer^Rita"),
    ((0x8, 0x1030), "LO", "Knee of Nobody"),
    ((0x8, 0x103E), "LO", "Axial Nobody"),
    ((0x10, 0x10), "PN", "Nobody^Nora"),
    ((0x10, 0x20), "LO", "PID-4711-X"),
    ((0x10, 0x30), "DA", "19511231"),
    ((0x10, 0x4000), "LT", "Comment on Nora"),
    ((0x20, 0xD), "UI", "1.2.826.77.4711"),
    ((0x20, 0xE), "UI", "1.2.826.77.4712"),
    ((0x20, 0x10), "SH", "STUDY-0815"),
];

fn private(values: [i16; 6]) -> Dicom {
    PRIVATE.iter().fold(Dicom::of(values), |dicom, (tag, vr, text)| dicom.text(*tag, vr, text))
}

/// Everything that a set says: names, metadata, notices, what was left out, fingerprint, and errors.
fn said(folder: &Path, options: &DataSettings) -> String {
    let set = match twinlens_data::open(folder, &OpenOptions::from(options.clone())) {
        Ok(set) => set,
        Err(error) => return format!("{error} {error:?} {}", error.hint()),
    };
    let mut said = format!(
        "{set:?} {}",
        twinlens_data::inspect(&set).map_or_else(|e| e.to_string(), |i| format!("{i:?}"))
    );
    for source in Split::ALL.iter().filter_map(|split| set.splits.get(*split)) {
        said += &format!("{:?}", source.columns());
        for index in 0..source.len() {
            said += &format!("{} {:?}", source.name(index), source.metadata(index));
        }
    }
    said
}

#[test]
fn nothing_that_is_said_tells_who_a_patient_is() {
    let sound = private([1, 2, 3, 4, 5, 6]);
    let mut files: Vec<(String, Vec<u8>)> = vec![("sound".into(), sound.clone().write())];
    // Damaged in many ways: what is said of these must not repeat them either.
    let whole = sound.clone().write();
    files.extend((1..30).map(|part| (format!("cut{part}"), whole[..whole.len() * part / 30].to_vec())));
    let texts =
        [(0x2, 0x10), (0x8, 0x60), (0x28, 0x4), (0x28, 0x8), (0x20, 0x13), (0x20, 0x32), (0x28, 0x1050)];
    files.extend(texts.iter().map(|tag| {
        (
            format!("wrong{:x}{:x}", tag.0, tag.1),
            sound.clone().text(*tag, "LO", "PID-4711-X Nobody^Nora").write(),
        )
    }));
    let syntax = whole.windows(19).position(|text| text == b"1.2.840.10008.1.2.1").unwrap();
    let mut other = whole.clone();
    other[syntax..syntax + 14].copy_from_slice(b"PID-4711-X Nob");
    files.push(("syntax".into(), other));
    files.push(("headless".into(), whole[132..].to_vec()));
    let files: Vec<(&str, Vec<u8>)> =
        files.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())).collect();
    let all = folder(&files);
    let mut said = said(all.path(), &settings(Window::default()));
    for (name, bytes) in &files {
        let one = folder(&[(name, bytes.clone())]);
        for on_bad_sample in [OnBadSample::Skip, OnBadSample::Fail] {
            said += &self::said(one.path(), &DataSettings { on_bad_sample, ..settings(Window::default()) });
        }
    }
    assert!(said.contains("patient") && said.contains("sound") && said.contains("breaks off"), "{said}");
    for (_, _, text) in PRIVATE {
        for part in text.split(['^', ' ']).filter(|part| part.len() > 2) {
            assert!(!said.contains(part), "{part} in {said}");
        }
    }
}

#[test]
fn a_patient_has_one_hash_by_the_key() {
    let of = |id: &str| Dicom::of([1; 6]).text((0x10, 0x20), "LO", id);
    let folder =
        folder(&[("a", of("7").write()), ("b", of("8").write()), ("c", of("7 ").series("1").write())]);
    let hashes = |key: &str| {
        let settings = DataSettings { patient_key: key.into(), ..settings(Window::default()) };
        column(&open(folder.path(), settings), "patient")
    };
    let usual = hashes("");
    assert_eq!(usual[0], usual[2]);
    assert_ne!(usual[0], usual[1]);
    assert!(usual.iter().all(|hash| hash.len() == 12 && hash.bytes().all(|byte| byte.is_ascii_hexdigit())));
    assert_ne!(hashes("mine"), usual);
    assert_eq!(hashes("mine"), hashes("mine"));
    assert_eq!(column(&open(folder.path(), settings(Window::default())), "series")[0], "");
}

/// The folder of real files in the repository.
fn real() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/dicom")
}

#[test]
fn real_files_that_are_broken_are_left_out_and_say_why() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["CT_small.dcm", "MR_small.dcm", "MR_truncated.dcm", "no_meta.dcm", "reportsi.dcm"] {
        std::fs::copy(real().join(name), folder.path().join(name)).unwrap();
    }
    put(folder.path(), "DICOMDIR", &Dicom::default().write());
    let set = open(folder.path(), settings(Window::default()));
    assert_eq!(names(&set), ["CT_small.dcm", "MR_small.dcm"]);
    assert_eq!(column(&set, "modality"), ["CT", "MR"]);
    let skipped = |name: &str| set.skipped.first.iter().find(|bad| bad.path == name).unwrap().reason.clone();
    assert!(skipped("MR_truncated.dcm").contains("8130 bytes"));
    assert!(skipped("no_meta.dcm").contains("no transfer syntax"));
    assert!(skipped("reportsi.dcm").contains("no pixels"));
    assert_eq!(set.skipped.count, 3);
}

#[test]
fn no_drawn_split_divides_a_patient() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..40 {
        let patient = format!("P{}", number / 4);
        let image = Dicom::of([number as i16; 6]).text((0x10, 0x20), "LO", &patient).write();
        put(folder.path(), &format!("{}/{number}", ["a", "b"][number % 2]), &image);
    }
    let set = open(folder.path(), DataSettings::default());
    let patients = |split: Split| {
        let source = set.splits.get(split).unwrap();
        let column = source.columns().iter().position(|column| column == "patient").unwrap();
        (0..source.len()).map(|index| source.metadata(index)[column].clone()).collect::<BTreeSet<String>>()
    };
    let [train, val, test] = Split::ALL.map(patients);
    assert_eq!(train.len() + val.len() + test.len(), 10, "{train:?} {val:?} {test:?}");
    assert!(set.notices.iter().any(|notice| notice.id == "groups" && notice.message.contains("`patient`")));
}

#[test]
fn slices_of_a_folder_are_a_series_where_files_name_none() {
    let slice = |z: f64| Dicom::of([0; 6]).at(AXIAL, &format!("0\\0\\{z}")).write();
    let folder = folder(&[
        ("one/1", slice(-766.5)),
        ("one/2", slice(-768.5)),
        ("one/3", slice(-770.5)),
        ("two/1", slice(9.0)),
        ("two/2", slice(8.0)),
        ("two/3", Dicom::of([0; 6]).text((0x20, 0x13), "IS", "-4").write()),
    ]);
    let set = open(folder.path(), settings(Window::default()));
    assert_eq!(names(&set), ["one/3", "one/2", "one/1", "two/2", "two/1", "two/3"]);
    assert_eq!(column(&set, "slice"), ["1", "2", "3", "1", "2", "1"]);
    assert_eq!(column(&set, "position_mm"), ["-770.5", "-768.5", "-766.5", "8", "9", ""]);
}
