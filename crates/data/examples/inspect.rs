//! Opens a data set, says how long that took, and prints what it holds as JSON.
//!
//! `cargo run --release -p twinlens-data --example inspect -- PATH [fail]`

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use twinlens_data::{DataSettings, OnBadSample, OpenOptions, inspect, open};

#[expect(clippy::print_stdout, clippy::print_stderr)]
fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("give a PATH")?;
    let on_bad_sample = if arguments.next().is_some() { OnBadSample::Fail } else { OnBadSample::Skip };
    let start = Instant::now();
    let set = open(
        Path::new(&path),
        &OpenOptions::from(DataSettings { on_bad_sample, ..DataSettings::default() }),
    )?;
    let opened = start.elapsed();
    println!("{}", serde_json::to_string_pretty(&inspect(&set)?)?);
    eprintln!("opened in {opened:.2?}, inspected in {:.2?}", start.elapsed() - opened);
    Ok(())
}
