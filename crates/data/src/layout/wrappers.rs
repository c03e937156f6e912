//! Folders that say nothing: those around everything are looked through, copies of the set are left out.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::level::{Level, names_at};
use super::{Item, Reading};
use crate::names::{Meaning, Role};
use crate::notice::Notice;
use crate::text::in_hint;

impl Reading<'_> {
    /// Looks through folders that hold everything, and leaves out those that hold the set once more.
    pub(super) fn unwrap(&mut self) {
        loop {
            if let Some(name) = self.copy() {
                let message = format!("the folder {name} holds the set once more and is left out");
                let hint = format!("`{{member}} {}` reads that folder alone", in_hint(&name));
                self.leave_out(Notice::new("copy", message).hint(hint), |item| item.top() == Some(&name));
                self.barren.retain(|folders| folders.first() != Some(&name));
            } else if let Some(name) = self.wrapper() {
                self.look_through(&name);
            } else {
                return;
            }
        }
    }

    /// The folder around (nearly) all images, if it is neither a class nor a split: most images lie deeper in it.
    fn wrapper(&self) -> Option<String> {
        let names = names_at(&self.items, 0);
        let (name, _) = names.first_key_value().filter(|_| names.len() == 1)?;
        let below = names_at(&self.items, 1);
        let deeper: usize = below.values().sum();
        let meaning = Meaning::of(name);
        let is_split = meaning.clean_split().is_some()
            && !matches!(Level::of(below.keys().copied()), Level::Divided(roles) if roles.len() > 1);
        let look = meaning.role == Some(Role::Images) && meaning.clean() || 2 * deeper > self.items.len();
        (look && !is_split).then(|| name.to_string())
    }

    fn look_through(&mut self, name: &str) {
        let inside = |folders: &[String]| folders.first().is_some_and(|top| top == name);
        for item in self.items.iter_mut().filter(|item| inside(&item.folders)) {
            item.folders.remove(0);
        }
        self.barren.retain_mut(|folders| {
            let keep = inside(folders) && folders.len() > 1;
            folders.drain(..usize::from(keep));
            keep
        });
    }

    /// A folder that holds what the folders beside it hold: the same folders, the same files.
    fn copy(&self) -> Option<String> {
        let mut below: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for item in &self.items {
            if let [top, name, ..] = &item.folders[..] {
                below.entry(top).or_default().insert(name);
            }
        }
        let tops = names_at(&self.items, 0);
        let alike = |top: &str, below: &BTreeSet<&str>| {
            tops.len() > 1
                && tops.keys().all(|name| *name == top || below.contains(name))
                && below.iter().all(|name| tops.contains_key(name)) // it may hold itself once more
        };
        let candidates = below.iter().filter(|(top, below)| alike(top, below)).map(|(top, _)| *top);
        candidates.into_iter().find(|top| self.mirrors(top)).map(String::from)
    }

    fn mirrors(&self, top: &str) -> bool {
        let (inner, outer): (Vec<_>, Vec<_>) = self.items.iter().partition(|item| item.top() == Some(top));
        let outer: HashSet<(&[String], &str)> =
            outer.iter().map(|item| (&item.folders[..], item.file)).collect();
        let again = |item: &&&Item<'_>| item.folders.get(1).is_some_and(|name| name == top);
        inner.iter().filter(|item| !again(item)).all(|item| outer.contains(&(&item.folders[1..], item.file)))
    }
}

/// Looks through folders that hold all of one split and say nothing more (`seg_train/seg_train`, `train/images`).
pub(super) fn look_through_each(items: &mut [Item<'_>], splits: &[Option<Role>]) {
    let roles: Vec<Role> = splits.iter().flatten().copied().fold(Vec::new(), |mut roles, role| {
        if !roles.contains(&role) {
            roles.push(role);
        }
        roles
    });
    for role in roles {
        loop {
            let of_role =
                || items.iter().zip(splits).filter(|(_, other)| **other == Some(role)).map(|(item, _)| item);
            let tops: BTreeSet<Option<&str>> = of_role().map(Item::top).collect();
            let only = tops.first().filter(|_| tops.len() == 1).copied().flatten();
            let says_more = |name: &str| {
                let meaning = Meaning::of(name);
                !(meaning.clean() && (meaning.role == Some(role) || meaning.role == Some(Role::Images)))
            };
            if only.is_none_or(says_more) {
                break;
            }
            let pairs = items.iter_mut().zip(splits).filter(|(_, other)| **other == Some(role));
            pairs.for_each(|(item, _)| drop(item.folders.remove(0)));
        }
    }
}

/// How many folders around all classes there are.
pub(super) fn shared_below(items: &[Item<'_>]) -> usize {
    let mut shared = 0;
    loop {
        let names = names_at(items, shared);
        let inside: usize = names.values().sum();
        let deeper: usize = names_at(items, shared + 1).values().sum();
        if names.len() != 1 || inside < items.len() || 2 * deeper <= items.len() {
            return shared;
        }
        shared += 1;
    }
}
