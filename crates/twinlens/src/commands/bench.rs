//! `bench`: how fast this machine is on a named case.

/// Arguments of `bench`.
#[derive(Clone, Debug, clap::Args)]
#[command(before_help = "\
Examples:
  twinlens bench --case r18-cifar-32-b64
  twinlens bench --case r18-cifar-32-b64 --precision f32 --steps 5 --json")]
pub struct BenchArgs {
    /// The case
    #[arg(long, value_name = "NAME")]
    pub case: String,
    /// Kind of numbers
    #[arg(long, value_name = "KIND", default_value = "f32", value_parser = ["f32", "bf16"])]
    pub precision: String,
    /// Timed steps
    #[arg(long, value_name = "N", default_value = "5", value_parser = clap::value_parser!(u32).range(1..))]
    pub steps: u32,
    /// Where to compute: auto, cpu, gpu or gpu:N
    #[arg(long, value_name = "WHERE", default_value = "cpu", value_parser = super::settings::device)]
    pub device: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::parse;

    #[test]
    fn the_line_that_scripts_use_is_read() {
        let args: BenchArgs = parse("--case r18-cifar-32-b64 --precision bf16").unwrap();
        assert_eq!(
            (args.case.as_str(), args.precision.as_str(), args.steps),
            ("r18-cifar-32-b64", "bf16", 5)
        );
        assert!(parse::<BenchArgs>("--case x --precision f16").is_err());
        assert!(parse::<BenchArgs>("--precision f32").is_err());
    }
}
