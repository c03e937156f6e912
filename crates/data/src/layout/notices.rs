//! What is told of the folders, and how a refusal describes them.

use std::collections::{BTreeMap, BTreeSet};

use super::level::names_at;
use super::{Item, Place, Reading};
use crate::names::{Meaning, Role};
use crate::notice::Notice;
use crate::{DataError, Split};

impl Reading<'_> {
    pub(super) fn tell_roles(&mut self, roles: &BTreeMap<String, Role>, drawn: bool) {
        let of = |role: Role| {
            roles.iter().filter(move |(_, other)| **other == role).map(|(name, _)| name.as_str())
        };
        let unlabelled = listed(of(Role::Unlabelled));
        let paths = self
            .items
            .iter()
            .filter(|item| item.top().and_then(|top| roles.get(top)) == Some(&Role::Unlabelled));
        let told = paths.fold(
            Notice::new(
                "unlabelled",
                format!("images of {unlabelled} join those to learn from, without labels"),
            ),
            |notice, item| notice.about(self.paths[item.number]),
        );
        if told.count > 0 {
            told.add_to(&mut self.notices);
        }
        let has = |split| of(Role::Split(split)).next().is_some();
        if drawn {
            let names = listed(roles.keys().map(String::as_str));
            let message = format!("folders called like splits are not heeded: {names}");
            Notice::new("split-folders", message).add_to(&mut self.notices);
        } else if has(Split::Train) && has(Split::Val) && !has(Split::Test) {
            let message = "the set has images to learn from and to choose by, but none to report on";
            let hint = "results on images that settings were chosen by are a little too good; \
                        `{splits} drawn` draws all three splits";
            Notice::new("no-test", message).hint(hint).add_to(&mut self.notices);
        }
    }

    /// Tells images to learn from that lie in a folder called like one of test images.
    pub(super) fn tell_tests(&mut self, all: &[Item<'_>]) {
        let is_test = |name: &String| Meaning::of(name).clean_split() == Some(Split::Test);
        let names: BTreeSet<&String> = all.iter().flat_map(|item| &item.folders).collect();
        let tests: BTreeSet<&String> = names.into_iter().filter(|name| is_test(name)).collect();
        let learnt = |item: &&Item<'_>| {
            let place = &self.places[item.number];
            matches!(place, Place::In { split, .. } if *split != Some(Split::Test))
                && item.folders.iter().any(|name| tests.contains(name))
        };
        let message = "images that may be learnt from lie in folders called like test images";
        let notice =
            Notice::new("test-in-training", message).hint("`{split_folder} test=FOLDER` keeps them apart");
        let notice =
            all.iter().filter(learnt).fold(notice, |notice, item| notice.about(self.paths[item.number]));
        if notice.count > 0 {
            notice.add_to(&mut self.notices);
        }
    }

    pub(super) fn unclear(&self, depth: usize) -> DataError {
        DataError::UnclearFolders { place: self.place.into(), found: self.describe(depth) }
    }

    /// The folders at `depth` as they are understood.
    pub(super) fn describe(&self, depth: usize) -> String {
        let mut names = names_at(&self.items, depth);
        let barren = self.barren.iter().filter(|folders| folders.len() == depth + 1);
        for folders in barren {
            names.entry(&folders[depth]).or_default();
        }
        let describe = |(name, count): (&str, usize)| {
            let meaning = Meaning::of(name);
            let what = match meaning.role {
                Some(Role::Split(split)) if meaning.clean() => format!(", called like {}", split.name()),
                Some(Role::Split(split)) => format!(", may be {}", split.name()),
                _ => String::new(),
            };
            format!("{name:?} ({count} images{what})")
        };
        let shown: Vec<String> =
            names.iter().map(|(name, count)| describe((name, *count))).take(20).collect();
        let more = if names.len() > shown.len() { ", ..." } else { "" };
        shown.join(", ") + more
    }
}

/// Names for a sentence.
pub(super) fn listed<'n>(names: impl Iterator<Item = &'n str>) -> String {
    names.map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")
}
