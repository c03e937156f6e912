//! What the documents say to type: every command is read by the program's own parser, its settings are resolved, links lead
//! somewhere, and the tutorial is made for real.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Output;

use clap::FromArgMatches;
use clap::error::ErrorKind;
use twinlens::cli::{Cli, Verb, command};
use twinlens::commands::config::ConfigVerb;
use twinlens::commands::spec::{finetune_spec, spec};
use twinlens::data::Pixels;
use twinlens::report::RgbImage;
use twinlens_config::Request;

use crate::training::{SMALL, twinlens};

/// Where the repository begins.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A document: its path in the repository, and its text.
struct Document {
    path: String,
    text: String,
}

impl Document {
    fn read(path: &str) -> Document {
        let text =
            std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        Document { path: path.to_owned(), text }
    }

    /// All that readers are given.
    fn all() -> Vec<Document> {
        fn below(folder: &str, found: &mut Vec<String>) {
            for item in std::fs::read_dir(root().join(folder)).unwrap().map(Result::unwrap) {
                let path = format!("{folder}/{}", item.file_name().to_str().unwrap());
                match item.path().is_dir() {
                    true => below(&path, found),
                    false if path.ends_with(".md") => found.push(path),
                    false => {}
                }
            }
        }
        let mut paths = vec!["README.md".to_owned(), "CONTRIBUTING.md".to_owned()];
        below("docs", &mut paths);
        paths.iter().map(|path| Document::read(path)).collect()
    }

    /// The lines of the blocks that are marked as commands of a shell. A line that ends in a backslash goes on.
    fn typed(&self) -> Vec<String> {
        let text = self.text.replace("\\\n", " ");
        let mut fence = None;
        let mut typed = Vec::new();
        for line in text.lines() {
            match (line.strip_prefix("```"), fence) {
                (Some(language), None) => fence = Some(language),
                (Some(_), Some(_)) => fence = None,
                (None, Some("sh")) => typed.push(line.to_owned()),
                (None, _) => {}
            }
        }
        typed
    }

    /// What the running text calls by name, such as `twinlens list methods`.
    fn mentioned(&self) -> Vec<String> {
        let paragraphs = self.text.split("```").step_by(2);
        let spans = paragraphs.flat_map(|prose| prose.split('`').skip(1).step_by(2));
        let commands = spans.filter(|span| span.starts_with("twinlens ") && !span.contains("VERB"));
        commands.filter(|span| !span.contains("...")).map(|span| span.replace('\n', " ")).collect()
    }
}

/// The words of a line as a shell would give them to twinlens; none if the line is not for twinlens. Comments, variables in front,
/// and what becomes of the output are left out.
fn words(line: &str) -> Option<Vec<String>> {
    let mut words: Vec<String> = vec![String::new()];
    let mut quote = None;
    for letter in line.chars() {
        match (letter, quote) {
            ('\'' | '"', None) => quote = Some(letter),
            (_, Some(open)) if letter == open => quote = None,
            (' ', None) => words.push(String::new()),
            ('#' | '>' | '|' | ';' | '&', None) if words.last().is_some_and(String::is_empty) => break,
            _ => words.last_mut().unwrap().push(letter),
        }
    }
    words.retain(|word| !word.is_empty());
    let program = words.iter().position(|word| !word.contains('='))?;
    (words[program] == "twinlens").then(|| words.split_off(program))
}

#[test]
fn a_line_is_read_as_a_shell_reads_it() {
    let read = |line: &str| words(line).map(|words| words.join("|"));
    assert_eq!(read("twinlens list 'res net*'  # all"), Some("twinlens|list|res net*".to_owned()));
    assert_eq!(read("A=1 twinlens knn runs/a > out.txt"), Some("twinlens|knn|runs/a".to_owned()));
    assert_eq!(read("cargo run -- quickstart"), None);
    assert_eq!(read(""), None);
}

/// What a command line asks for, if the parser takes it.
fn parsed(words: &[String]) -> Result<Cli, clap::Error> {
    command().try_get_matches_from(words).and_then(|matches| Cli::from_arg_matches(&matches))
}

/// What is wrong with the settings of a command line. Files that it names are not here.
fn wrong_settings(cli: Cli) -> Option<String> {
    let bare = |request: Request| Request { files: Vec::new(), ..request };
    match cli.verb {
        Verb::Pretrain(args) => spec().resolve(&bare(args.settings.request())).err(),
        Verb::Finetune(args) => finetune_spec().resolve(&bare(args.common.request())).err(),
        Verb::Config(args) => {
            let of_finetuning = args.is_of_finetuning();
            let ConfigVerb::Show(settings) = args.verb else { return None };
            match of_finetuning {
                true => finetune_spec().resolve(&bare(settings.common.request())).err(),
                false => spec().resolve(&bare(settings.request())).err(),
            }
        }
        _ => None,
    }
    .map(|report| report.to_string())
}

#[test]
fn every_command_of_the_documents_is_understood_and_so_are_its_settings() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for document in Document::all() {
        let typed = document.typed();
        for words in typed.iter().filter_map(|line| words(line)) {
            count += 1;
            let told = match parsed(&words) {
                Ok(cli) => wrong_settings(cli),
                Err(error) => Some(error.to_string()),
            };
            wrong.extend(told.map(|told| format!("{}: {}\n{told}", document.path, words.join(" "))));
        }
    }
    assert!(wrong.is_empty(), "{} of {count} commands:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count > 80, "only {count} commands were found");
}

#[test]
fn every_command_that_the_text_mentions_exists() {
    // The text may name a verb without all that it needs.
    let incomplete = |kind| {
        matches!(
            kind,
            ErrorKind::MissingRequiredArgument
                | ErrorKind::MissingSubcommand
                | ErrorKind::DisplayHelp
                | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
                | ErrorKind::DisplayVersion
        )
    };
    for document in Document::all() {
        for words in document.mentioned().iter().filter_map(|span| words(span)) {
            if let Err(error) = parsed(&words) {
                assert!(incomplete(error.kind()), "{}: {}\n{error}", document.path, words.join(" "));
            }
        }
    }
}

#[test]
fn commands_stand_in_blocks_where_they_are_checked() {
    for Document { path, text } in Document::all() {
        let outside = text.lines().find(|line| line.starts_with("    twinlens "));
        assert_eq!(outside, None, "{path}: put it in a block that begins with ```sh");
    }
}

/// What a heading is called in a link.
fn anchor(heading: &str) -> String {
    let kept = |letter: &char| letter.is_alphanumeric() || [' ', '-', '_'].contains(letter);
    heading
        .trim()
        .to_lowercase()
        .chars()
        .filter(kept)
        .map(|letter| if letter == ' ' { '-' } else { letter })
        .collect()
}

fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings.map(|line| anchor(line.trim_start_matches('#'))).collect()
}

#[test]
fn every_link_of_the_documents_leads_somewhere() {
    for Document { path, text } in Document::all() {
        let folder = root().join(&path).parent().unwrap().to_path_buf();
        let links = text.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0));
        for link in links.filter(|link| !link.contains("://")) {
            let (file, place) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { root().join(&path) } else { folder.join(file) };
            assert!(target.exists(), "{path}: {link}");
            if !place.is_empty() {
                let text = std::fs::read_to_string(&target).unwrap();
                assert!(anchors(&text).contains(place), "{path}: {link} has no such heading");
            }
        }
    }
}

#[test]
fn documents_that_the_sources_name_exist() {
    fn below(folder: &Path, missing: &mut Vec<String>) {
        for path in std::fs::read_dir(folder).unwrap().map(|item| item.unwrap().path()) {
            let kind = path.extension().and_then(|kind| kind.to_str());
            if path.is_dir() {
                below(&path, missing);
            } else if let (Some("rs" | "toml" | "md"), Ok(text)) = (kind, std::fs::read_to_string(&path)) {
                let named = text.split("docs/").skip(1).filter_map(|rest| Some(rest.split_once(".md")?.0));
                let is_name =
                    |name: &&str| name.chars().all(|c| c.is_ascii_alphanumeric() || "-/".contains(c));
                let absent =
                    named.filter(is_name).filter(|name| !root().join(format!("docs/{name}.md")).exists());
                missing.extend(absent.map(|name| format!("{}: docs/{name}.md", path.display())));
            }
        }
    }
    let mut missing = Vec::new();
    for folder in ["crates", "docs", "scripts"] {
        below(&root().join(folder), &mut missing);
    }
    assert_eq!(missing, Vec::<String>::new());
}

/// How a step of the tutorial is made short: all that it does, on fewer and smaller images.
fn shortened(words: &[String]) -> Vec<&str> {
    let more: &[&str] = match words[1].as_str() {
        "pretrain" => &SMALL,
        _ => &[],
    };
    words[1..].iter().map(String::as_str).chain(more.iter().copied()).collect()
}

/// A folder of JPEGs for each class, made of the bundled photographs, and one of new images without labels.
fn photographs(folder: &Path) {
    let bundled = root().join("crates/lab/assets/blood_cells_28.npz");
    let set = twinlens::data::open(&bundled, &Default::default()).unwrap();
    let images = set.splits.train.unwrap();
    for index in 0..160 {
        let class = format!("photos/cell-{}", images.label(index).unwrap());
        let class = folder.join(if index < 150 { &class } else { "new" });
        std::fs::create_dir_all(&class).unwrap();
        let image = images.image(index).unwrap();
        let Pixels::U8(pixels) = image.pixels else { panic!("the bundled images have 8 bits") };
        let picture = RgbImage::from_raw(image.width as u32, image.height as u32, pixels).unwrap();
        picture.save(class.join(format!("{index:03}.jpg"))).unwrap();
    }
}

#[test]
fn the_tutorial_runs() {
    let folder = tempfile::tempdir().unwrap();
    photographs(folder.path());
    let tutorial = Document::read("docs/tutorial.md");
    let steps: Vec<Vec<String>> = tutorial.typed().iter().filter_map(|line| words(line)).collect();
    assert!(steps.len() >= 8, "{steps:?}");
    for step in steps.iter().filter(|step| step[1] != "quickstart") {
        let mut command = twinlens(&shortened(step));
        let Output { status, stderr, .. } = command.current_dir(folder.path()).output().unwrap();
        assert!(status.success(), "{}\n{}", step.join(" "), String::from_utf8_lossy(&stderr));
    }
    for made in ["views.png", "runs/cells/report.html", "classes.csv", "features.csv"] {
        assert!(folder.path().join(made).is_file(), "{made} was not made");
    }
}
