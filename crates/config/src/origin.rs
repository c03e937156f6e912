//! Where a value comes from.

use std::fmt::Write;
use std::ops::Range;
use std::sync::Arc;

/// How strong a layer is; later ones win.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// Built-in defaults.
    BuiltIn,
    /// A named preset.
    Preset,
    /// A file of settings.
    File,
    /// `TWINLENS_*`
    Environment,
    /// An assignment, `key=value`.
    Set,
    /// A flag of its own.
    Flag,
}

/// One layer: its strength, its name and its text.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    pub(super) rank: Rank,
    pub(super) name: String,
    pub(super) text: String,
}

impl Source {
    pub(super) fn built_in() -> Source {
        Source { rank: Rank::BuiltIn, name: "built-in".to_owned(), text: String::new() }
    }

    /// The name, with line and column where the text has lines.
    pub(super) fn place(&self, at: Option<usize>) -> String {
        match at {
            Some(at) if self.has_lines() => {
                let (line, column) = self.line_and_column(at);
                format!("{}:{line}:{column}", self.name)
            }
            _ => self.name.clone(),
        }
    }

    /// The name, with the line where the text has lines.
    pub(super) fn short_place(&self, at: Option<usize>) -> String {
        match at {
            Some(at) if self.has_lines() => format!("{}:{}", self.name, self.line_and_column(at).0),
            _ => self.name.clone(),
        }
    }

    fn has_lines(&self) -> bool {
        matches!(self.rank, Rank::Preset | Rank::File)
    }

    fn line_and_column(&self, at: usize) -> (usize, usize) {
        let before = self.text.get(..at).unwrap_or(&self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }

    /// The line around `span`, with carets below it.
    pub(super) fn excerpt(&self, span: Range<usize>) -> String {
        let (line, column) = self.line_and_column(span.start);
        let number = if self.has_lines() { line.to_string() } else { String::new() };
        let text = self.text.lines().nth(line - 1).unwrap_or("").replace('\t', " ");
        let marked = self.text.get(span).unwrap_or("").lines().next().unwrap_or("").chars().count();
        let margin = " ".repeat(number.len());
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = writeln!(out, "   {number} | {text}");
        let _ = writeln!(out, "   {margin} | {}{}", " ".repeat(column - 1), "^".repeat(marked.max(1)));
        out
    }
}

/// Where a value was written: its layer, and the bytes of its key and of itself in that layer's text.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    pub source: Arc<Source>,
    pub key: Option<Range<usize>>,
    pub value: Option<Range<usize>>,
}

impl Origin {
    pub fn of(source: &Arc<Source>) -> Origin {
        Origin { source: source.clone(), key: None, value: None }
    }

    pub fn spanning(source: &Arc<Source>, key: Range<usize>, value: Range<usize>) -> Origin {
        Origin { source: source.clone(), key: Some(key), value: Some(value) }
    }

    pub fn label(&self) -> String {
        self.source.short_place(self.key.as_ref().map(|key| key.start))
    }
}
