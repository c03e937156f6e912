//! `views`: see what the encoder will see.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::str::FromStr;

use clap::ValueHint;
use serde_json::Value as Json;
use toml::Value;
use twinlens_config::{Flag, Request};
use twinlens_lab::gallery::{Column, Gallery, Shown, steps};
use twinlens_ssl::Settings;

use super::hardness;
use super::settings::SettingsArgs;
use super::spec::resolve;
use super::training::open_data;
use crate::exit::{Exit, Failure, Outcome};
use crate::terminal::Terminal;

/// Arguments of `views`.
#[derive(Clone, Debug, clap::Args)]
#[command(before_help = "\
Examples:
  twinlens views --data blood.npz --out views.png
  twinlens views --data blood.npz --out views.png --preset medmnist/simclr --rows 12
  twinlens views --data blood.npz --explain views.0.color_jitter.hue=0.3
  twinlens views --data blood.npz --out hues.png --over views.0.color_jitter.hue=0..0.5
  twinlens views --data blood.npz --out policies.png --policy simclr,medmnist
  twinlens views --data blood.npz --hardness --policy simclr,medmnist --out hardness.svg
  twinlens views --data blood.npz --hardness --lpips-weights alexnet.pth --lpips-weights alex.pth")]
pub struct ViewsArgs {
    /// The data, the policy and the seed.
    #[command(flatten)]
    pub settings: SettingsArgs,
    /// Views by the name of their policy (`twinlens list augmentations`)
    ///
    /// Several are shown side by side. Without it, the policy of the settings.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub policy: Vec<String>,
    /// Where to write
    ///
    /// With --hardness a picture (.svg or .png), and the table beside it as .csv.
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath,
        required_unless_present_any = ["explain", "hardness"])]
    pub out: Option<PathBuf>,
    /// Images to show, one a row: the original and its views
    #[arg(long, value_name = "N", default_value = "8", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rows: u32,
    /// Tell which operations made each view, with what was drawn
    #[arg(long)]
    pub explain: bool,
    /// Show one view as a number of its operations goes from LOW to HIGH, all else drawn alike
    #[arg(long, value_name = "KEY=LOW..HIGH")]
    pub over: Option<Over>,
    /// Values that --over shows side by side, its ends included
    #[arg(long, value_name = "N", default_value = "6", value_parser = clap::value_parser!(u32).range(2..=50))]
    pub columns: u32,
    /// Tell how far the two views of a pair lie apart, by each policy and by each of its operations alone
    #[arg(long, conflicts_with_all = ["explain", "over"])]
    pub hardness: bool,
    /// Images that --hardness compares the views of, chosen by the seed
    #[arg(long, value_name = "N", default_value = "256", value_parser = clap::value_parser!(u32).range(2..))]
    pub images: u32,
    /// Weights for LPIPS, in one file or several: torchvision's AlexNet and LPIPS's own
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "hardness",
        conflicts_with_all = ["explain", "over"])]
    pub lpips_weights: Vec<PathBuf>,
}

impl ViewsArgs {
    /// What these arguments ask for, with the view policy `policy` if there is one.
    fn request(&self, policy: Option<&String>) -> Request {
        let mut request = self.settings.request();
        let value = |name: &String| Value::String(name.clone());
        request.flags.extend(policy.map(|name| Flag { name: "--policy", key: "policy", value: value(name) }));
        request
    }

    /// The settings with each of the policies; at least one.
    fn resolved(&self) -> Outcome<Vec<Settings>> {
        let settings = |policy| Ok(resolve(&self.request(policy))?.settings);
        if self.policy.is_empty() {
            return Ok(vec![settings(None)?]);
        }
        self.policy.iter().map(|name| settings(Some(name))).collect()
    }
}

/// A setting that goes from one value to another.
#[derive(Clone, Debug, PartialEq)]
pub struct Over {
    /// The dotted key, which starts with `views.N`.
    key: String,
    /// The view policy that it belongs to.
    policy: usize,
    /// Its first and its last value.
    ends: [f64; 2],
}

impl FromStr for Over {
    type Err = String;

    fn from_str(text: &str) -> Result<Over, String> {
        let parts = || {
            let (key, range) = text.split_once('=')?;
            let (low, high) = range.split_once("..")?;
            let policy = key.strip_prefix("views.")?.split('.').next()?.parse().ok()?;
            let number = |text: &str| text.parse().ok().filter(|value: &f64| value.is_finite());
            Some(Over { key: key.to_owned(), policy, ends: [number(low)?, number(high)?] })
        };
        parts().ok_or_else(|| "expected KEY=LOW..HIGH, such as views.0.color_jitter.hue=0..0.5".to_owned())
    }
}

/// Runs `views`.
///
/// # Errors
/// Settings or data that cannot be used, or a file or stdout that cannot be written.
pub fn run(args: &ViewsArgs, terminal: &Terminal) -> Outcome {
    let policies = args.resolved()?;
    if args.hardness {
        let asked = hardness::Asked {
            policies: &policies,
            images: args.images as usize,
            lpips_weights: &args.lpips_weights,
            out: args.out.as_deref(),
        };
        return hardness::run(&asked, terminal);
    }
    let data = open_data(&policies[0], terminal)?;
    let mut gallery = Gallery::new(&policies[0], &data, terminal)?;
    if policies.len() > 1 {
        let columns = gallery.columns_of(&policies)?;
        gallery = gallery.showing(columns);
    }
    if let Some(over) = &args.over {
        let columns = columns_over(over, args, &gallery)?;
        gallery = gallery.showing(columns);
    }
    let shown = gallery.show(args.rows as usize, args.out.as_deref())?;
    terminal.result(&shown, || describe(&shown, args.explain))
}

/// The first view of the policy concerned, once for each value.
fn columns_over(over: &Over, args: &ViewsArgs, gallery: &Gallery) -> Outcome<Vec<Column>> {
    if args.policy.len() > 1 {
        return Err(Failure::message(Exit::Usage, "--over shows one policy, and --policy names several"));
    }
    let column = |value: f64| {
        let mut request = args.request(args.policy.first());
        request.sets.push(format!("{}={value}", over.key));
        let views = resolve(&request)?.settings.common.views;
        Ok(gallery.first_view(&views, over.policy, value.to_string())?)
    };
    steps(over.ends, args.columns).into_iter().map(column).collect()
}

fn describe(shown: &Shown, explain: bool) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    if let Some(file) = &shown.file {
        let (rows, views) = (shown.rows.len(), shown.views_per_row);
        let _ = writeln!(text, "{}: {rows} training images, each with {views} views", file.display());
    }
    for row in shown.rows.iter().filter(|_| explain) {
        let _ = writeln!(text, "{}", row.image);
        for explanation in &row.views {
            let _ = writeln!(text, "  view {}", explanation.view + 1);
            for step in &explanation.operations {
                let drawn = step.drawn.as_ref().map(|drawn| serde_json::to_value(drawn).unwrap_or_default());
                let drawn = drawn.map_or("left out by chance".to_owned(), |drawn| parameters(&drawn));
                let _ = writeln!(text, "    {:<20} {drawn}", step.op);
            }
        }
    }
    text
}

/// Drawn parameters in one line.
fn parameters(drawn: &Json) -> String {
    match drawn {
        Json::Object(fields) if fields.is_empty() => "applied".to_owned(),
        Json::Object(fields) => {
            let named = fields.iter().map(|(key, value)| format!("{key} {}", parameters(value)));
            named.collect::<Vec<_>>().join(", ")
        }
        Json::Array(list) => format!("({})", list.iter().map(parameters).collect::<Vec<_>>().join(", ")),
        // Values of 32 bits would otherwise show digits that they do not have.
        Json::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
            Some(number) => format!("{number:.4}"),
            None => number.to_string(),
        },
        Json::String(text) => text.clone(),
        Json::Null => "none".to_owned(),
        Json::Bool(truth) => truth.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::parse;

    #[test]
    fn a_sheet_needs_a_file_and_an_explanation_none() {
        assert!(parse::<ViewsArgs>("--data b.npz").is_err());
        assert!(parse::<ViewsArgs>("--data b.npz --explain").unwrap().explain);
        assert_eq!(parse::<ViewsArgs>("--data b.npz --out v.png --rows 3").unwrap().rows, 3);
        assert!(parse::<ViewsArgs>("--data b.npz --out v.png --rows 0").is_err());
    }

    #[test]
    fn ranges_belong_to_a_view_and_have_two_ends() {
        let over = |text: &str| parse::<ViewsArgs>(&format!("--data b.npz --out v.png --over {text}"));
        let hue = over("views.1.color_jitter.hue=0..0.5").unwrap().over.unwrap();
        assert_eq!((hue.key.as_str(), hue.policy, hue.ends), ("views.1.color_jitter.hue", 1, [0.0, 0.5]));
        let down = over("views.0.rotation.degrees=90..-90").unwrap().over.unwrap();
        assert_eq!(down.ends, [90.0, -90.0]);
        for bad in
            ["views.0.a.b=1", "views.0.a.b=1..", "views.0.a.b=1..nan", "optim.lr=0..1", "views.x.a=0..1"]
        {
            assert!(over(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn drawn_parameters_fit_in_one_line() {
        let drawn = serde_json::json!({"top": 3, "factors": [0.1f32, null], "kind": "blur", "on": true});
        let text = parameters(&drawn);
        for part in ["top 3", "factors (0.1000, none)", "kind blur", "on true"] {
            assert!(text.contains(part), "{text}");
        }
        assert_eq!(parameters(&serde_json::json!({})), "applied");
    }
}
