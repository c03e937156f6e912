//! What a person should know of how a data set was read.

use serde::{Deserialize, Serialize};

use crate::text::{NAME, SENTENCE, shown};

/// Something that was guessed, left out or changed while reading: told by `data inspect`, by the log of a run and in its
/// report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// What it is, for scripts: `turned`, `pages`, `left-out`.
    pub id: String,
    /// A sentence for people.
    pub message: String,
    /// What decides it otherwise, where something does, in the form of [`DataError::hint`](crate::DataError::hint).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// How many images or files it concerns; 0 for the set as a whole.
    pub count: usize,
    /// The names of the first few ([`Notice::SHOWN`]).
    pub first: Vec<String>,
}

impl Notice {
    /// How many names a notice shows.
    pub const SHOWN: usize = 10;

    /// A notice about no image yet. Control characters of the message are escaped, and much text is shortened.
    pub fn new(id: &str, message: impl AsRef<str>) -> Notice {
        Notice {
            id: id.into(),
            message: shown(message.as_ref(), SENTENCE),
            hint: None,
            count: 0,
            first: Vec::new(),
        }
    }

    /// With a hint on what decides it otherwise.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Notice {
        self.hint = Some(hint.into());
        self
    }

    /// With one more file or image that it concerns.
    #[must_use]
    pub fn about(mut self, name: impl AsRef<str>) -> Notice {
        self.count += 1;
        if self.first.len() < Notice::SHOWN {
            self.first.push(shown(name.as_ref(), NAME));
        }
        self
    }

    /// Adds `self` to `all`: to the notice that says the same, if there is one.
    pub(crate) fn add_to(self, all: &mut Vec<Notice>) {
        match all.iter_mut().find(|notice| notice.id == self.id && notice.message == self.message) {
            None => all.push(self),
            Some(notice) => {
                notice.count += self.count;
                let room = Notice::SHOWN.saturating_sub(notice.first.len());
                notice.first.extend(self.first.into_iter().take(room));
            }
        }
    }
}

impl std::fmt::Display for Notice {
    /// The message, the number and first names, in one line.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)?;
        if self.count > 0 {
            let more = if self.count > self.first.len() { ", ..." } else { "" };
            write!(f, " ({}: {}{more})", self.count, self.first.join(", "))?;
        }
        Ok(())
    }
}
