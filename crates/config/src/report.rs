//! What is wrong with a configuration: all of it, each with its place.

use std::fmt;

use super::origin::Origin;

/// A setting that a check beyond types refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The dotted key.
    pub key: String,
    /// What would be right: a range, the choices, a relation to another key.
    pub expected: String,
    /// What was found.
    pub got: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// One thing that is wrong, and where.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    message: String,
    origin: Option<Origin>,
    at_key: bool,
    because: Option<String>,
    expected: Option<String>,
    hint: Option<String>,
}

impl Finding {
    pub fn new(message: impl Into<String>, origin: Option<Origin>) -> Finding {
        Finding { message: message.into(), origin, at_key: false, because: None, expected: None, hint: None }
    }

    /// The caret points at the key, not at the value.
    pub fn at_key(self) -> Finding {
        Finding { at_key: true, ..self }
    }

    /// What was chosen elsewhere that makes this wrong.
    pub fn because(self, because: impl Into<String>) -> Finding {
        Finding { because: Some(because.into()), ..self }
    }

    pub fn expected(self, expected: impl Into<String>) -> Finding {
        Finding { expected: Some(expected.into()), ..self }
    }

    pub fn hint(self, hint: Option<String>) -> Finding {
        Finding { hint, ..self }
    }

    /// A hint where there is none yet.
    pub fn or_hint(self, hint: String) -> Finding {
        Finding { hint: self.hint.or(Some(hint)), ..self }
    }

    fn span(&self) -> Option<std::ops::Range<usize>> {
        let origin = self.origin.as_ref()?;
        if self.at_key { origin.key.clone() } else { origin.value.clone() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.message)?;
        if let Some(origin) = &self.origin {
            let span = self.span();
            writeln!(f, "   --> {}", origin.source.place(span.as_ref().map(|span| span.start)))?;
            if let Some(span) = span {
                write!(f, "{}", origin.source.excerpt(span))?;
            }
        }
        if let Some(because) = &self.because {
            writeln!(f, "   because: {because}")?;
        }
        if let Some(expected) = &self.expected {
            writeln!(f, "   expected: {expected}")?;
        }
        if let Some(hint) = &self.hint {
            writeln!(f, "   hint: {hint}")?;
        }
        Ok(())
    }
}

/// Everything that is wrong with a configuration. Its `Display` is the text for people.
#[derive(Clone, Debug, Default)]
pub struct Report {
    findings: Vec<Finding>,
}

impl Report {
    pub(super) fn of(message: String) -> Report {
        Report { findings: vec![Finding::new(message, None)] }
    }

    pub(super) fn push(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    pub(super) fn push_problem(&mut self, problem: Problem, origin: Option<Origin>) {
        let Problem { key, expected, got, hint } = problem;
        self.push(Finding::new(format!("`{key}` is {got}"), origin).expected(expected).hint(hint));
    }

    /// In the order of the layers, and of the lines within one.
    pub(super) fn sorted(mut self) -> Report {
        self.findings.sort_by_key(|finding| {
            let rank = finding.origin.as_ref().map(|origin| origin.source.rank);
            (rank, finding.span().map(|span| span.start))
        });
        self
    }

    /// How many things are wrong.
    pub fn len(&self) -> usize {
        self.findings.len()
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.findings.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.findings.len() {
            1 => writeln!(f, "the configuration has a mistake")?,
            count => writeln!(f, "the configuration has {count} mistakes")?,
        }
        for finding in self.findings.iter().take(SHOWN) {
            write!(f, "\n{}", harmless(&finding.to_string()))?;
        }
        match self.findings.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => writeln!(f, "\n... and {more} more"),
        }
    }
}

/// How many mistakes are shown: who makes more has another kind of file at hand.
const SHOWN: usize = 20;

/// `text` for a terminal, which takes control characters for orders: one character for one, as carets point at them.
fn harmless(text: &str) -> String {
    let shown = |c: char| match c {
        '\n' => c,
        '\t' => ' ',
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    text.chars().map(shown).collect()
}

impl std::error::Error for Report {}
