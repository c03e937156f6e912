//! Which field a path in a table, or the name of a mask, means.
//!
//! Paths are compared by their last parts, without the folders that only one of them has: `D:\plate1\B02_s1.tif` means
//! `plate1/B02_s1.tif`, or the only `B02_s1.tif`. Then without endings, and then by the longest name of a field that the name
//! goes on from with something other than a letter or digit: `B02_s1_labels.png` means `B02_s1.tif`, and not `B02_s.tif`.

use std::collections::HashMap;

/// The fields of a set, to be found by name.
pub(crate) struct FieldNames {
    /// File names in lower case, and without ending; the numbers of the fields that have them.
    files: HashMap<String, Vec<usize>>,
    stems: HashMap<String, Vec<usize>>,
    paths: Vec<String>,
}

/// What a name means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meant {
    /// This field.
    Field(usize),
    /// Several fields alike.
    Several,
    /// None.
    None,
}

impl FieldNames {
    /// Fields of these names.
    pub(crate) fn new(names: impl Iterator<Item = String>) -> FieldNames {
        let paths: Vec<String> = names.map(|name| plain(&name)).collect();
        let (mut files, mut stems) = (HashMap::<_, Vec<usize>>::new(), HashMap::<_, Vec<usize>>::new());
        for (field, path) in paths.iter().enumerate() {
            files.entry(file_of(path).to_owned()).or_default().push(field);
            stems.entry(stem_of(path).to_owned()).or_default().push(field);
        }
        FieldNames { files, stems, paths }
    }

    /// The field that `name` means: as a path, as a file without its ending, or as something made of a field.
    pub(crate) fn meant(&self, name: &str) -> Meant {
        let name = plain(name);
        if let Some(fields) = self.files.get(file_of(&name)) {
            return self.nearest(fields, &name);
        }
        let stem = stem_of(&name);
        if let Some(fields) = self.stems.get(stem) {
            return self.nearest(fields, &name);
        }
        let ends =
            stem.char_indices().rev().filter(|(_, letter)| !letter.is_alphanumeric()).map(|(at, _)| at);
        let longest = ends.filter_map(|end| self.stems.get(&stem[..end])).next();
        longest.map_or(Meant::None, |fields| self.nearest(fields, &name))
    }

    /// Of several fields of that file name the one whose folders agree most.
    fn nearest(&self, fields: &[usize], name: &str) -> Meant {
        let agreeing = |field: usize| {
            let folders = |path: &str| path.rsplit('/').skip(1).map(String::from).collect::<Vec<String>>();
            let (a, b) = (folders(name), folders(&self.paths[field]));
            a.iter().zip(&b).take_while(|(a, b)| a == b).count()
        };
        let most = fields.iter().map(|&field| agreeing(field)).max().unwrap_or(0);
        let mut best = fields.iter().filter(|&&field| agreeing(field) == most);
        match (best.next(), best.next()) {
            (Some(&only), None) => Meant::Field(only),
            (None, _) => Meant::None,
            _ => Meant::Several,
        }
    }
}

/// With slashes, in lower case.
fn plain(name: &str) -> String {
    name.trim().replace('\\', "/").to_lowercase()
}

fn file_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The file name without its ending (and without a second one, as in `.ome.tif`).
fn stem_of(path: &str) -> &str {
    let file = file_of(path);
    let stem = file
        .rsplit_once('.')
        .filter(|(stem, end)| !stem.is_empty() && end.len() <= 5)
        .map_or(file, |(stem, _)| stem);
    stem.strip_suffix(".ome").unwrap_or(stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_mean_the_field_that_they_are_nearest_to() {
        let names = [
            "plate1/B02_s1.tif",
            "plate2/B02_s1.tif",
            "plate2/B02_s10.tif",
            "C03.ome.tiff",
            "odd name.v2.png",
        ];
        let fields = FieldNames::new(names.into_iter().map(String::from));
        for (name, field) in [
            ("plate1/B02_s1.tif", Meant::Field(0)),
            ("D:\\data\\Plate2\\B02_s1.TIF", Meant::Field(1)),
            ("B02_s1.tif", Meant::Several),
            ("B02_s10", Meant::Field(2)),
            ("masks/plate1/B02_s1_labels.png", Meant::Field(0)),
            ("B02_s10_cp_masks.tif", Meant::Field(2)),
            ("B02_s100_labels.png", Meant::None),
            ("c03.png", Meant::Field(3)),
            ("C03-nuclei.png", Meant::Field(3)),
            ("odd name.v2_mask.png", Meant::Field(4)),
            ("B02", Meant::None),
            ("", Meant::None),
        ] {
            assert_eq!(fields.meant(name), field, "{name}");
        }
    }
}
