//! `study plan`: every cell resolved, as a plan, commands, or a script for Slurm.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::{ValueEnum, ValueHint};
use serde_json::json;
use toml::Value;
use twinlens_run::quoted;
use twinlens_study::node::Kind;
use twinlens_study::plan::{PLAN, Plan, Request};
use twinlens_study::recipe::Recipe;
use twinlens_study::schedule::{Level, Slurm, Unit, commands, slurm};

use super::open;
use crate::commands::bytes;
use crate::commands::training::lab;
use crate::exit::{Exit, Failure, Outcome};
use crate::invocation::Invocation;
use crate::terminal::Terminal;

/// What is asked of a plan.
#[derive(Clone, Debug, clap::Args)]
pub struct AskedArgs {
    /// How much of everything: paper, small, tiny
    #[arg(long, value_name = "NAME")]
    pub budget: Option<String>,
    /// Other levels of an axis: hue=0,0.25
    #[arg(long = "axis", value_name = "AXIS=LEVELS", value_parser = pair)]
    pub axes: Vec<(String, String)>,
    /// Repeat with each of these seeds, and tell mean and spread
    #[arg(long, value_name = "N,N", value_delimiter = ',')]
    pub seeds: Vec<u64>,
    /// Where a data set of the study lies
    #[arg(long, value_name = "NAME=PATH", value_parser = pair)]
    pub data_at: Vec<(String, String)>,
    /// A file of weights that the study needs
    #[arg(long = "file", value_name = "NAME=PATH", value_parser = pair)]
    pub files: Vec<(String, String)>,
    /// A folder of results that studies share
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub store: Option<PathBuf>,
    /// The most trainings and judgements that are planned
    #[arg(long, value_name = "N", default_value_t = twinlens_study::plan::MOST)]
    pub max_nodes: usize,
}

/// Arguments of `study plan`.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  twinlens study plan p/figure-14 --budget small --data-at blood_28=blood.npz --out studies/batch
  twinlens study plan --out studies/batch --format commands
  twinlens study plan --out studies/batch --format slurm > submit.sh")]
pub struct PlanArgs {
    /// A study of this program (`twinlens study list`), or a file; without, the plan in --out is told again
    #[arg(value_name = "ID")]
    pub study: Option<String>,
    /// Where to write
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub out: PathBuf,
    /// What is asked of it.
    #[command(flatten)]
    pub asked: AskedArgs,
    /// How the plan is told
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Table)]
    pub format: Format,
    /// What is one job: a training with all that follows, or every training and judgement
    #[arg(long, value_name = "UNIT", value_enum, default_value_t = UnitName::Tree)]
    pub unit: UnitName,
    /// Only this level of the plan, from 0
    #[arg(long, value_name = "N")]
    pub level: Option<usize>,
    /// Time two steps of every kind of training on this machine, and tell hours and disk
    #[arg(long)]
    pub estimate: bool,
    /// Hours that Slurm gives a job; half as much again as the longest was estimated to take, else 4
    #[arg(long, value_name = "H")]
    pub hours: Option<f64>,
    /// Gigabytes that Slurm gives a job
    #[arg(long, value_name = "GB", default_value_t = 8.0)]
    pub memory: f64,
    /// GPUs that Slurm gives a job
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub gpus: usize,
    /// Cores that Slurm gives a job
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub cores: usize,
}

/// How a plan is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// What there is to make.
    Table,
    /// The same for programs.
    Json,
    /// A command for every job.
    Commands,
    /// A script that submits the jobs to Slurm.
    Slurm,
}

/// [`Unit`] on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum UnitName {
    /// A training with all that follows from it.
    Tree,
    /// Every training and judgement by itself.
    Node,
}

impl From<UnitName> for Unit {
    fn from(name: UnitName) -> Unit {
        match name {
            UnitName::Tree => Unit::Tree,
            UnitName::Node => Unit::Node,
        }
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => {
            Ok((name.to_owned(), value.to_owned()))
        }
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

impl AskedArgs {
    fn request(&self) -> Request {
        let mut axes: BTreeMap<String, Value> =
            self.axes.iter().map(|(axis, levels)| (axis.clone(), levels_of(levels))).collect();
        if !self.seeds.is_empty() {
            let seeds =
                self.seeds.iter().map(|seed| Value::Integer(i64::try_from(*seed).unwrap_or(i64::MAX)));
            axes.insert("seed".to_owned(), Value::Array(seeds.collect()));
        }
        Request {
            budget: self.budget.clone(),
            axes,
            places: self.data_at.iter().cloned().collect(),
            files: self.files.iter().map(|(name, path)| (name.clone(), path.into())).collect(),
            most: self.max_nodes,
            store: self.store.as_deref().map(absolute),
        }
    }
}

/// Levels as they are typed: numbers are numbers, all else is text.
fn levels_of(text: &str) -> Value {
    let level = |text: &str| {
        let text = text.trim();
        let number = text.parse::<i64>().map(Value::Integer).ok();
        let number = number.or_else(|| text.parse::<f64>().map(Value::Float).ok());
        number.unwrap_or_else(|| Value::String(text.to_owned()))
    };
    Value::Array(text.split(',').map(level).collect())
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}

/// Runs `study plan`.
///
/// # Errors
/// A recipe, data or a folder that cannot be used.
pub fn run(args: &PlanArgs, invocation: &Invocation, terminal: &Terminal) -> Outcome {
    let mut plan = match &args.study {
        Some(study) => make(study, &args.asked, &args.out, args.unit.into(), invocation, terminal)?,
        None if args.out.join(PLAN).is_file() => open(&args.out)?.0,
        None => {
            let failure = Failure::message(Exit::Usage, format!("{} holds no study", args.out.display()));
            return Err(
                failure.hint("name one: twinlens study plan ID --out DIR; `twinlens study list` lists them")
            );
        }
    };
    if args.estimate {
        plan.estimate(&lab(invocation, terminal))?;
        plan.write_again(&args.out)?;
    }
    let levels = plan.levels(args.unit.into());
    if args.study.is_none() {
        plan.write_levels(&args.out, args.unit.into())?;
    }
    tell(args, &plan, &levels, terminal)
}

/// Plans a study, and writes the plan into `out`.
///
/// # Errors
/// As [`run`].
pub fn make(
    study: &str,
    asked: &AskedArgs,
    out: &Path,
    unit: Unit,
    invocation: &Invocation,
    terminal: &Terminal,
) -> Outcome<Plan> {
    let (recipe, text) = Recipe::find(study)?;
    let plan = Plan::make(&recipe, &text, &asked.request(), &lab(invocation, terminal))?;
    plan.write(out, &text)?;
    plan.write_levels(out, unit)?;
    Ok(plan)
}

fn tell(args: &PlanArgs, plan: &Plan, levels: &[Level], terminal: &Terminal) -> Outcome {
    let program =
        std::env::current_exe().ok().map_or_else(|| "twinlens".to_owned(), |path| path.display().to_string());
    let (program, folder) = (quoted(&program), quoted(&absolute(&args.out).display().to_string()));
    let start = |level: usize, nth: &str| format!("{program} study run {folder} --level {level} --nth {nth}");
    let count = |kind: Kind| plan.nodes.iter().filter(|node| node.kind() == kind).count();
    let whole = plan.estimated(|_| true);
    let document = json!({
        "study": plan.study,
        "budget": plan.budget,
        "folder": args.out,
        "nodes": plan.nodes,
        "cells": plan.cells.len(),
        "levels": levels,
        "data": plan.data,
        "estimate": whole,
    });
    let longest = plan.longest(&levels.concat());
    let usual = || longest.map_or(4.0, |seconds| 1.5 * seconds / 3600.0);
    let job = Slurm {
        hours: args.hours.unwrap_or_else(usual),
        memory: args.memory,
        gpus: args.gpus,
        cores: args.cores,
    };
    match args.format {
        Format::Json => terminal.print(&(serde_json::to_string(&document).unwrap_or_default() + "\n")),
        Format::Commands => terminal.print(&commands(&start, levels, args.level)),
        Format::Slurm => terminal.print(&slurm(&start, levels, &job)),
        Format::Table => terminal.result(&document, || {
            let rows: Vec<Vec<String>> = Kind::ALL
                .iter()
                .filter(|kind| count(**kind) > 0)
                .map(|kind| vec![kind.to_string(), count(*kind).to_string()])
                .collect();
            let data: Vec<String> = plan
                .data
                .iter()
                .map(|data| format!("{} ({} images to learn from)", data.title(), data.train))
                .collect();
            let time = whole.map_or_else(String::new, |whole| {
                let time = twinlens_study::page::hours(whole.seconds);
                format!("Trainings: about {time} on this machine, {} on disk.\n", bytes(whole.bytes))
            });
            format!(
                "{} within budget {}, on {}: {} cells\n\n{}{time}\nNext:\n  twinlens study run {}\n",
                plan.study,
                plan.budget,
                data.join(", "),
                plan.cells.len(),
                terminal.table(&["kind", "number"], &rows),
                args.out.display()
            )
        }),
    }
}
