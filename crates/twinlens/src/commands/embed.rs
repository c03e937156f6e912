//! `embed`: write the features of images to a file.

use clap::ValueHint;
use serde_json::json;
use twinlens_lab::{FeatureFile, FeatureTable, Part};

use super::judging::JudgeArgs;
use crate::exit::Outcome;
use crate::terminal::Terminal;

/// Arguments of `embed`.
#[derive(Clone, Debug, clap::Args)]
#[command(before_help = "\
Examples:
  twinlens embed runs/a --data blood.npz --out features.npy
  twinlens embed runs/a --data photos/ --out features.csv
  twinlens embed runs/a --data blood.npz --stage layer3 --out layer3.npy
  twinlens embed runs/a --data blood.npz --stage layer3 --spatial --out maps.npy
  twinlens embed runs/a/encoder/encoder.safetensors --data blood.npz --out features.safetensors")]
pub struct EmbedArgs {
    /// What embeds, and what is embedded.
    #[command(flatten)]
    pub judge: JudgeArgs,
    /// Which images
    #[arg(long, value_name = "all|train|val|test", default_value = "all", hide_possible_values = true, value_parser = super::part())]
    pub split: Part,
    /// The stage's maps themselves, [images, channels, height, width]
    ///
    /// Of the last stage where --stage names none; as .npy or .safetensors.
    #[arg(long)]
    pub spatial: bool,
    /// Where to write
    ///
    /// The name says the format: .npy, .csv or .safetensors.
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath, value_parser = features_file)]
    pub out: FeatureFile,
}

/// Runs `embed`.
///
/// # Errors
/// An encoder or data that cannot be used, a file that cannot be written.
pub fn run(args: &EmbedArgs, terminal: &Terminal) -> Outcome {
    args.judge.of_data_alone()?;
    if args.spatial {
        args.out.check_holds_maps()?;
    }
    let (subject, data) = args.judge.open(terminal)?;
    let last = args.spatial && args.judge.stage.is_none();
    let subject = if last { subject.until(None)? } else { subject };
    let computing = args.judge.computing();
    let table = FeatureTable::new(&subject, &data, args.split, args.spatial, &computing, terminal)?;
    let names = table.write(&args.out)?;
    let (stage, file) = (subject.stage(), args.out.path());
    let (rows, width) = (table.rows(), table.row_shape().first());
    let document = json!({
        "file": file, "names": names, "rows": rows, "features": width, "stage": stage, "shape": table.shape(),
    });
    terminal.result(&document, || {
        let of = stage.map(|stage| format!(" of {stage}")).unwrap_or_default();
        let beside = names.map(|path| format!(", their names in {}", path.display())).unwrap_or_default();
        format!("{}{of} in {}{beside}\n", contents(rows, table.row_shape()), file.display())
    })
}

/// What so many rows of this shape are, in words.
fn contents(rows: usize, shape: &[usize]) -> String {
    match shape {
        [channels, height, width] => format!("{rows} maps of {channels} channels, {height} x {width}"),
        _ => format!("{rows} rows of {} features", shape.iter().product::<usize>()),
    }
}

fn features_file(text: &str) -> Result<FeatureFile, String> {
    FeatureFile::new(text).ok_or_else(|| "expected a name that ends in .npy, .csv or .safetensors".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::parse;

    #[test]
    fn tables_are_told_by_their_shape() {
        assert_eq!(contents(2, &[1, 2, 1]), "2 maps of 1 channels, 2 x 1");
        assert_eq!(contents(3, &[512]), "3 rows of 512 features");
    }

    #[test]
    fn the_format_is_checked_at_the_door() {
        for name in ["f.npy", "a/f.csv", "f.safetensors"] {
            assert_eq!(
                parse::<EmbedArgs>(&format!("runs/a --data b --out {name}")).unwrap().out,
                FeatureFile::new(name).unwrap()
            );
        }
        for name in ["f", "f.txt", "npy"] {
            assert!(parse::<EmbedArgs>(&format!("runs/a --data b --out {name}")).is_err(), "{name}");
        }
    }
}
