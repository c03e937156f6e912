//! Where the splits stand: above the classes, below them, or nowhere.

use std::collections::{BTreeMap, BTreeSet};

use super::level::{Level, Names, all_beside_splits, beside_classes, names_at};
use super::notices::listed;
use super::wrappers::{look_through_each, shared_below};
use super::{Item, Place, Reading};
use crate::names::{Meaning, Role};
use crate::notice::Notice;
use crate::{DataError, Split};

impl<'a> Reading<'a> {
    /// Splits above the classes, below them, or none.
    pub(super) fn divide(&mut self) -> Result<(), DataError> {
        let drawn = self.drawn();
        match Level::of(names_at(&self.items, 0).into_keys()) {
            Level::Divided(roles) => return self.above(&roles, drawn),
            Level::Unclear if !drawn => return Err(self.unclear(0)),
            Level::Unclear => {
                // Whatever splits these are, they are no classes.
                if let Some(roles) = all_beside_splits(names_at(&self.items, 0).into_keys()) {
                    return self.above(&roles, drawn);
                }
            }
            Level::Undivided => {}
        }
        match (1..self.depth()).find(|&depth| self.level(depth).holds_out()) {
            Some(depth) => self.below(depth, drawn),
            None => {
                self.undivided();
                Ok(())
            }
        }
    }

    fn depth(&self) -> usize {
        self.items.iter().map(|item| item.folders.len()).max().unwrap_or(0)
    }

    fn level(&self, depth: usize) -> Level {
        Level::of(names_at(&self.items, depth).into_keys())
    }

    /// `train/cat`: the outermost folders are splits.
    fn above(&mut self, roles: &BTreeMap<String, Role>, drawn: bool) -> Result<(), DataError> {
        let refusal = self.unclear(0);
        if !drawn && self.lacks_a_split(roles) {
            return Err(refusal);
        }
        let role = |item: &Item<'_>| item.top().and_then(|top| roles.get(top)).copied();
        self.drop_roles(role);
        self.tell_roles(roles, drawn);
        let mut items = std::mem::take(&mut self.items);
        let splits: Vec<Option<Role>> = items.iter().map(role).collect();
        let inside = items.iter_mut().filter(|item| !item.folders.is_empty());
        inside.for_each(|item| drop(item.folders.remove(0)));
        look_through_each(&mut items, &splits);
        let is_split = |role: &Option<Role>| matches!(role, Some(Role::Split(_)));
        let labelled =
            items.iter().zip(&splits).filter(|(_, role)| is_split(role)).map(|(item, _)| item.clone());
        let labelled: Vec<Item<'_>> = labelled.collect();
        let wrapped = shared_below(&labelled);
        let classes = names_at(&labelled, wrapped);
        let is_test = |name: &&str| Meaning::of(name).clean_split() == Some(Split::Test);
        if !drawn && classes.keys().any(is_test) {
            return Err(refusal);
        }
        let unlabelled = self.unlabelled_among(&classes);
        for (item, role) in items.iter().zip(splits) {
            let class = item.folders.get(wrapped).filter(|name| !unlabelled.contains(*name)).cloned();
            let split = |split| Some(split).filter(|_| !drawn);
            self.places[item.number] = match role {
                Some(Role::Split(name)) => Place::In { split: split(name), class },
                Some(_) => Place::In { split: split(Split::Train), class: None },
                None if drawn => Place::In { split: None, class: None },
                None => Place::Outside,
            };
        }
        Ok(())
    }

    /// Whether a folder beside the splits is called like one and holds no image.
    fn lacks_a_split(&self, roles: &BTreeMap<String, Role>) -> bool {
        self.barren.iter().any(|folders| match &folders[..] {
            [name] => !roles.contains_key(name) && Meaning::of(name).clean_split().is_some(),
            _ => false,
        })
    }

    /// Folders among classes whose images have no label by their name; tells them.
    fn unlabelled_among(&mut self, classes: &Names<'_>) -> BTreeSet<String> {
        let unlabelled = |name: &&&str| classes.len() > 1 && beside_classes(name) == Some(Role::Unlabelled);
        let names: BTreeSet<String> =
            classes.keys().filter(unlabelled).map(|name| name.to_string()).collect();
        if !names.is_empty() {
            let message = format!("images of {} have no label", listed(names.iter().map(String::as_str)));
            Notice::new("unlabelled", message).add_to(&mut self.notices);
        }
        names
    }

    /// Leaves out what lies beside splits and is not to learn from.
    fn drop_roles(&mut self, role: impl Fn(&Item<'a>) -> Option<Role>) {
        let known = [
            (Role::Predict, "images to predict are left out"),
            (Role::Companion, "what lies beside the images (masks, labels, previews) is left out"),
        ];
        for (left_out, message) in known {
            let hint =
                "`{member} FOLDER` reads that folder alone, `{split_folder} train=FOLDER` learns from it";
            self.leave_out(Notice::new("left-out", message).hint(hint), |item| role(item) == Some(left_out));
        }
    }

    /// `cat/train`: folders at `depth` are splits of the classes above them.
    fn below(&mut self, depth: usize, drawn: bool) -> Result<(), DataError> {
        let level = self.level(depth);
        let complete = self.items.iter().all(|item| item.folders.len() > depth);
        let more = names_at(&self.items, depth + 1).len();
        match level {
            Level::Divided(roles) if complete && more < 2 => {
                let role =
                    |item: &Item<'_>| item.folders.get(depth).and_then(|name| roles.get(name)).copied();
                self.drop_roles(role);
                for item in std::mem::take(&mut self.items) {
                    let (split, class) = match role(&item) {
                        Some(Role::Split(split)) => (split, item.top().map(String::from)),
                        _ => (Split::Train, None),
                    };
                    self.places[item.number] = Place::In { split: Some(split).filter(|_| !drawn), class };
                }
                Ok(())
            }
            _ if drawn => {
                self.undivided();
                Ok(())
            }
            _ => Err(self.unclear(depth)),
        }
    }

    /// The outermost folders are classes.
    fn undivided(&mut self) {
        self.join_parts();
        let roles: BTreeMap<String, Role> = match names_at(&self.items, 0) {
            names if names.len() < 2 => BTreeMap::new(),
            names => {
                names.into_keys().filter_map(|name| Some((name.into(), beside_classes(name)?))).collect()
            }
        };
        let role = |item: &Item<'_>| item.top().and_then(|top| roles.get(top)).copied();
        self.leave_out(
            Notice::new("left-out", "images to predict are left out")
                .hint("`{member} FOLDER` reads that folder alone"),
            |item| role(item) == Some(Role::Predict),
        );
        let of = |wanted: Role| {
            roles.iter().filter(move |(_, role)| **role == wanted).map(|(name, _)| name.as_str())
        };
        let tell = |id: &str, message: String| {
            Notice::new(id, message).hint("`{member} FOLDER` reads one folder alone")
        };
        if of(Role::Unlabelled).next().is_some() {
            let message = format!("images of {} have no label", listed(of(Role::Unlabelled)));
            tell("unlabelled", message).add_to(&mut self.notices);
        }
        if of(Role::Companion).next().is_some() {
            let message =
                format!("folders are taken as classes by their name: {}", listed(of(Role::Companion)));
            tell("class-or-not", message).add_to(&mut self.notices);
        }
        for item in std::mem::take(&mut self.items) {
            let class = item.folders.first().cloned().filter(|_| role(&item) != Some(Role::Unlabelled));
            self.places[item.number] = Place::In { split: None, class };
        }
    }

    /// Looks through folders that are parts of one folder of images (`images_001`, `images_002`), and tells it.
    fn join_parts(&mut self) {
        let names = names_at(&self.items, 0);
        let meanings: Vec<Meaning> = names.keys().map(|name| Meaning::of(name)).collect();
        let part = |meaning: &Meaning| {
            meaning.role == Some(Role::Images)
                && meaning.rest == meanings[0].rest
                && !meaning.numbers.is_empty()
        };
        if meanings.len() < 2 || !meanings.iter().all(part) {
            return;
        }
        let message = "folders that differ in their numbers alone are parts of one, and no classes";
        let notice = Notice::new("parts", message).hint("`{labels} FILE` says the labels");
        names.keys().fold(notice, |notice, name| notice.about(*name)).add_to(&mut self.notices);
        let inside = self.items.iter_mut().filter(|item| !item.folders.is_empty());
        inside.for_each(|item| drop(item.folders.remove(0)));
        self.unwrap();
    }
}
