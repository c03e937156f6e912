//! `views --hardness`: how far the two views of a pair lie apart.

use std::path::{Path, PathBuf};

use twinlens_lab::hardness::{Comparison, Hardness, read_lpips};
use twinlens_ssl::Settings;

use super::training::open_data;
use crate::exit::{Exit, Failure, Outcome};
use crate::terminal::Terminal;

/// What `views --hardness` is asked for.
pub struct Asked<'a> {
    /// The settings with each policy; at least one.
    pub policies: &'a [Settings],
    /// Images whose views are compared.
    pub images: usize,
    /// Files with weights for LPIPS.
    pub lpips_weights: &'a [PathBuf],
    /// Where to write the picture.
    pub out: Option<&'a Path>,
}

/// Runs `views --hardness`.
///
/// # Errors
/// Data, weights or policies that cannot be used, files that cannot be written.
pub fn run(asked: &Asked<'_>, terminal: &Terminal) -> Outcome {
    let kind = asked.out.map(Kind::of).transpose()?;
    let settings = &asked.policies[0];
    let mut lpips = read_lpips(asked.lpips_weights, settings)?;
    let data = open_data(settings, terminal)?;
    let mut found = Comparison::new(asked.policies, &data, asked.images, lpips.as_mut(), terminal)?;
    if let Some((out, kind)) = asked.out.zip(kind) {
        let [svg, png] = found.picture(&data.name)?;
        found.write(out, if kind == Kind::Svg { &svg } else { &png })?;
    }
    terminal.result(&found, || describe(&found, terminal))
}

/// What a picture is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Svg,
    Png,
}

impl Kind {
    fn of(path: &Path) -> Outcome<Kind> {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("svg") => Ok(Kind::Svg),
            Some("png") => Ok(Kind::Png),
            _ => Err(Failure::message(Exit::Usage, "the picture of --hardness is an .svg or a .png file")
                .at(path.display())
                .hint("the table is written beside it as .csv")),
        }
    }
}

/// The table as people read it.
fn describe(found: &Comparison, terminal: &Terminal) -> String {
    let measures = found.measures();
    let headings: Vec<&str> =
        ["policy", "operation"].into_iter().chain(measures.iter().flat_map(|m| [m.name, "std"])).collect();
    let number = |value: f64| format!("{value:.3}");
    let row = |(policy, row): (&str, &Hardness)| {
        let numbers = measures.iter().flat_map(|measure| {
            (measure.of)(row).map_or(["-".to_owned(), "-".to_owned()], |s| [s.mean, s.std].map(number))
        });
        [policy, row.part()].map(str::to_owned).into_iter().chain(numbers).collect::<Vec<String>>()
    };
    let rows: Vec<Vec<String>> = found.rows().map(row).collect();
    let mut text = terminal.table(&headings, &rows);
    let (pairs, size, seed) = (found.pairs, found.size, found.seed);
    text += &format!(
        "\n{pairs} pairs of views of {size} pixels, seed {seed}. Equal views: 0, and SSIM 1. Operations are \
         alone, with the probability that they have.\n"
    );
    for file in &found.files {
        text += &format!("{}\n", file.display());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::parse;
    use crate::commands::views::ViewsArgs;

    #[test]
    fn flags_of_hardness_go_together() {
        let args = parse::<ViewsArgs>("--data b.npz --hardness --policy simclr,byol --images 9").unwrap();
        assert_eq!((args.policy.len(), args.images, args.out), (2, 9, None));
        for bad in ["--lpips-weights a.pth --explain", "--hardness --images 1", "--hardness --explain"] {
            assert!(parse::<ViewsArgs>(&format!("--data b.npz {bad}")).is_err(), "{bad}");
        }
        assert_eq!(Kind::of(Path::new("a.png")).unwrap(), Kind::Png);
        assert!(Kind::of(Path::new("a.csv")).is_err());
    }
}
