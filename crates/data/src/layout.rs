//! What folders mean: from the paths of images alone to the split and class of each.
//!
//! Steps, each of which looks at names and numbers only:
//!
//! 1. [`DataSettings::member`] chooses a folder; the others are left out.
//! 2. `images/` beside `masks/` (labels, annotations, previews): the images are read, their companions left out.
//! 3. Folders that hold everything (as archives often have) are looked through, down to the last above the files.
//! 4. A folder that holds the set once more is left out.
//! 5. Folders called like splits ([`crate::names`]) are splits, above the classes (`train/cat`) or below (`cat/train`).
//! 6. The topmost folder that is left is the class; files in deeper folders belong to it.
//!
//! Whatever is left out or guessed is told. Where a test image might get into training, the set is refused:
//!
//! | folders | read as |
//! |---|---|
//! | `train/cat val/cat test/cat` | splits and classes |
//! | `... unlabeled/` | joins the training images, without labels |
//! | `... images to predict/` | left out |
//! | `cat/train cat/test dog/train` | classes and splits |
//! | `train/ cats/`, `train1/ train2/ test1/`, `train/` and an empty `test/` | refused |
//! | `cat/ dog/` | classes, undivided |

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashSet};

use unicode_normalization::{UnicodeNormalization, is_nfc};

use crate::names::{Meaning, Role};
use crate::notice::Notice;
use crate::{DataError, DataSettings, Split, SplitPolicy};

/// Where an image belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the set: in a split, if folders divide it, and in a class, if folders say so.
    In { split: Option<Split>, class: Option<String> },
    /// Beside the folders that divide the set.
    Outside,
    /// Left out; a notice says why.
    LeftOut,
}

/// What the folders of a set mean.
#[derive(Debug)]
pub(crate) struct Layout {
    /// For every path, in their order.
    pub(crate) places: Vec<Place>,
    /// What was guessed or left out.
    pub(crate) notices: Vec<Notice>,
}

/// An image and the folders that it lies in, outermost first: those that are not understood yet.
#[derive(Clone)]
struct Item<'a> {
    number: usize,
    folders: Vec<String>,
    file: &'a str,
}

/// A name in the form in which it is compared: composed letters (NFC), so that one name is one name.
pub(crate) fn composed(name: &str) -> String {
    if is_nfc(name) { name.into() } else { name.nfc().collect() }
}

fn folders_of(path: &str) -> Vec<String> {
    path.split('/').filter(|part| !part.is_empty() && *part != ".").map(composed).collect()
}

/// What the folders of `paths` (of images, below `place`) mean. `barren` are folders without any image read here.
pub(crate) fn understand(
    place: &str,
    paths: &[&str],
    barren: &[String],
    settings: &DataSettings,
) -> Result<Layout, DataError> {
    let items: Vec<Item<'_>> =
        paths.iter().enumerate().map(|(number, path)| Item::of(number, path)).collect();
    let all = items.clone();
    let barren = barren.iter().map(|path| folders_of(path)).collect();
    let places = vec![Place::LeftOut; paths.len()];
    let mut reading = Reading { place, paths, settings, items, barren, places, notices: Vec::new() };
    reading.choose_member()?;
    reading.drop_companions();
    if settings.split_folders.is_empty() {
        reading.unwrap();
        reading.divide()?;
    } else {
        reading.divide_as_stated()?;
    }
    reading.tell_tests(&all);
    Ok(Layout { places: reading.places, notices: reading.notices })
}

impl<'a> Item<'a> {
    fn of(number: usize, path: &'a str) -> Item<'a> {
        let mut folders = folders_of(path);
        folders.pop();
        Item { number, folders, file: path.rsplit('/').next().unwrap_or(path) }
    }

    fn top(&self) -> Option<&str> {
        self.folders.first().map(String::as_str)
    }
}

/// Names of folders beside each other and how many images each holds.
type Names<'n> = BTreeMap<&'n str, usize>;

fn names_at<'n>(items: &'n [Item<'_>], depth: usize) -> Names<'n> {
    let mut names = Names::new();
    for name in items.iter().filter_map(|item| item.folders.get(depth)) {
        *names.entry(name.as_str()).or_default() += 1;
    }
    names
}

/// What folders beside each other are.
enum Level {
    /// None is called like a split.
    Undivided,
    /// Every one has its role.
    Divided(BTreeMap<String, Role>),
    /// Some are called like splits, and it is not certain what they are.
    Unclear,
}

impl Level {
    fn of<'n>(names: impl IntoIterator<Item = &'n str>) -> Level {
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
    fn holds_out(&self) -> bool {
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

/// The state of understanding.
struct Reading<'a> {
    place: &'a str,
    paths: &'a [&'a str],
    settings: &'a DataSettings,
    /// Images whose place is not known yet.
    items: Vec<Item<'a>>,
    /// Folders without images, as far below as the items are.
    barren: Vec<Vec<String>>,
    places: Vec<Place>,
    notices: Vec<Notice>,
}

impl<'a> Reading<'a> {
    /// Takes the items out that `out` names, and tells it.
    fn leave_out(&mut self, notice: Notice, out: impl Fn(&Item<'a>) -> bool) {
        let (out, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut self.items).into_iter().partition(out);
        self.items = kept;
        let notice = out.iter().fold(notice, |notice, item| notice.about(self.paths[item.number]));
        if notice.count > 0 {
            notice.add_to(&mut self.notices);
        }
    }

    /// Keeps what lies in the folder that the settings name, as if it lay in the folder above.
    fn choose_member(&mut self) -> Result<(), DataError> {
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
    fn drop_companions(&mut self) {
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
        let hint = format!("`--member {first}` reads that folder instead");
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

    /// Looks through folders that hold everything, and leaves out those that hold the set once more.
    fn unwrap(&mut self) {
        loop {
            if let Some(name) = self.copy() {
                let message = format!("the folder {name} holds the set once more and is left out");
                let hint = format!("`--member {name}` reads that folder alone");
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

    /// Splits above the classes, below them, or none.
    fn divide(&mut self) -> Result<(), DataError> {
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

    /// Whether splits are decided without the folders.
    fn drawn(&self) -> bool {
        matches!(self.settings.splits, SplitPolicy::Drawn | SplitPolicy::Column)
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
                "`--member FOLDER` reads that folder alone, `--split-folder train=FOLDER` learns from it";
            self.leave_out(Notice::new("left-out", message).hint(hint), |item| role(item) == Some(left_out));
        }
    }

    fn tell_roles(&mut self, roles: &BTreeMap<String, Role>, drawn: bool) {
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
                        `--splits drawn` draws all three splits";
            Notice::new("no-test", message).hint(hint).add_to(&mut self.notices);
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
        let notice = Notice::new("parts", message).hint("`--labels FILE` says the labels");
        names.keys().fold(notice, |notice, name| notice.about(*name)).add_to(&mut self.notices);
        let inside = self.items.iter_mut().filter(|item| !item.folders.is_empty());
        inside.for_each(|item| drop(item.folders.remove(0)));
        self.unwrap();
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
                .hint("`--member FOLDER` reads that folder alone"),
            |item| role(item) == Some(Role::Predict),
        );
        let of = |wanted: Role| {
            roles.iter().filter(move |(_, role)| **role == wanted).map(|(name, _)| name.as_str())
        };
        let tell = |id: &str, message: String| {
            Notice::new(id, message).hint("`--member FOLDER` reads one folder alone")
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

    /// Splits by the names that the settings give; folders that they do not name keep what their name says.
    fn divide_as_stated(&mut self) -> Result<(), DataError> {
        let stated = Stated::of(self.settings);
        if let Some((name, split)) =
            stated.0.iter().find(|(name, _)| !self.items.iter().any(|item| at(name, item).is_some()))
        {
            return Err(DataError::BadOption {
                name: "split_folders",
                expected: format!("folders that hold images: {}", self.describe(0)),
                got: format!("{}={}", split.name(), name.join("/")),
            });
        }
        let message = "images outside the stated folders of the splits are left out";
        let notice = Notice::new("left-out", message).hint("`--split-folder train=FOLDER` takes them in");
        self.leave_out(notice, |item| stated.split_of(item).is_none());
        let items = std::mem::take(&mut self.items);
        let mut rests = items.clone();
        for item in &mut rests {
            let cut = stated.split_of(item).map_or(0, |hit| hit.end(item));
            item.folders.drain(..cut);
        }
        let wrapped = shared_below(&rests);
        let classes_above = rests.iter().all(|item| item.folders.is_empty());
        let drawn = self.drawn();
        for (item, rest) in items.into_iter().zip(rests) {
            let Some(hit) = stated.split_of(&item) else { continue };
            let above = item.folders[..hit.at].last().filter(|_| classes_above);
            let class = rest.folders.get(wrapped).or(above).cloned();
            self.places[item.number] = Place::In { split: Some(hit.split).filter(|_| !drawn), class };
        }
        Ok(())
    }

    /// Tells images to learn from that lie in a folder called like one of test images.
    fn tell_tests(&mut self, all: &[Item<'_>]) {
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
            Notice::new("test-in-training", message).hint("`--split-folder test=FOLDER` keeps them apart");
        let notice =
            all.iter().filter(learnt).fold(notice, |notice, item| notice.about(self.paths[item.number]));
        if notice.count > 0 {
            notice.add_to(&mut self.notices);
        }
    }

    /// The folders at `depth` as they are understood.
    fn describe(&self, depth: usize) -> String {
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

    fn unclear(&self, depth: usize) -> DataError {
        DataError::UnclearFolders { place: self.place.into(), found: self.describe(depth) }
    }
}

/// Splits by the names of folders that the settings give.
struct Stated(Vec<(Vec<String>, Split)>);

/// Where in a path the folder of a split stands.
struct Hit {
    at: usize,
    len: usize,
    split: Split,
}

impl Stated {
    fn of(settings: &DataSettings) -> Stated {
        let folders = settings.split_folders.iter();
        let names = folders.flat_map(|(split, names)| names.iter().map(|name| (folders_of(name), *split)));
        Stated(names.collect())
    }

    /// The split of an item: of several, that of the outermost folder, of these of the longest; else by its name.
    fn split_of(&self, item: &Item<'_>) -> Option<Hit> {
        let hit = |(name, split): &(Vec<String>, Split)| {
            Some(Hit { at: at(name, item)?, len: name.len(), split: *split })
        };
        let by_name = || {
            let split = |(at, name): (usize, &String)| {
                Some(Hit { at, len: 1, split: Meaning::of(name).clean_split()? })
            };
            item.folders.iter().enumerate().find_map(split)
        };
        self.0.iter().filter_map(hit).min_by_key(|hit| (hit.at, Reverse(hit.len))).or_else(by_name)
    }
}

impl Hit {
    /// Where what lies below begins: a folder of the same name once more is looked through.
    fn end(&self, item: &Item<'_>) -> usize {
        let end = self.at + self.len;
        end + usize::from(item.folders.get(end) == item.folders.get(end - 1))
    }
}

/// Where a folder, or several in each other, stand in an item's path.
fn at(name: &[String], item: &Item<'_>) -> Option<usize> {
    if name.is_empty() { None } else { item.folders.windows(name.len()).position(|window| window == name) }
}

/// The roles of folders of which each is called like a split, however doubtful, or may lie beside splits.
fn all_beside_splits<'n>(names: impl Iterator<Item = &'n str>) -> Option<BTreeMap<String, Role>> {
    let role = |name: &str| match Meaning::of(name) {
        Meaning { role: role @ Some(Role::Split(_)), .. } => role,
        meaning => meaning.role.filter(|_| is_beside_splits(&meaning)),
    };
    names.map(|name| Some((name.to_string(), role(name)?))).collect()
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

/// Roles of folders beside classes.
fn beside_classes(name: &str) -> Option<Role> {
    let meaning = Meaning::of(name);
    let unlabelled = meaning.role == Some(Role::Unlabelled) && !name.to_lowercase().contains("extra");
    let told = matches!(meaning.role, Some(Role::Predict | Role::Companion)) || unlabelled;
    meaning.role.filter(|_| meaning.clean() && told)
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

/// Looks through folders that hold all of one split and say nothing more (`seg_train/seg_train`, `train/images`).
fn look_through_each(items: &mut [Item<'_>], splits: &[Option<Role>]) {
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
fn shared_below(items: &[Item<'_>]) -> usize {
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

/// Names for a sentence.
fn listed<'n>(names: impl Iterator<Item = &'n str>) -> String {
    names.map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")
}
