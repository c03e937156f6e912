//! What a run came to, and what to type next.

use std::path::Path;

use twinlens_lab::assessment::{Assessment, NextStep};
use twinlens_run::{RunRecord, quoted};

use crate::exit::Outcome;

/// What the run in `folder` came to, and the commands that are worth typing next.
///
/// # Errors
/// A run that cannot be read.
pub fn of_run(folder: &Path) -> Outcome<(Assessment, Vec<String>)> {
    let assessment = Assessment::read(&RunRecord::read(folder)?)?;
    let commands = assessment.next.iter().map(|&step| command(step, folder)).collect();
    Ok((assessment, commands))
}

/// A result between what it means and what to do next.
pub fn around(result: &str, assessment: &Assessment, commands: &[String]) -> String {
    let sentences = assessment.sentences.join("\n");
    let commands: String = commands.iter().map(|command| format!("  {command}\n")).collect();
    format!("{sentences}\n\n{result}\nNext:\n{commands}")
}

/// The command of a step with the run in `folder`.
pub fn command(step: NextStep, folder: &Path) -> String {
    let name = folder.display().to_string();
    let (run, beside) = (quoted(&name), |end: &str| quoted(&format!("{name}-{end}")));
    match step {
        NextStep::Map => format!("twinlens tsne {run} --html"),
        NextStep::Probe => format!("twinlens probe {run}"),
        NextStep::Clusters => format!("twinlens cluster {run} --split all"),
        NextStep::Embed => format!("twinlens embed {run} --out {}", beside("features.csv")),
        NextStep::Finetune => format!("twinlens finetune {run} --out {}", beside("tuned")),
        NextStep::Predict => format!("twinlens predict {run} NEW_IMAGES --out {}", beside("classes.csv")),
        NextStep::Neighbours => format!("twinlens knn {run}"),
        NextStep::Longer { epochs } => {
            let config = quoted(&folder.join("config.toml").display().to_string());
            format!("twinlens pretrain --config {config} --out {} epochs={epochs}", beside("longer"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_is_a_command_that_the_program_takes() {
        let steps = [
            NextStep::Map,
            NextStep::Probe,
            NextStep::Clusters,
            NextStep::Embed,
            NextStep::Finetune,
            NextStep::Predict,
            NextStep::Neighbours,
            NextStep::Longer { epochs: 20 },
        ];
        for step in steps {
            let line = command(step, Path::new("runs/a"));
            let words: Vec<&str> = line.split_whitespace().collect();
            let taken = crate::cli::command().try_get_matches_from(&words);
            assert!(taken.is_ok(), "{line}: {}", taken.unwrap_err());
        }
        assert_eq!(command(NextStep::Map, Path::new("my run")), "twinlens tsne 'my run' --html");
    }
}
