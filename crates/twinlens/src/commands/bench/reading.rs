//! Reading a data set: every image found, decoded and kept in memory, as before a run.

use serde_json::json;
use twinlens_data::{DataSettings, OpenOptions, Pages, Split, SplitPolicy, open};
use twinlens_lab::locate;

use super::{BenchArgs, Figures, REPETITIONS, Work, median, repeat, round};
use crate::commands::data_folder;
use crate::exit::{Exit, Failure, Outcome};
use crate::terminal::Terminal;

/// The user's images, read.
pub(super) struct Reading;

/// The one case: what is read is the user's choice.
pub(super) const CASES: &[Reading] = &[Reading];

impl Work for Reading {
    fn name(&self) -> &str {
        "read"
    }

    fn what(&self) -> String {
        "all images of --data found, decoded and kept in memory, every page of stacks".to_owned()
    }

    fn check(&self, args: &BenchArgs) -> Outcome {
        if args.data.is_some() {
            return Ok(());
        }
        let failure = Failure::message(Exit::Usage, "read times your images, and no data set is named");
        Err(failure.hint("add --data PATH; `twinlens data list` lists public data sets"))
    }

    fn time(&self, args: &BenchArgs, _: &Terminal) -> Outcome<Figures> {
        let (path, class_names) = locate(args.data.as_deref().unwrap_or_default(), data_folder().as_deref())?;
        let settings =
            DataSettings { splits: SplitPolicy::Defined, pages: Pages::Each, ..DataSettings::default() };
        let options = OpenOptions { class_names, ..OpenOptions::from(settings) };
        let mut images = 0;
        let seconds = repeat(1, args.repetitions(REPETITIONS), || {
            let set = open(&path, &options)?;
            images =
                Split::ALL.iter().filter_map(|split| set.splits.get(*split)).map(|part| part.len()).sum();
            Ok(())
        })?;
        let seconds = median(seconds);
        let images_per_s = images as f64 / seconds;
        let document = json!({
            "images": images,
            "seconds": round(seconds, 4),
            "images_per_s": round(images_per_s, 2),
        });
        Ok(Figures::new(document, format!("{images_per_s:.2} images/s, {images} in {seconds:.3} s")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::parse;
    use crate::terminal::{OutputArgs, Surroundings};

    #[test]
    fn every_image_is_read() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("a.npy");
        let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (5, 2, 3), }";
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.bytes());
        bytes.extend(0..30);
        std::fs::write(&path, bytes).unwrap();
        let args: BenchArgs = parse(&format!("--case read --steps 2 --data {}", path.display())).unwrap();
        let silent = Terminal::new(&OutputArgs::default(), &Surroundings::default());
        let figures = Reading.time(&args, &silent).unwrap();
        assert_eq!(figures.document["images"], 5);
        assert!(figures.document["images_per_s"].as_f64().unwrap() > 0.0);
    }

    #[test]
    fn what_is_read_must_be_named() {
        let failure = Reading.check(&parse("--case read").unwrap()).unwrap_err();
        assert!(failure.render(false).contains("--data PATH"), "{}", failure.render(false));
    }
}
