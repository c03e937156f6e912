//! Files that PyTorch 2.11 wrote (`torch/make.py`) are read as they were meant; what a pickle asks to run is not run.

use std::path::{Path, PathBuf};

use twinlens_nn::weights::{NamedTensor, read_weights, write_safetensors};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/torch").join(name)
}

#[test]
fn both_formats_of_torch_save_hold_the_same_tensors() {
    let eighths: Vec<f32> = (0..12).map(|v| v as f32 / 8.0).collect();
    let transposed = [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11].map(|v: u8| f32::from(v) / 8.0);
    let tensor =
        |shape: &[usize], values: &[f32]| NamedTensor { shape: shape.to_vec(), values: values.to_vec() };
    let expected = [
        ("brain", tensor(&[2], &[1.0, -3.0])),
        ("double", tensor(&[1], &[0.1])),
        ("half", tensor(&[4], &[1.0, -2.5, 65504.0, 2f32.powi(-24)])),
        ("single", tensor(&[3, 4], &eighths)),
        ("strided", tensor(&[4, 3], &transposed)),
    ];
    let expected = expected.map(|(name, tensor)| (format!("state_dict.module.{name}.weight"), tensor)).into();
    for name in ["zip.pth", "legacy.pth"] {
        assert_eq!(read_weights(&file(name)).unwrap(), expected, "{name}");
    }
}

#[test]
fn a_cut_or_foreign_file_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["zip.pth", "legacy.pth"] {
        let bytes = std::fs::read(file(name)).unwrap();
        for length in [0, 1, 20, bytes.len() / 2, bytes.len() - 1] {
            let path = folder.path().join("cut.pth");
            std::fs::write(&path, &bytes[..length]).unwrap();
            let error = read_weights(&path).unwrap_err().to_string();
            assert!(error.contains("cut.pth"), "{name} {length}: {error}");
        }
    }
    let path = folder.path().join("picture.pth");
    std::fs::write(&path, b"\x89PNG\r\n\x1a\n and so on").unwrap();
    assert!(read_weights(&path).unwrap_err().to_string().contains("not a complete PyTorch checkpoint"));
}

#[test]
fn values_may_be_repeated_but_not_without_end() {
    let ones = NamedTensor { shape: vec![1 << 16], values: vec![1.0; 1 << 16] };
    assert_eq!(read_weights(&file("expanded.pth")).unwrap(), [("ones".to_owned(), ones)].into());
    // A GiB out of four bytes.
    let error = read_weights(&file("endless.pth")).unwrap_err().to_string();
    assert!(error.contains("endless.pth") && error.contains("1073741824 bytes"), "{error}");
}

#[test]
fn safetensors_are_told_from_pickles_by_content() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.pth");
    let tensors = [("x".to_owned(), NamedTensor { shape: vec![2], values: vec![1.0, 2.0] })].into();
    std::fs::write(&path, write_safetensors(&tensors, &[]).unwrap()).unwrap();
    assert_eq!(read_weights(&path).unwrap(), tensors);
}

#[test]
fn a_pickle_that_calls_a_program_runs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (path, trace) = (folder.path().join("evil.pth"), folder.path().join("trace"));
    // {"state_dict": os.system("touch TRACE")} in pickle's protocol 2.
    let command = format!("touch {}", trace.display());
    let mut pickle = b"\x80\x02}X\x0a\x00\x00\x00state_dictcposix\nsystem\nX".to_vec();
    pickle.extend((command.len() as u32).to_le_bytes());
    pickle.extend(command.as_bytes());
    pickle.extend(b"\x85Rs.");
    std::fs::write(&path, pickle).unwrap();
    let read = read_weights(&path);
    assert!(read.is_err() || read.is_ok_and(|tensors| tensors.is_empty()));
    assert!(!trace.exists());
}
