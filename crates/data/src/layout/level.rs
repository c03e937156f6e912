//! What folders beside each other are, by their names.

use std::collections::{BTreeMap, BTreeSet};

use super::Item;
use crate::Split;
use crate::names::{Meaning, Role};

/// Names of folders beside each other and how many images each holds.
pub(super) type Names<'n> = BTreeMap<&'n str, usize>;

pub(super) fn names_at<'n>(items: &'n [Item<'_>], depth: usize) -> Names<'n> {
    let mut names = Names::new();
    for name in items.iter().filter_map(|item| item.folders.get(depth)) {
        *names.entry(name.as_str()).or_default() += 1;
    }
    names
}

/// What folders beside each other are.
pub(super) enum Level {
    /// None is called like a split.
    Undivided,
    /// Every one has its role.
    Divided(BTreeMap<String, Role>),
    /// Some are called like splits, and it is not certain what they are.
    Unclear,
}

impl Level {
    pub(super) fn of<'n>(names: impl IntoIterator<Item = &'n str>) -> Level {
        let meanings: BTreeMap<&str, Meaning> =
            names.into_iter().map(|name| (name, Meaning::of(name))).collect();
        let splits: BTreeMap<&str, (Split, &Meaning)> = meanings
            .iter()
            .filter_map(|(name, meaning)| {
                split_among(meaning, &meanings).map(|split| (*name, (split, meaning)))
            })
            .collect();
        if splits.is_empty() {
            return Level::Undivided;
        }
        let known =
            |(name, meaning): (&&str, &Meaning)| splits.contains_key(name) || is_beside_splits(meaning);
        let rests: BTreeSet<&str> = splits.values().map(|(_, meaning)| meaning.rest.as_str()).collect();
        if !meanings.iter().all(known) || rests.len() > 1 || numbered_apart(&splits) {
            return Level::Unclear;
        }
        let mut roles: BTreeMap<String, Role> = meanings
            .iter()
            .filter_map(|(name, meaning)| {
                let split = splits.get(name).map(|(split, _)| Role::Split(*split));
                Some((name.to_string(), split.or(meaning.role)?))
            })
            .collect();
        part_evaluation(&mut roles);
        Level::Divided(roles)
    }

    /// Whether it holds images out.
    pub(super) fn holds_out(&self) -> bool {
        match self {
            Level::Undivided => false,
            Level::Unclear => true,
            Level::Divided(roles) => {
                roles.values().any(|role| matches!(role, Role::Split(Split::Val | Split::Test)))
            }
        }
    }
}

/// The split that a folder is among others: other words in its name do not matter where a folder of another split has
/// the same; those of a test folder never do.
fn split_among(meaning: &Meaning, all: &BTreeMap<&str, Meaning>) -> Option<Split> {
    let Some(Role::Split(split)) = meaning.role else { return None };
    let counterpart = |other: &Meaning| {
        other.rest == meaning.rest && matches!(other.role, Some(Role::Split(other)) if other != split)
    };
    let test = split == Split::Test && all.len() > 1;
    (meaning.rest.is_empty() || test || all.values().any(counterpart)).then_some(split)
}

/// Whether a folder may lie beside splits without making them doubtful.
fn is_beside_splits(meaning: &Meaning) -> bool {
    meaning.clean() && matches!(meaning.role, Some(Role::Unlabelled | Role::Predict | Role::Companion))
}

/// Whether one split has several folders that differ in their numbers: `train1`, `train2`.
fn numbered_apart(splits: &BTreeMap<&str, (Split, &Meaning)>) -> bool {
    Split::ALL.iter().any(|split| {
        let of_split = splits.values().filter(|(other, _)| other == split);
        of_split.map(|(_, meaning)| meaning.numbers.as_str()).collect::<BTreeSet<_>>().len() > 1
    })
}

/// `eval` beside another folder to choose by, and no test folder, is the test split.
fn part_evaluation(roles: &mut BTreeMap<String, Role>) {
    let val = Role::Split(Split::Val);
    let is_eval = |name: &str| name.to_lowercase().contains("eval");
    let has_val = roles.iter().any(|(name, role)| *role == val && !is_eval(name));
    if has_val && !roles.values().any(|role| *role == Role::Split(Split::Test)) {
        let evals = roles.iter_mut().filter(|(name, role)| **role == val && is_eval(name));
        evals.for_each(|(_, role)| *role = Role::Split(Split::Test));
    }
}

/// The roles of folders of which each is called like a split, however doubtful, or may lie beside splits.
pub(super) fn all_beside_splits<'n>(names: impl Iterator<Item = &'n str>) -> Option<BTreeMap<String, Role>> {
    let role = |name: &str| match Meaning::of(name) {
        Meaning { role: role @ Some(Role::Split(_)), .. } => role,
        meaning => meaning.role.filter(|_| is_beside_splits(&meaning)),
    };
    names.map(|name| Some((name.to_string(), role(name)?))).collect()
}

/// Roles of folders beside classes.
pub(super) fn beside_classes(name: &str) -> Option<Role> {
    let meaning = Meaning::of(name);
    let unlabelled = meaning.role == Some(Role::Unlabelled) && !name.to_lowercase().contains("extra");
    let told = matches!(meaning.role, Some(Role::Predict | Role::Companion)) || unlabelled;
    meaning.role.filter(|_| meaning.clean() && told)
}
