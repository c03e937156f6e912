//! Which folders are read: the one that the settings name, and images without their companions.

use std::collections::{BTreeMap, BTreeSet};

use super::notices::listed;
use super::{Item, Reading, folders_of};
use crate::DataError;
use crate::names::{Meaning, Role};
use crate::notice::Notice;
use crate::text::in_hint;

impl Reading<'_> {
    /// Keeps what lies in the folder that the settings name, as if it lay in the folder above.
    pub(super) fn choose_member(&mut self) -> Result<(), DataError> {
        let member = folders_of(&self.settings.member);
        if member.is_empty() {
            return Ok(());
        }
        let at = |folders: &[String]| folders.windows(member.len()).position(|window| window == member);
        if !self.items.iter().any(|item| at(&item.folders).is_some()) {
            let folders: BTreeSet<String> = self.items.iter().map(|item| item.folders.join("/")).collect();
            let shown: Vec<String> = folders.into_iter().take(Notice::SHOWN).collect();
            return Err(DataError::BadOption {
                name: "member",
                expected: format!("a folder of {} that holds images: {}", self.place, shown.join(", ")),
                got: self.settings.member.clone(),
            });
        }
        let message = format!("images outside the folder {} are left out", self.settings.member);
        self.leave_out(Notice::new("left-out", message), |item| at(&item.folders).is_none());
        let cut = |folders: &mut Vec<String>| {
            if let Some(at) = at(folders) {
                folders.drain(at..at + member.len());
            }
        };
        self.items.iter_mut().for_each(|item| cut(&mut item.folders));
        self.barren.retain_mut(|folders| {
            let inside = at(folders).is_some();
            cut(folders);
            inside
        });
        Ok(())
    }

    /// Leaves out what lies beside `images/` wherever that is, and looks through `images/`.
    pub(super) fn drop_companions(&mut self) {
        let images = folders_of_images(&self.items);
        let parents: BTreeSet<&[String]> = images.iter().map(|path| &path[..path.len() - 1]).collect();
        let beside = |folders: &[String]| {
            (0..folders.len())
                .find(|depth| parents.contains(&folders[..*depth]) && !images.contains(&folders[..=*depth]))
        };
        let names = self.items.iter().filter_map(|item| Some(item.folders[beside(&item.folders)?].clone()));
        let names: BTreeSet<String> = names.collect();
        let Some(first) = names.first() else { return };
        let listed = listed(names.iter().map(String::as_str));
        let message = format!("beside the images lie {listed}, which are no class and are left out");
        let hint = format!("`{{member}} {}` reads that folder instead", in_hint(first));
        self.leave_out(Notice::new("left-out", message).hint(hint), |item| beside(&item.folders).is_some());
        let look_through = |folders: &mut Vec<String>| {
            for depth in (1..=folders.len()).rev() {
                if images.contains(&folders[..depth]) {
                    folders.remove(depth - 1);
                }
            }
        };
        self.items.iter_mut().for_each(|item| look_through(&mut item.folders));
        self.barren.iter_mut().for_each(look_through);
    }
}

/// The folders of images that have companions beside them.
fn folders_of_images(items: &[Item<'_>]) -> BTreeSet<Vec<String>> {
    let mut children: BTreeMap<&[String], BTreeSet<&str>> = BTreeMap::new();
    for item in items {
        for depth in 0..item.folders.len() {
            children.entry(&item.folders[..depth]).or_default().insert(&item.folders[depth]);
        }
    }
    let images =
        |(parent, names): (&[String], BTreeSet<&str>)| Some([parent, &[images_among(&names)?]].concat());
    children.into_iter().filter_map(images).collect()
}

/// The folder of images, if the others beside it only hold something that belongs to them.
fn images_among(names: &BTreeSet<&str>) -> Option<String> {
    let is = |name: &str, role: Role| {
        Some(Meaning::of(name)).is_some_and(|meaning| meaning.clean() && meaning.role == Some(role))
    };
    let (images, others): (Vec<&str>, Vec<&str>) = names.iter().partition(|name| is(name, Role::Images));
    match images[..] {
        [image] if !others.is_empty() && others.iter().all(|name| is(name, Role::Companion)) => {
            Some(image.into())
        }
        _ => None,
    }
}
