//! Small files in the formats of others.

use std::io::{Cursor, Write};
use std::path::Path;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use image::{DynamicImage, ImageFormat};
use twinlens_data::{
    DataError, DataSet, DataSettings, Image, ImageSource, OnBadSample, OpenOptions, Pixels, SplitPolicy,
};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// An .npy with the given type, shape and raw bytes.
pub fn npy(descr: &str, fortran: bool, shape: &[usize], data: &[u8]) -> Vec<u8> {
    let sizes: String = shape.iter().map(|size| format!("{size}, ")).collect();
    let order = if fortran { "True" } else { "False" };
    let text = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': ({sizes}), }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((text.len() as u16).to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes.extend(data);
    bytes
}

/// An .npy of u8 in C order.
pub fn npy_u8(shape: &[usize], data: &[u8]) -> Vec<u8> {
    npy("|u1", false, shape, data)
}

/// A zip of these members.
pub fn zipped(members: &[(&str, Vec<u8>)], method: CompressionMethod) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        archive.start_file(*name, SimpleFileOptions::default().compression_method(method)).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// A tar of these members.
pub fn tarred(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, bytes) in members {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, &bytes[..]).unwrap();
    }
    archive.into_inner().unwrap()
}

/// An .npz of these arrays, deflated.
pub fn npz(arrays: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let members: Vec<(String, Vec<u8>)> =
        arrays.iter().map(|(name, bytes)| (format!("{name}.npy"), bytes.clone())).collect();
    let members: Vec<(&str, Vec<u8>)> =
        members.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())).collect();
    zipped(&members, CompressionMethod::Deflated)
}

/// An idx file of unsigned bytes.
pub fn idx(shape: &[usize], data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 0x08, shape.len() as u8];
    shape.iter().for_each(|&size| bytes.extend((size as u32).to_be_bytes()));
    bytes.extend(data);
    bytes
}

/// A NIfTI-1 file of these numbers in 16 bits with a sign, x first, that says its axes run to the right, the anterior and the
/// superior, with voxels of `spacing`.
pub fn nifti(shape: &[usize], spacing: [f32; 3], values: &[i16]) -> Vec<u8> {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    nifti_of(4, shape, spacing, &bytes)
}

/// The same of numbers of another type, by its code.
pub fn nifti_of(code: i16, shape: &[usize], spacing: [f32; 3], values: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 352];
    let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
    put(0, &348i32.to_le_bytes());
    put(40, &(shape.len() as i16).to_le_bytes());
    for (axis, &len) in shape.iter().enumerate() {
        put(42 + 2 * axis, &(len as i16).to_le_bytes());
    }
    put(70, &code.to_le_bytes());
    put(108, &352f32.to_le_bytes());
    put(254, &1i16.to_le_bytes());
    for (axis, size) in spacing.into_iter().enumerate() {
        put(80 + 4 * axis, &size.to_le_bytes());
        put(280 + 20 * axis, &size.to_le_bytes()); // the diagonal of the sform
    }
    put(344, b"n+1\0");
    bytes.extend(values);
    bytes
}

/// Gzipped.
pub fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Encoded as an image file.
pub fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// An RGB picture of `side` x `side` whose pixels depend on `seed`.
pub fn rgb(side: u32, seed: u8) -> DynamicImage {
    let value = |x: u32, y: u32, c: u32| (x * 31 + y * 17 + c * 71) as u8 ^ seed.wrapping_mul(37);
    DynamicImage::ImageRgb8(image::RgbImage::from_fn(side, side, |x, y| {
        image::Rgb([value(x, y, 0), value(x, y, 1), value(x, y, 2)])
    }))
}

/// An RGB picture as PNG.
pub fn png(side: u32, seed: u8) -> Vec<u8> {
    encoded(&rgb(side, seed), ImageFormat::Png)
}

/// Writes a file, folders included.
pub fn put(root: &Path, path: &str, bytes: &[u8]) {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

/// Writes `bytes` to a file called `name` and opens it.
pub fn open_file(name: &str, bytes: &[u8], options: &OpenOptions<'_>) -> Result<DataSet, DataError> {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), name, bytes);
    twinlens_data::open(&folder.path().join(name), options)
}

/// Options that leave the splits as they are.
pub fn as_defined() -> OpenOptions<'static> {
    OpenOptions::from(DataSettings { splits: SplitPolicy::Defined, ..DataSettings::default() })
}

/// [`as_defined`] with other settings.
pub fn with(change: impl FnOnce(&mut DataSettings)) -> OpenOptions<'static> {
    let mut options = as_defined();
    change(&mut options.settings);
    options
}

/// [`as_defined`], and an image that cannot be decoded is an error.
pub fn strict() -> OpenOptions<'static> {
    let mut options = as_defined();
    options.settings.on_bad_sample = OnBadSample::Fail;
    options
}

/// The message and the hint of the error that opening must give.
pub fn refusal(result: Result<DataSet, DataError>) -> String {
    match result {
        Ok(set) => panic!("{} was opened, though it should not", set.name),
        Err(error) => {
            assert!(!error.hint().is_empty(), "no hint: {error}");
            format!("{error}\nhint: {}", error.hint())
        }
    }
}

/// Bytes of image `index`, which must be 8-bit.
pub fn bytes_of(source: &Arc<dyn ImageSource>, index: usize) -> Vec<u8> {
    match source.image(index).unwrap().pixels {
        Pixels::U8(values) => values,
        other => panic!("{:?}", other.pixel_type()),
    }
}

/// A source of given images and labels.
pub struct Listed(pub Vec<Image>, pub Vec<Option<usize>>);

impl ImageSource for Listed {
    fn len(&self) -> usize {
        self.1.len()
    }

    fn image(&self, index: usize) -> Result<Image, DataError> {
        self.0.get(index).cloned().ok_or(DataError::NoSuchSample { index, len: self.0.len() })
    }

    fn label(&self, index: usize) -> Option<usize> {
        self.1.get(index).copied().flatten()
    }
}
