//! How well nuclei are found, on fields with masks beside them (`a.tif` and `a_labels.png`); optionally a drawing of each.
//!
//! `cargo run --release -p twinlens-cells --example nuclei -- FOLDER [--draw FOLDER] [KEY=VALUE ...]`, where KEY is a setting
//! of the detector (`threshold=local`, `min_distance=8`).
#![allow(clippy::print_stdout, reason = "a program for people")]

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use twinlens_cells::{
    Agreement, Detector, FieldObjects, Found, Labels, Plane, agreement, drawn, png_bytes, whole_numbers,
};
use twinlens_data::{DataSettings, Image, OpenOptions, SplitPolicy, open};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (mut folder, mut draw, mut settings) = (None, None, String::new());
    while let Some(argument) = arguments.next() {
        match argument.split_once('=') {
            Some((key, value)) => {
                let text = value.parse::<f64>().is_err() && value.parse::<bool>().is_err();
                settings += &if text { format!("{key} = {value:?}\n") } else { format!("{key} = {value}\n") };
            }
            None if argument == "--draw" => draw = arguments.next().map(PathBuf::from),
            None => folder = Some(PathBuf::from(argument)),
        }
    }
    let folder = folder.ok_or("give a folder of fields and masks")?;
    let detector: Detector = toml::from_str(&settings)?;
    let mut all = Vec::new();
    let mut time = Duration::ZERO;
    for field in fields(&folder)? {
        let stem = field.with_extension("");
        let truth = whole_numbers(&image(&PathBuf::from(format!("{}_labels.png", stem.display())))?)?;
        let image = image(&field)?;
        let plane = grey(&image)?;
        let start = Instant::now();
        let found = detector.detect(&plane)?;
        time += start.elapsed();
        let agreement = agreement(&truth, &found.labels)?;
        tell(&field, &agreement);
        if let Some(draw) = &draw {
            save(draw, &field, &image, found.labels, found.centroids)?;
        }
        all.push(agreement);
    }
    let fields = all.len().max(1);
    let at = |which: usize| all.iter().map(|one| one.at[which]).sum::<Found>();
    let counts = all.iter().map(|one| one.true_count.abs_diff(one.found_count)).sum::<usize>();
    let (truth, found) = all.iter().fold((0, 0), |(a, b), one| (a + one.true_count, b + one.found_count));
    println!("\n{} fields, {truth} nuclei, {found} found", all.len());
    for (which, name) in [(0, "0.50"), (4, "0.70"), (8, "0.90")] {
        let found = at(which);
        let (precision, recall) = (found.precision(), found.recall());
        println!("IoU > {name}: precision {precision:.3}, recall {recall:.3}, F1 {:.3}", found.f1());
    }
    let mean = |of: fn(&Agreement) -> f64| all.iter().map(of).sum::<f64>() / fields as f64;
    println!(
        "mean over fields: F1 at 0.5 {:.3}, AP {:.3}",
        mean(|one| one.at[0].f1()),
        mean(|one| one.mean_ap)
    );
    println!(
        "count error: {:.2} a field, {:.3} of all nuclei",
        counts as f64 / fields as f64,
        counts as f64 / truth as f64
    );
    println!("time: {:.1} ms a field", time.as_secs_f64() * 1e3 / fields as f64);
    Ok(())
}

fn tell(field: &Path, of: &Agreement) {
    let name = field.file_name().unwrap_or_default().to_string_lossy();
    let at = of.at[0];
    println!(
        "{name}: {} nuclei, {} found, precision {:.3}, recall {:.3}, F1 {:.3}, AP {:.3}",
        of.true_count,
        of.found_count,
        at.precision(),
        at.recall(),
        at.f1(),
        of.mean_ap
    );
}

/// Files that have a mask beside them, in order.
fn fields(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if PathBuf::from(format!("{}_labels.png", path.with_extension("").display())).is_file() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn image(path: &Path) -> Result<Image, Box<dyn Error>> {
    let settings = DataSettings { splits: SplitPolicy::Complete, ..DataSettings::default() };
    let set = open(path, &OpenOptions::from(settings))?;
    Ok(set.splits.train.ok_or("no image")?.stored(0)?)
}

/// The only channel, or of an RGB picture the largest of the three.
fn grey(image: &Image) -> Result<Plane, Box<dyn Error>> {
    let mut plane = Plane::of(image, 0)?;
    for channel in 1..image.channels {
        let other = Plane::of(image, channel)?;
        plane.values.iter_mut().zip(other.values).for_each(|(value, other)| *value = value.max(other));
    }
    Ok(plane)
}

fn save(
    folder: &Path,
    field: &Path,
    image: &Image,
    labels: Labels,
    centroids: Vec<[f64; 2]>,
) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(folder)?;
    let objects = FieldObjects {
        numbers: (1..=labels.largest()).collect(),
        areas: vec![None; centroids.len()],
        centroids,
        labels: Some(labels),
    };
    let picture = drawn(image, 0, &objects, &|_| true, (1400, 1))?;
    let name = field.with_extension("png");
    Ok(fs::write(folder.join(name.file_name().unwrap_or_default()), png_bytes(&picture)?)?)
}
