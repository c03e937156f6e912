//! What verbs that use a trained encoder share: the encoder, the data, and where to compute.

use std::path::PathBuf;

use clap::ValueHint;

use super::data::BadSample;

/// An encoder and what to feed it.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Encoder and data")]
pub struct JudgeArgs {
    /// A run's folder, or an encoder.safetensors with its encoder.json
    #[arg(value_name = "ENCODER", value_hint = ValueHint::AnyPath)]
    pub encoder: PathBuf,
    /// The data set: .npz, idx, a folder of images or of class folders, or a zip of these
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub data: String,
    /// What to do with an image that cannot be decoded
    #[arg(long, value_name = "skip|fail", default_value = "skip", hide_possible_values = true)]
    pub on_bad_sample: BadSample,
    /// Images in a step
    #[arg(long, value_name = "N", default_value = "256", value_parser = clap::value_parser!(u32).range(1..))]
    pub batch: u32,
    /// Where to compute: auto, cpu, gpu or gpu:N
    #[arg(long, value_name = "WHERE", default_value = "auto", value_parser = super::settings::device)]
    pub device: String,
}

/// A share in (0, 1].
///
/// # Errors
/// When it is no such number.
pub fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if share > 0.0 && share <= 1.0 => Ok(share),
        _ => Err("expected a number above 0 and at most 1".to_owned()),
    }
}

/// A positive, finite number.
///
/// # Errors
/// When it is no such number.
pub fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number > 0.0 && number.is_finite() => Ok(number),
        _ => Err("expected a number above 0".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_checked_at_the_door() {
        assert_eq!(share("0.1"), Ok(0.1));
        assert_eq!(share("1"), Ok(1.0));
        assert_eq!(positive("7e-2"), Ok(0.07));
        for bad in ["0", "-1", "nan", "ten", ""] {
            assert!(share(bad).is_err() && positive(bad).is_err(), "{bad}");
        }
        assert!(share("1.1").is_err() && positive("inf").is_err());
    }
}
