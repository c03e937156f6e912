//! Pages: sections of blocks, as one HTML file that needs nothing else.
//!
//! A page knows blocks (tables, pictures, maps, lists), not what they mean: whoever writes a page decides on its
//! sections. One more kind of content is a variant of [`Block`] and its lines in `templates/page.html`.

mod table;

use askama::Template;

pub use table::{Cell, Column, Gap, Table, TableRow};

use crate::atlas::Atlas;
use crate::curves::Panel;
use crate::{Picture, ReportError, Spot};

/// Everything that [`page_html`] puts into one file. All texts are plain text.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The heading: what was trained on what.
    pub title: String,
    /// The state of what the page is about, such as `done`; may be empty.
    pub state: String,
    /// The reason for the state; may be empty.
    pub message: String,
    /// The parts of the page, in order.
    pub sections: Vec<Section>,
}

/// A part of a page. One without blocks is left out.
#[derive(Clone, Debug, Default)]
pub struct Section {
    /// Its heading; may be empty, as above the first section.
    pub title: String,
    /// What it holds, in order.
    pub blocks: Vec<Block>,
}

impl Page {
    /// The headings to go to.
    fn contents(&self) -> impl Iterator<Item = &Section> {
        self.sections.iter().filter(|section| !section.title.is_empty() && !section.blocks.is_empty())
    }

    fn tables(&self) -> impl Iterator<Item = &Table> {
        self.sections.iter().flat_map(Section::tables)
    }
}

impl Section {
    /// A section with a heading.
    pub fn new(title: impl Into<String>, blocks: Vec<Block>) -> Section {
        Section { title: title.into(), blocks }
    }

    /// What to think of it all, in sentences, and what to do next: the first thing to read on a page. Nothing at all where
    /// there is neither.
    pub fn verdict(sentences: Vec<String>, commands: Vec<String>) -> Section {
        let mut blocks = Vec::new();
        if !sentences.is_empty() {
            blocks.push(Block::Verdict(sentences));
        }
        if !commands.is_empty() {
            blocks.extend([Block::Heading("What to do next".to_owned()), Block::Commands(commands)]);
        }
        Section::new("", blocks)
    }

    /// Its tables, folded ones too.
    pub fn tables(&self) -> impl Iterator<Item = &Table> {
        self.blocks.iter().filter_map(|block| match block {
            Block::Table(table) | Block::Folded(_, table) => Some(table),
            _ => None,
        })
    }

    /// Where its heading stands on the page. Titles of a page differ in their letters and digits.
    fn anchor(&self) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
        format!("part-{}", self.title.chars().map(plain).collect::<String>())
    }
}

/// One thing on a page.
#[derive(Clone, Debug)]
pub enum Block {
    /// What to think of it all, a sentence each.
    Verdict(Vec<String>),
    /// A smaller heading.
    Heading(String),
    /// A paragraph.
    Text(String),
    /// A paragraph that explains, set back.
    Note(String),
    /// What a reader should know before believing the numbers.
    Warning(String),
    /// Points, one below the other.
    List(Vec<String>),
    /// Names and their values, a line each.
    Facts(Vec<Fact>),
    /// Many names and values, in columns.
    Settings(Vec<Fact>),
    /// Lines for a shell.
    Commands(Vec<String>),
    /// Numbers in rows and columns.
    Table(Table),
    /// A table for the few, behind its title until it is asked for.
    Folded(String, Table),
    /// Pictures with their words, side by side where there is room.
    Plates(Vec<Plate>),
    /// Curves, from [`crate::training_panels`].
    Panels(Vec<Panel>),
    /// An interactive map.
    Atlas(Box<Atlas>),
}

/// A name and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// The name.
    pub name: String,
    /// The value, unit included.
    pub value: String,
}

impl Fact {
    /// `name: value`.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Fact {
        Fact { name: name.into(), value: value.into() }
    }
}

/// A picture with its words.
#[derive(Clone, Debug)]
pub struct Plate {
    /// Its heading.
    pub title: String,
    /// What it shows and how to read it.
    pub caption: String,
    /// The same in one sentence for those who cannot see it.
    pub alt: String,
    /// The picture.
    pub picture: Picture,
    /// Whether it takes the width of the page.
    pub wide: bool,
    /// What is where on it.
    pub spots: Vec<Spot>,
}

impl Plate {
    /// A picture among others, without places of its own.
    pub fn new(
        title: impl Into<String>,
        caption: impl Into<String>,
        alt: impl Into<String>,
        picture: Picture,
    ) -> Plate {
        let (title, caption, alt) = (title.into(), caption.into(), alt.into());
        Plate { title, caption, alt, picture, wide: false, spots: Vec::new() }
    }

    /// A picture of many images, as wide as the page, with what is where on it.
    pub fn wide(self, spots: Vec<Spot>) -> Plate {
        Plate { wide: true, spots, ..self }
    }
}

/// The page as one self-contained HTML file: pictures inside, nothing from the network; for screens of any width, light
/// and dark, and for paper. The one script makes maps interactive; without it they are pictures. A page states the data
/// given and concludes nothing.
///
/// # Errors
/// [`ReportError::Input`] if a row of a table has another number of cells than the table has columns.
pub fn page_html(page: &Page) -> Result<String, ReportError> {
    page.tables().try_for_each(Table::check)?;
    let mut blocks = page.sections.iter().flat_map(|section| &section.blocks);
    let has_atlas = blocks.any(|block| matches!(block, Block::Atlas(_)));
    let style = include_str!("../../templates/page.css");
    let script = include_str!("../../templates/atlas.js");
    let html = Html { page, style, script: has_atlas.then_some(script) }.render()?;
    // Texts from outside may hold control characters, which no page may.
    let allowed = |c: char| !c.is_control() || matches!(c, '\n' | '\t');
    Ok(html.chars().map(|c| if allowed(c) { c } else { '\u{fffd}' }).collect())
}

#[derive(Template)]
#[template(path = "page.html")]
struct Html<'a> {
    page: &'a Page,
    style: &'static str,
    script: Option<&'static str>,
}
