//! Real files, against what other readers found in them.

use sha2::{Digest, Sha256};
use twinlens_data::{Image, OpenOptions, Pixels};
use twinlens_golden::{Case, cases};

use crate::make::as_defined;

fn stored(case: &Case) -> Image {
    let options = OpenOptions { ..as_defined() };
    let set = twinlens_data::open(&case.file(), &options).unwrap();
    set.splits.train.unwrap().stored(0).unwrap()
}

fn bytes(image: &Image) -> Vec<u8> {
    match &image.pixels {
        Pixels::U8(values) => values.clone(),
        Pixels::U16(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        other => panic!("{:?}", other.pixel_type()),
    }
}

#[test]
fn samples_are_as_they_are_stored() {
    for case in cases("formats/image") {
        let image = stored(&case);
        let values = image.pixels.to_f64();
        let shape = case.i64("out.shape");
        let at = |row: i64, column: i64| (row as usize * image.width + column as usize) * image.channels;
        let pixels = || {
            case.i64("in.row")
                .iter()
                .flat_map(|&row| case.i64("in.column").iter().map(move |&column| (row, column)))
        };
        let picked: Vec<f64> =
            pixels().flat_map(|(row, column)| values[at(row, column)..][..image.channels].to_vec()).collect();
        if case.has("out.palette_rgb") && image.channels == 3 {
            let colours: Vec<f64> =
                case.i64("out.palette_rgb").iter().map(|&value| (value >> 8) as f64).collect();
            assert_eq!(picked, colours, "{}", case.name());
            continue;
        }
        assert_eq!(shape[..3], [1, image.height as i64, image.width as i64], "{}", case.name());
        assert_eq!(shape.get(3).map_or(1, |&channels| channels as usize), image.channels, "{}", case.name());
        let digest: String = Sha256::digest(bytes(&image)).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(Some(digest.as_str()), case.said("sha256_pixels"), "{}", case.name());
        let bounds = [f64::min, f64::max].map(|one| values.iter().copied().reduce(one).unwrap());
        case.check_exact("out.min", &[bounds[0] as i64]);
        case.check_exact("out.max", &[bounds[1] as i64]);
        case.check("out.values", &picked);
    }
}
