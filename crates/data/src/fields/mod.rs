//! Fields of view whose channels are files of their own: from the paths of files alone to which of them are one image.
//!
//! A [`Pattern`] of names says channel, well, site and the like of every file. Files that differ in nothing but the channel are
//! one image. The pattern is stated ([`DataSettings::channels_from`]), or found: of those that microscopes are known for
//! ([`ready`]) the one that explains nearly all files, if nearly every field then has the same channels, two at least. What
//! else names say is kept as metadata.
//!
//! | channel | what becomes of it |
//! |---|---|
//! | that at least half of the fields have | is one of the set's channels |
//! | that fewer have | left out, told |
//! | that a field lacks | the field is left out, told |

mod group;
mod pattern;
mod ready;

use self::group::Fits;
pub(crate) use self::pattern::Pattern;
use self::ready::{READY, Ready};
use crate::notice::Notice;
use crate::text::{NAME, SENTENCE, shown};
use crate::{DataError, DataSettings};

/// The values of [`DataSettings::channels_from`] that are no pattern.
const AUTO: [&str; 2] = ["", "auto"];
const NONE: &str = "none";

/// The share of files that a pattern which was found must explain, and of fields that must then be whole.
const NEARLY_ALL: f64 = 0.95;

/// Channels of a pattern that was found, at most: what has more values is something else.
const MOST_CHANNELS: usize = 40;

/// Files that are tried before all are.
const TRIED: usize = 100;

/// Images made of several files.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    /// How messages call what says which files belong together.
    pub(crate) origin: String,
    /// Whether that was found, so that what speaks against it counts.
    pub(crate) found: bool,
    /// Whether folders say it too, so that they are no classes.
    pub(crate) by_folders: bool,
    /// What the channels are called, in their order.
    pub(crate) channels: Vec<String>,
    /// Names of what else is said of every field.
    pub(crate) columns: Vec<String>,
    pub(crate) fields: Vec<Field>,
    /// What was left out.
    pub(crate) notices: Vec<Notice>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Field {
    /// The number of the file of every channel.
    pub(crate) files: Vec<usize>,
    /// A text for each of [`Fields::columns`].
    pub(crate) values: Vec<String>,
}

/// Whether files may be merged at all.
pub(crate) fn wanted(settings: &DataSettings) -> bool {
    settings.channels_from != NONE
}

/// Whether it is left to the files which of them are merged.
pub(crate) fn left_open(settings: &DataSettings) -> bool {
    AUTO.contains(&settings.channels_from.as_str())
}

/// The fields that names say; `paths` are those of all files, `None` for those that are left out already.
///
/// # Errors
/// A stated pattern that is none, that no file fits, or that two files of one field and channel fit.
pub(crate) fn by_names(paths: &[Option<&str>], settings: &DataSettings) -> Result<Option<Fields>, DataError> {
    if !wanted(settings) {
        return Ok(None);
    }
    match left_open(settings) {
        true => Ok(best(READY.iter().filter_map(|ready| found(paths, ready)))),
        false => stated(paths, &settings.channels_from).map(Some),
    }
}

/// Those that take the most files; of two that take as many, the first.
fn best(all: impl Iterator<Item = (usize, Fields)>) -> Option<Fields> {
    let mut best: Option<(usize, Fields)> = None;
    for (files, fields) in all {
        if best.as_ref().is_none_or(|(most, _)| files > *most) {
            best = Some((files, fields));
        }
    }
    best.map(|(_, fields)| fields)
}

/// The fields of a pattern that a person states.
fn stated(paths: &[Option<&str>], text: &str) -> Result<Fields, DataError> {
    let wrong =
        |expected: String| DataError::BadOption { name: "channels_from", expected, got: format!("{text:?}") };
    let pattern = Pattern::parse(text).map_err(|reason| {
        wrong(format!("auto, none, or a pattern such as \"{{well}}_{{site}}_w{{channel}}\" ({reason})"))
    })?;
    let fits = Fits::of(paths, &pattern, &|_| true);
    let path = |number: usize| shown(paths[number].unwrap_or_default(), NAME);
    if let Some([one, other]) = fits.twice {
        let files = format!("{:?} and {:?}", path(one), path(other));
        return Err(wrong(format!(
            "a pattern by which no two files are of one field and channel, as {files} are"
        )));
    }
    if fits.is_empty() {
        let first = shown(paths.iter().flatten().next().unwrap_or(&"none"), NAME);
        return Err(wrong(format!("a pattern that the names of files fit, such as {first:?}")));
    }
    let fields = fits.into_fields(paths, format!("names like {text}"));
    Ok(Fields { by_folders: pattern.has_folders(), ..fields })
}

/// The number of files that a ready pattern explains, and their fields, if it explains nearly all.
fn found(paths: &[Option<&str>], ready: &Ready) -> Option<(usize, Fields)> {
    let pattern = Pattern::parse(ready.pattern).ok()?;
    let counted: Vec<Option<&str>> =
        paths.iter().copied().filter(|path| path.is_some_and(|path| !is_thumbnail(path))).collect();
    let tried: Vec<Option<&str>> =
        counted.iter().copied().step_by(counted.len().div_ceil(TRIED).max(1)).collect();
    let fitting = Fits::of(&tried, &pattern, &|channel| ready.name_of(channel).is_some()).files();
    // Fewer of some may fit than of all.
    if (fitting as f64) < (2.0 * NEARLY_ALL - 1.0) * tried.len() as f64 || fitting == 0 {
        return None;
    }
    let fits = Fits::of(paths, &pattern, &|channel| ready.name_of(channel).is_some());
    let (files, groups) = (fits.files(), fits.len());
    if fits.twice.is_some() || (files as f64) < NEARLY_ALL * counted.len() as f64 {
        return None;
    }
    let fields = fits.into_fields(paths, format!("names of {}, {}", ready.maker, ready.pattern));
    let mut fields = Fields { found: true, by_folders: pattern.has_folders(), ..fields };
    for channel in &mut fields.channels {
        *channel = ready.name_of(channel).unwrap_or_default();
    }
    let whole = fields.fields.len() as f64 >= NEARLY_ALL * groups as f64;
    (whole && (2..=MOST_CHANNELS).contains(&fields.channels.len())).then_some((files, fields))
}

/// MetaXpress writes a small copy of each image beside it.
fn is_thumbnail(path: &str) -> bool {
    path.rsplit('/').next().is_some_and(|name| name.to_ascii_lowercase().contains("_thumb"))
}

impl Fields {
    /// The same with these channels alone, in this order; all of them where none is named.
    ///
    /// # Errors
    /// Channels that are not there.
    pub(crate) fn with_channels(mut self, wanted: &[String]) -> Result<Fields, DataError> {
        let Some(places) = places_of(wanted, &self.channels)? else { return Ok(self) };
        let taken = |files: &[usize]| places.iter().map(|&place| files[place]).collect();
        self.fields.iter_mut().for_each(|field| field.files = taken(&field.files));
        self.channels = places.iter().map(|&place| self.channels[place].clone()).collect();
        Ok(self)
    }

    /// For each of so many files the field that it is a part of.
    pub(crate) fn of_files(&self, files: usize) -> Vec<Option<usize>> {
        let mut fields = vec![None; files];
        for (number, field) in self.fields.iter().enumerate() {
            field.files.iter().for_each(|&file| fields[file] = Some(number));
        }
        fields
    }

    /// Tells what was merged.
    pub(crate) fn notice(&self) -> Notice {
        let channels = self.channels.join(", ");
        let message = format!(
            "{} image(s) have {} channels ({channels}) from files of their own, by {}",
            self.fields.len(),
            self.channels.len(),
            self.origin
        );
        Notice::new("channels", message)
            .hint("`{channels_from} none` makes every file an image, a pattern such as `{channels_from} \"{{well}}_{{site}}_w{{channel}}\"` merges others")
    }
}

/// The places of the wanted channels among those that there are, which must be there, once; `None` where none is named. Names
/// are compared as they are written, or else but for case.
pub(crate) fn places_of(wanted: &[String], there: &[String]) -> Result<Option<Vec<usize>>, DataError> {
    if wanted.is_empty() {
        return Ok(None);
    }
    let place = |name: &String| {
        let same = there.iter().position(|channel| channel == name);
        same.or_else(|| there.iter().position(|channel| channel.to_lowercase() == name.to_lowercase()))
    };
    let places: Option<Vec<usize>> = wanted.iter().map(place).collect();
    let once = |places: &Vec<usize>| (0..places.len()).all(|at| !places[..at].contains(&places[at]));
    places.filter(once).map(Some).ok_or_else(|| DataError::BadOption {
        name: "channels",
        expected: format!("some of {}, each once", shown(&there.join(", "), SENTENCE)),
        got: wanted.join(", "),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by(paths: &[&str], change: impl FnOnce(&mut DataSettings)) -> Result<Option<Fields>, DataError> {
        let mut settings = DataSettings::default();
        change(&mut settings);
        by_names(&paths.iter().map(|path| Some(*path)).collect::<Vec<_>>(), &settings)
    }

    fn auto(paths: &[&str]) -> Option<Fields> {
        by(paths, |_| {}).unwrap()
    }

    fn files(fields: &Fields) -> Vec<Vec<usize>> {
        fields.fields.iter().map(|field| field.files.clone()).collect()
    }

    #[test]
    fn files_that_differ_in_the_channel_alone_are_one_image() {
        let paths =
            ["p/A01_s1_w2.tif", "p/A01_s1_w1.tif", "q/A01_s1_w1.tif", "q/A01_s1_w2.tif", "p/B01_s1_w10.tif"];
        let fields = auto(&paths[..4]).unwrap();
        assert_eq!((files(&fields), fields.channels.join(" ")), (vec![vec![1, 0], vec![2, 3]], "1 2".into()));
        assert_eq!(
            (fields.columns.join(" "), fields.fields[1].values.join(" ")),
            ("well site".into(), "A01 1".into())
        );
        assert!(
            fields.notice().message.contains("2 image(s) have 2 channels (1, 2)"),
            "{:?}",
            fields.notice()
        );
        // One file in five is of a field that is not whole.
        assert!(auto(&paths).is_none());
        let fields = by(&paths, |settings| settings.channels_from = "{well}_s{site}_w{channel}".into())
            .unwrap()
            .unwrap();
        assert_eq!((files(&fields), fields.channels.join(" ")), (vec![vec![1, 0], vec![2, 3]], "1 2".into()));
        let told: Vec<(&str, usize)> =
            fields.notices.iter().map(|notice| (notice.id.as_str(), notice.count)).collect();
        assert_eq!(told, [("rare-channels", 1), ("missing-channels", 1)]);
    }

    #[test]
    fn channels_are_in_the_order_of_numbers_or_as_asked() {
        let paths: Vec<String> = [10, 9, 1].iter().map(|channel| format!("A01_w{channel}.tif")).collect();
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        assert_eq!(auto(&paths).unwrap().channels, ["1", "9", "10"]);
        let asked = |channels: &[&str]| {
            let channels: Vec<String> = channels.iter().map(|name| (*name).into()).collect();
            auto(&paths).unwrap().with_channels(&channels)
        };
        let fields = asked(&["10", "1"]).unwrap();
        assert_eq!((files(&fields), fields.channels.join(" ")), (vec![vec![0, 2]], "10 1".into()));
        for wrong in [&["2"][..], &["1", "1"]] {
            let error = asked(wrong).unwrap_err().to_string();
            assert!(error.contains("some of 1, 9, 10, each once"), "{error}");
        }
    }

    #[test]
    fn known_channels_have_their_names_and_there_are_no_others() {
        let guid = "648EE446-12C2-4D22-B14B-6EC688B0744A";
        let paths: Vec<String> =
            [1, 2, 4].iter().map(|w| format!("Week2_180607_B02_s1_w{w}{guid}.tif")).collect();
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        let fields = auto(&paths).unwrap();
        assert_eq!(fields.channels, ["DAPI", "Tubulin", "Actin"]);
        assert_eq!(
            (fields.columns.join(" "), fields.fields[0].values.join(" ")),
            ("batch well site".into(), "Week2_180607 B02 1".into())
        );
        let colours = |names: [&str; 2]| names.map(|name| format!("{guid}_{name}.png"));
        assert_eq!(
            auto(&colours(["red", "blue"]).each_ref().map(String::as_str)).unwrap().channels,
            ["blue", "red"]
        );
        assert!(auto(&colours(["small", "large"]).each_ref().map(String::as_str)).is_none());
    }

    #[test]
    fn rows_and_columns_are_wells() {
        let paths = [
            "r01c12f01p01-ch1sk1fk1fl1.tiff",
            "r01c12f01p01-ch2sk1fk1fl1.tiff",
            "r27c02f01p01-ch1sk1fk1fl1.tiff",
            "r27c02f01p01-ch2sk1fk1fl1.tiff",
        ];
        let fields = auto(&paths).unwrap();
        let wells: Vec<&str> = fields.fields.iter().map(|field| field.values[0].as_str()).collect();
        assert_eq!(
            (fields.columns.join(" "), wells),
            ("well row column site z t".into(), vec!["A12", "AA02"])
        );
    }

    #[test]
    fn thumbnails_do_not_count() {
        let guid = "648EE446-12C2-4D22-B14B-6EC688B0744A";
        let paths: Vec<String> = ["w1", "w1_thumb", "w2", "w2_thumb"]
            .iter()
            .map(|part| format!("p_B02_s1_{part}{guid}.tif"))
            .collect();
        let fields = auto(&paths.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
        assert_eq!((files(&fields), fields.notices[0].count), (vec![vec![0, 2]], 2));
    }

    #[test]
    fn photographs_are_not_merged() {
        let numbered: Vec<String> = (0..300).map(|i| format!("cat/IMG_{i:04}.jpg")).collect();
        let sets: [&[&str]; 6] = [
            &numbered.iter().map(String::as_str).collect::<Vec<_>>(),
            &["1.png"],
            &["a/A01_s1_w1.png", "a/A01_s2_w1.png"],
            &["a/1_red.png", "a/1_green.png", "a/2_red.png", "a/2_green.png"],
            &["Channel 1-01-A-01-00.tif", "cat.tif", "dog.tif"],
            &[],
        ];
        for paths in sets {
            assert!(auto(paths).is_none(), "{paths:?}");
        }
        assert!(
            by(&["A01_s1_w1.tif", "A01_s1_w2.tif"], |settings| settings.channels_from = "none".into())
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn wrong_patterns_are_refused_with_a_reason() {
        for (pattern, reason) in [
            ("{well}_{site}", "no field is called {channel}"),
            ("{plate}-{channel}", "such as \"A01_s1_w1.tif\""),
            ("{well}_s{*}_w{channel}", "\"A01_s1_w1.tif\" and \"A01_s2_w1.tif\""),
        ] {
            let error =
                by(&["A01_s1_w1.tif", "A01_s2_w1.tif"], |settings| settings.channels_from = pattern.into());
            let error = error.unwrap_err().to_string();
            assert!(error.contains(reason), "{pattern}: {error}");
        }
    }

    #[test]
    fn folders_may_be_channels() {
        let paths = ["x/actin/1.tif", "x/actin/2.tif", "x/dapi/1.tif", "x/dapi/2.tif", "notes/3.tif"];
        let fields =
            by(&paths, |settings| settings.channels_from = "x/{channel}/{site}".into()).unwrap().unwrap();
        assert_eq!((files(&fields), fields.notices[0].count), (vec![vec![0, 2], vec![1, 3]], 1));
        assert_eq!(fields.channels, ["actin", "dapi"]);
    }
}
