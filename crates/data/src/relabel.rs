//! Other classes for the same images in the same splits: the values of a column, or how bright images are.
//!
//! Splits stay those that they were drawn by the set's own labels, so that two questions are asked of the same images: what
//! their class is, and which plate they are of.

use std::collections::BTreeSet;
use std::sync::Arc;

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::groups::{find_column, value};
use crate::notice::Notice;
use crate::store::hex;
use crate::{DataError, DataSet, Image, ImageSource, Split};

/// What stands for the mean of an image's values, unless there is a column of that name.
const BRIGHTNESS: &str = "brightness";

/// With more different numbers than these, a column is cut into thirds.
const MOST_NUMBERS: usize = 10;

/// What thirds are called, of columns and of brightness.
const THIRDS: [&str; 3] = ["low", "middle", "high"];

impl DataSet {
    /// The same images in the same splits with other classes: the values of the column `by`, or, of a column of many numbers and of
    /// `brightness` (the mean of all values of an image), the thirds of the training images: low, middle, high. Images without a value
    /// have no label.
    ///
    /// # Errors
    /// No such column; images that cannot be read.
    pub(crate) fn relabelled(mut self, by: &str) -> Result<DataSet, DataError> {
        let sources = || Split::ALL.into_iter().filter_map(|split| Some((split, self.splits.get(split)?)));
        let columns = sources().next().map_or(&[][..], |(_, source)| source.columns());
        let texts: Vec<(Split, Vec<Option<String>>)> = if by == BRIGHTNESS
            && !columns.iter().any(|column| column == BRIGHTNESS)
        {
            let of =
                |(split, source): (Split, &Arc<dyn ImageSource>)| Ok((split, brightness(source.as_ref())?));
            sources().map(of).collect::<Result<_, DataError>>()?
        } else {
            let column = find_column(&self.name, columns, by, "{label_by}")?;
            let text =
                |source: &dyn ImageSource, index| value(source.metadata(index), column).map(str::to_owned);
            let all = |source: &dyn ImageSource| (0..source.len()).map(|index| text(source, index)).collect();
            sources().map(|(split, source)| (split, all(source.as_ref()))).collect()
        };
        let classes = Classes::of(&texts);
        let without = texts.iter().flat_map(|(_, texts)| texts).filter(|text| text.is_none()).count();
        let message = format!("classes are those of `{by}`: {}{}", classes.names.join(", "), classes.told());
        Notice::new("label-by", message).add_to(&mut self.notices);
        if without > 0 {
            let message = format!("{without} images have no value of `{by}`, and no label");
            Notice::new("without-value", message).add_to(&mut self.notices);
        }
        for (split, texts) in texts {
            let Some(source) = self.splits.get(split).cloned() else { continue };
            let labels = texts.iter().map(|text| classes.label(text.as_deref()?)).collect();
            self.splits.set(split, Arc::new(Relabelled { source, labels }));
        }
        self.fingerprint = hex(&Sha256::digest(format!("{} labels by {by} 1", self.fingerprint)));
        self.classes = classes.names;
        Ok(self)
    }
}

/// The mean of all values of every image, as text.
fn brightness(source: &dyn ImageSource) -> Result<Vec<Option<String>>, DataError> {
    let mean = |index| {
        let values = source.image(index)?.pixels.to_f64();
        Ok(Some((values.iter().sum::<f64>() / values.len() as f64).to_string()))
    };
    (0..source.len()).into_par_iter().map(mean).collect()
}

/// The classes that texts fall into.
struct Classes {
    names: Vec<String>,
    /// Where thirds end, of numbers that are cut.
    ends: Option<[f64; 2]>,
}

impl Classes {
    fn of(texts: &[(Split, Vec<Option<String>>)]) -> Classes {
        let known = || texts.iter().flat_map(|(_, texts)| texts.iter().flatten());
        let names: BTreeSet<&String> = known().collect();
        let numbers: Option<Vec<f64>> = known().map(|text| number(text)).collect();
        if names.len() <= MOST_NUMBERS || numbers.is_none() {
            return Classes { names: names.into_iter().cloned().collect(), ends: None };
        }
        let train = texts.iter().find(|(split, _)| *split == Split::Train).or(texts.first());
        let mut numbers: Vec<f64> = train
            .into_iter()
            .flat_map(|(_, texts)| texts.iter().flatten().filter_map(|text| number(text)))
            .collect();
        numbers.sort_by(f64::total_cmp);
        let end = |third: usize| numbers.get(third * numbers.len() / 3).copied().unwrap_or(0.0);
        Classes { names: THIRDS.map(str::to_owned).to_vec(), ends: Some([end(1), end(2)]) }
    }

    fn label(&self, text: &str) -> Option<usize> {
        match self.ends {
            Some(ends) => number(text).map(|number| ends.iter().filter(|end| number >= **end).count()),
            None => self.names.iter().position(|name| name == text),
        }
    }

    fn told(&self) -> String {
        self.ends.map_or(String::new(), |[low, high]| {
            format!(" (thirds of the training images, below {low:.4} and from {high:.4} on)")
        })
    }
}

fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|number: &f64| number.is_finite())
}

/// A source with other labels, one for each image, where it has one, and no tags.
pub(crate) struct Relabelled {
    pub(crate) source: Arc<dyn ImageSource>,
    pub(crate) labels: Vec<Option<usize>>,
}

impl ImageSource for Relabelled {
    fn len(&self) -> usize {
        self.source.len()
    }

    fn image(&self, index: usize) -> Result<Image, DataError> {
        self.source.image(index)
    }

    fn stored(&self, index: usize) -> Result<Image, DataError> {
        self.source.stored(index)
    }

    fn label(&self, index: usize) -> Option<usize> {
        self.labels.get(index).copied().flatten()
    }

    crate::source::forward_known!(source);
}
