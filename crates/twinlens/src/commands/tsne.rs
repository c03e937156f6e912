//! `tsne`: features in the plane, by one encoder, by several, or through the epochs of a run.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::ValueHint;
use serde_json::json;
use twinlens_data::{DataSet, ImageSource, Split, Subset};
use twinlens_eval::Features;
use twinlens_eval::maps::{Tsne, sample};
use twinlens_lab::{Part, Subject, features_of, images, names};
use twinlens_nn::weights::EncoderFile;
use twinlens_report::{Atlas, AtlasInput, Block, Colouring, Frame, Page, Picture, Plate, Section, page_html};
use twinlens_run::{RunFolder, RunRecord, csv_cell, epoch_checkpoint, kept_epochs, write_atomically};
use twinlens_ssl::checkpoint_encoder;

use super::judge::{JudgeArgs, Kind, name_of, positive};
use super::layout::{Layout, MOST, Method, frame, labels_of, thumbnails};
use super::run_settings::RunSettings;
use crate::exit::{Exit, Failure, Outcome};
use crate::terminal::Terminal;

/// Arguments of `tsne`.
#[derive(Clone, Debug, clap::Args)]
#[command(before_help = "\
Examples:
  twinlens tsne runs/a --data blood.npz --html
  twinlens tsne runs/a --data blood.npz --through-epochs --html
  twinlens tsne runs/a runs/tuned --data blood.npz --out maps
  twinlens tsne runs/a --data blood.npz --map pca")]
pub struct TsneArgs {
    /// What embeds, and what is laid out.
    #[command(flatten)]
    pub judge: JudgeArgs,
    /// Further encoders: one map each, every map started from the one before
    #[arg(value_name = "MORE", value_hint = ValueHint::AnyPath)]
    pub more: Vec<PathBuf>,
    /// Which images
    #[arg(long, value_name = "all|train|val|test", default_value = "test", hide_possible_values = true, value_parser = super::part())]
    pub split: Part,
    /// A map for every epoch of which the run kept a checkpoint (setting checkpoint.keep), and one of the encoder
    /// untrained
    #[arg(long, conflicts_with = "more")]
    pub through_epochs: bool,
    /// How features are laid out
    #[arg(long, value_name = "tsne|pca", default_value = "tsne", hide_possible_values = true)]
    pub map: Method,
    /// Effective number of neighbours in t-SNE [default: 30, or a third of the images if that is less]
    #[arg(long, value_name = "P", value_parser = positive)]
    pub perplexity: Option<f64>,
    /// Steps of t-SNE's descent
    #[arg(long, value_name = "N", default_value = "1000", value_parser = clap::value_parser!(u32).range(1..))]
    pub iterations: u32,
    /// Images on the map, at most; more are drawn from
    #[arg(long, value_name = "N", default_value_t = MOST as u32, value_parser = clap::value_parser!(u32).range(4..))]
    pub most: u32,
    /// Seed of all randomness
    #[arg(long, value_name = "N", default_value = "0", value_parser = clap::value_parser!(i64).range(0..))]
    pub seed: i64,
    /// Write an interactive page too: images, neighbours, lasso, and a slider where there are several maps
    #[arg(long)]
    pub html: bool,
    /// Where to write
    ///
    /// A folder for the picture, the coordinates (CSV) and the page; without it, the plots of the first run.
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath, value_parser = folder)]
    pub out: Option<PathBuf>,
}

/// Not the name of one of the files that go there.
fn folder(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    let extension = path.extension().and_then(|extension| extension.to_str());
    match extension {
        Some("svg" | "png" | "csv" | "html") => {
            Err("expected a folder, in which picture, coordinates and page get names of their own".to_owned())
        }
        _ => Ok(path),
    }
}

/// Runs `tsne`.
///
/// # Errors
/// An encoder or data that cannot be used, settings that do not fit the number of images, no place to write.
pub fn run(args: &TsneArgs, terminal: &Terminal) -> Outcome {
    let place = Place::of(args)?;
    let (first, data) = args.judge.open(terminal)?;
    let all = images(&data, args.split)?;
    let all_names = names(&data, args.split)?;
    let drawn = sample(all.len(), args.most as usize, args.seed as u64);
    let layout = layout(args, drawn.len());
    enough(args, &layout, drawn.len())?;
    let mut frames: Vec<Frame> = Vec::new();
    for (name, subject) in subjects(args, first)? {
        let mut computing = args.judge.computing();
        // Encoders of one run's checkpoints would fill the cache.
        computing.cache = computing.cache.filter(|_| !args.through_epochs);
        let features = features_of(&subject()?, &data, args.split, &computing, terminal)?.subset(&drawn)?;
        frames.push(next_frame(name, &layout, &features, frames.last())?);
    }
    let shown = Shown {
        names: drawn.iter().map(|&image| all_names[image].clone()).collect(),
        args,
        data: &data,
        source: Arc::new(Subset::new(all.clone(), drawn.clone())?),
        drawn,
        layout,
    };
    let atlas = shown.atlas(frames, all.len())?;
    let files = place.write(&shown, &atlas)?;
    let document = json!({ "files": files, "images": shown.drawn.len(), "maps": shown.names(&atlas) });
    terminal.result(&document, || files.iter().map(|file| format!("{}\n", file.display())).collect())
}

/// Refuses fewer images than a map needs.
fn enough(args: &TsneArgs, layout: &Layout, images: usize) -> Outcome {
    let (name, least) = match layout {
        Layout::Tsne(_) => ("t-SNE", 4),
        Layout::Pca => ("a map of principal components", 2),
    };
    if images >= least {
        return Ok(());
    }
    let message = format!(
        "{name} needs at least {least} images; of the split `{}` there are {images}",
        args.split.name()
    );
    Err(Failure::message(Exit::Data, message).hint("--split all takes the images of all splits"))
}

/// One map, started from the one before.
fn next_frame(name: String, layout: &Layout, features: &Features, before: Option<&Frame>) -> Outcome<Frame> {
    let points = layout.run(features, before.map(|frame| &frame.points[..]))?;
    frame(name, points, features)
}

fn layout(args: &TsneArgs, images: usize) -> Layout {
    match (args.map, Layout::usual(images)) {
        (Method::Pca, _) => Layout::Pca,
        (Method::Tsne, Layout::Tsne(usual)) => Layout::Tsne(Tsne {
            perplexity: args.perplexity.unwrap_or(usual.perplexity),
            iterations: args.iterations as usize,
            ..usual
        }),
        (Method::Tsne, other) => other,
    }
}

type Reader<'a> = Box<dyn Fn() -> Outcome<Subject> + 'a>;

/// What embeds for each map, with its name; read when its turn comes, as checkpoints are large.
fn subjects<'a>(args: &'a TsneArgs, first: Subject) -> Outcome<Vec<(String, Reader<'a>)>> {
    if args.through_epochs {
        return through_epochs(args, first);
    }
    let several = !args.more.is_empty();
    let name = |path: &Path| if several { path.display().to_string() } else { String::new() };
    let given: Reader = Box::new(move || Ok(first.clone()));
    let mut subjects = vec![(name(&args.judge.encoder), given)];
    for path in &args.more {
        let read: Reader =
            Box::new(|| args.judge.features.subject(args.judge.read(path)?, args.judge.untrained_seed));
        subjects.push((name(path), read));
    }
    Ok(subjects)
}

fn through_epochs<'a>(args: &'a TsneArgs, first: Subject) -> Outcome<Vec<(String, Reader<'a>)>> {
    let run = &args.judge.encoder;
    if args.judge.features != Kind::Trained {
        let message = "only a trained encoder has epochs";
        return Err(Failure::message(Exit::Usage, message).hint("leave out --features"));
    }
    let epochs = kept_epochs(run)?;
    if epochs.is_empty() {
        let message = format!("the run {} kept no checkpoint of an epoch", run.display());
        let hint = "train with checkpoint.every=1 checkpoint.keep=100 to keep them";
        return Err(Failure::message(Exit::Data, message).hint(hint));
    }
    let file = first.file();
    let seed = RunSettings::of(&RunRecord::read(run)?)?.common().seed;
    let start = file.clone();
    let untrained: Reader = Box::new(move || Kind::Untrained.subject(start.clone(), seed));
    let mut subjects = vec![("untrained".to_owned(), untrained)];
    for epoch in epochs {
        let description = file.description.clone();
        let read: Reader = Box::new(move || {
            let tensors = checkpoint_encoder(&epoch_checkpoint(run, epoch)?)?;
            Ok(Subject::Encoder(EncoderFile { description: description.clone(), tensors }))
        });
        subjects.push((format!("epoch {epoch}"), read));
    }
    Ok(subjects)
}

/// What is on the maps.
struct Shown<'a> {
    args: &'a TsneArgs,
    data: &'a DataSet,
    /// The images laid out.
    source: Arc<dyn ImageSource>,
    /// Their numbers among all.
    drawn: Vec<usize>,
    /// Their splits and names.
    names: Vec<(Split, String)>,
    layout: Layout,
}

impl Shown<'_> {
    fn atlas(&self, frames: Vec<Frame>, of: usize) -> Outcome<Drawn> {
        let every: Vec<usize> = (0..self.drawn.len()).collect();
        let split = self.args.split.name();
        let which = match self.drawn.len() == of {
            true => format!("all {of}"),
            false => format!("{} of {of} (drawn with seed {})", self.drawn.len(), self.args.seed),
        };
        let several = match frames.len() {
            1 => "",
            _ => " Each map started from the one before.",
        };
        let colouring = labels_of(self.source.as_ref(), &self.data.classes, &every);
        let html = self.args.html;
        let input = AtlasInput {
            title: format!("{split} images of {}", self.data.name),
            caption: format!(
                "{} of the features of {which} {split} images. {}{several} Labels colour the points and had no part in it. \
                 Nearest images are those with the most similar features (cosine), not those nearest on the map.",
                self.layout.name(),
                self.layout.reading()
            ),
            alt: format!(
                "A scatter plot of {} images by their features, coloured by class.",
                self.drawn.len()
            ),
            noun: if split == "all" { "image".to_owned() } else { format!("{split} image") },
            images: self.drawn.clone(),
            frames: frames.clone(),
            colourings: colouring.clone().into_iter().collect(),
            thumbnails: if html { thumbnails(self.source.as_ref(), &every)? } else { Vec::new() },
        };
        let atlas = Atlas::new(input).map_err(|error| Failure::new(Exit::Failed, error))?;
        Ok(Drawn { atlas, frames, colouring })
    }

    fn names(&self, drawn: &Drawn) -> Vec<String> {
        drawn.frames.iter().map(|frame| frame.name.clone()).collect()
    }

    /// A name that tells these maps from others of the same run.
    fn file_name(&self) -> String {
        let (mut settings, mut seeds) = Default::default();
        let judge = &self.args.judge;
        judge.features.sign(&mut settings, &mut seeds, judge.untrained_seed, &judge.data, self.data);
        settings.insert("split".into(), self.args.split.name().into());
        let method = match self.layout {
            Layout::Tsne(_) => "tsne",
            Layout::Pca => "pca",
        };
        let several = match (self.args.through_epochs, self.args.more.len()) {
            (true, _) => "-through-epochs".to_owned(),
            (false, 0) => String::new(),
            (false, more) => format!("-of-{}", more + 1),
        };
        name_of(method, &settings, &seeds) + &several
    }
}

/// Maps, as a figure and as numbers.
struct Drawn {
    atlas: Atlas,
    frames: Vec<Frame>,
    colouring: Option<Colouring>,
}

impl Drawn {
    /// One line for each image on each map.
    fn csv(&self, images: &[usize], names: &[(Split, String)]) -> String {
        let mut text = "map,index,split,name,label,x,y\n".to_owned();
        for frame in &self.frames {
            for (at, [x, y]) in frame.points.iter().enumerate() {
                let class = self.colouring.as_ref().and_then(|one| one.categories.get(one.values[at]?));
                let [map, label] = [&frame.name, class.unwrap_or(&String::new())].map(|text| csv_cell(text));
                // Writing to a string cannot fail.
                let (split, name) = &names[at];
                let (split, name) = (split.name(), csv_cell(name));
                let _ = writeln!(text, "{map},{},{split},{name},{label},{x},{y}", images[at]);
            }
        }
        text
    }

    fn page(&self) -> Outcome<String> {
        let mut blocks = vec![Block::Atlas(Box::new(self.atlas.clone()))];
        if self.frames.len() > 1 {
            blocks.push(Block::Plates(vec![Plate {
                title: "Side by side".to_owned(),
                caption: "The same maps, in order.".to_owned(),
                alt: format!("{} scatter plots of the same images.", self.frames.len()),
                picture: self.picture().clone(),
            }]));
        }
        let sections = vec![Section::new("", blocks)];
        let page = Page { title: "Map of features".to_owned(), sections, ..Page::default() };
        page_html(&page).map_err(|error| Failure::new(Exit::Failed, error))
    }

    fn picture(&self) -> &Picture {
        self.atlas.still()
    }
}

/// Where files go.
enum Place {
    Folder(PathBuf),
    Run(RunFolder),
}

impl Place {
    fn of(args: &TsneArgs) -> Outcome<Place> {
        match &args.out {
            Some(folder) => Ok(Place::Folder(folder.clone())),
            None if args.judge.encoder.is_dir() => Ok(Place::Run(RunFolder::open(&args.judge.encoder)?)),
            None => {
                let message = "an encoder's file has no folder for its maps";
                Err(Failure::message(Exit::Usage, message).hint("add --out FOLDER"))
            }
        }
    }

    fn write(&self, shown: &Shown, drawn: &Drawn) -> Outcome<Vec<PathBuf>> {
        let (name, picture) = (shown.file_name(), drawn.picture());
        let mut files = vec![
            self.put(&format!("{name}.{}", picture.extension()), picture.bytes())?,
            self.put(&format!("{name}.csv"), drawn.csv(&shown.drawn, &shown.names).as_bytes())?,
        ];
        if shown.args.html {
            files.push(self.put(&format!("{name}.html"), drawn.page()?.as_bytes())?);
        }
        Ok(files)
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Outcome<PathBuf> {
        match self {
            Place::Run(run) => Ok(run.write_plot(name, bytes)?),
            Place::Folder(folder) => {
                std::fs::create_dir_all(folder)
                    .map_err(|error| Failure::new(Exit::Environment, error).at(folder.display()))?;
                let path = folder.join(name);
                write_atomically(&path, bytes)?;
                Ok(path)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::parse;

    #[test]
    fn one_encoder_or_several_or_the_epochs_of_a_run() {
        let args: TsneArgs = parse("runs/a --data b.npz").unwrap();
        assert_eq!(
            (args.split, args.map, args.more.len(), args.most),
            (Part::Split(Split::Test), Method::Tsne, 0, 5000)
        );
        let args: TsneArgs = parse("runs/a runs/b c.safetensors --data b.npz --map pca --html").unwrap();
        assert_eq!((args.judge.encoder, args.more.len()), (PathBuf::from("runs/a"), 2));
        assert!(parse::<TsneArgs>("runs/a --data b.npz --through-epochs").unwrap().through_epochs);
        for bad in [
            "runs/a runs/b --data b.npz --through-epochs",
            "runs/a",
            "runs/a --data b.npz --perplexity 0",
            "runs/a --data b.npz --out map.svg",
        ] {
            assert!(parse::<TsneArgs>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn coordinates_have_a_line_for_each_image_on_each_map() {
        let colouring =
            Colouring { name: "label".into(), categories: vec!["a, b".into()], values: vec![Some(0), None] };
        let frame = |name: &str| Frame {
            name: name.into(),
            points: vec![[1.5, -2.0], [0.0, 3.0]],
            neighbours: vec![vec![1], vec![0]],
        };
        let input = AtlasInput {
            images: vec![3, 8],
            frames: vec![frame("epoch 1"), frame("epoch 2")],
            ..AtlasInput::default()
        };
        let drawn = Drawn {
            atlas: Atlas::new(input).unwrap(),
            frames: vec![frame("epoch 1"), frame("epoch 2")],
            colouring: Some(colouring),
        };
        let names = [(Split::Test, "a.png".to_owned()), (Split::Train, "b,1.png".to_owned())];
        let expected = "map,index,split,name,label,x,y\nepoch 1,3,test,a.png,\"a, b\",1.5,-2\n\
                        epoch 1,8,train,\"b,1.png\",,0,3\nepoch 2,3,test,a.png,\"a, b\",1.5,-2\n\
                        epoch 2,8,train,\"b,1.png\",,0,3\n";
        assert_eq!(drawn.csv(&[3, 8], &names), expected);
    }

    #[test]
    fn a_map_of_two_images_is_refused_with_what_to_do() {
        let args: TsneArgs = parse("runs/a --data b.npz --split val").unwrap();
        let refused = enough(&args, &layout(&args, 2), 2).unwrap_err().render(false);
        assert!(refused.contains("at least 4 images") && refused.contains("--split all"), "{refused}");
        assert!(enough(&args, &layout(&args, 4), 4).is_ok());
        assert!(enough(&args, &Layout::Pca, 2).is_ok());
    }

    #[test]
    fn perplexity_and_iterations_are_those_asked_for() {
        let args: TsneArgs = parse("runs/a --data b.npz --perplexity 12 --iterations 50").unwrap();
        let Layout::Tsne(tsne) = layout(&args, 100) else { panic!("t-SNE was asked for") };
        assert_eq!((tsne.perplexity, tsne.iterations), (12.0, 50));
        let args: TsneArgs = parse("runs/a --data b.npz").unwrap();
        assert_eq!(layout(&args, 100), Layout::usual(100));
    }
}
