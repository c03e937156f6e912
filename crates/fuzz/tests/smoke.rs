//! Every target on its seeds, on inputs that did not hold once, and on some thousand changes of these.

use twinlens_fuzz::{TARGETS, Target, mutate};

/// Another one gives other inputs.
const SEED: u64 = 0;

/// Runs the target, and says which input does not hold; it is written to the folder for temporary files.
fn hold(target: &Target, count: usize) -> Result<(), String> {
    let text = |error: std::io::Error| error.to_string();
    let seeds = target.inputs().map_err(text)?;
    assert!(!seeds.is_empty(), "{} has no seeds", target.name);
    for number in 0..count {
        let input = mutate::input(&seeds, SEED, number);
        if let Err(finding) = target.execute(&input) {
            let path = std::env::temp_dir().join(format!("twinlens-fuzz-{}-{number}", target.name));
            std::fs::write(&path, input).map_err(text)?;
            return Err(format!("input {number} ({}): {finding}", path.display()));
        }
    }
    Ok(())
}

macro_rules! smoke {
    ($($name:ident: $count:expr),* $(,)?) => {
        $(#[test]
        fn $name() {
            hold(twinlens_fuzz::target(stringify!($name)).unwrap(), $count).unwrap();
        })*

        #[test]
        fn every_target_is_run() {
            let mut names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
            let mut run = vec![$(stringify!($name)),*];
            names.sort_unstable();
            run.sort_unstable();
            assert_eq!(names, run);
        }
    };
}

#[cfg(all(feature = "weights", feature = "settings"))]
smoke! {
    npz: 3000, npy: 3000, idx: 3000, cifar: 2000, tiff: 3000, raster: 3000, dicom: 3000, nifti: 3000, zip: 3000, tar: 3000, layout: 2000,
    tables: 2000, plates: 1000, ome: 3000, objects: 3000, parquet: 3000, safetensors: 3000, pth: 2000, settings: 2000,
}

#[cfg(not(all(feature = "weights", feature = "settings")))]
smoke! {
    npz: 3000, npy: 3000, idx: 3000, cifar: 2000, tiff: 3000, raster: 3000, dicom: 3000, nifti: 3000, zip: 3000, tar: 3000, layout: 2000,
    tables: 2000, plates: 1000, ome: 3000, objects: 3000, parquet: 3000,
}
