//! Maps of the same images by several encoders, each started from the one before.

use std::path::PathBuf;
use std::sync::Arc;

use twinlens_data::{DataSet, ImageSource, Split};
use twinlens_eval::Judgement;
use twinlens_eval::maps::sample;
use twinlens_report::{Atlas, AtlasInput, Block, Colouring, Frame, Page, Plate, Section, Sprite, page_html};
use twinlens_run::csv_cell;

use super::{Layout, Place, Subjects, labels_of, thumbnails, which_images};
use crate::protocols::TsneMap;
use crate::{Computing, Events, LabError, Part, Verdict, data_record, features_of, images, names};

/// How features are laid out.
#[derive(Clone, Debug, PartialEq)]
pub enum Method {
    /// Neighbours stay neighbours.
    Tsne(TsneMap),
    /// The two directions in which features vary most.
    Pca,
}

/// What maps are asked for.
#[derive(Clone, Debug)]
pub struct SeriesAsked<'a> {
    /// The images.
    pub data: &'a DataSet,
    /// Where they lie, as they were asked for.
    pub path: &'a str,
    /// Which of them.
    pub part: Part,
    /// How many at most.
    pub most: usize,
    /// Draws them where there are more.
    pub seed: u64,
    /// Seed of the weights of an untrained network, which stands in the names of files.
    pub untrained_seed: u64,
    /// How they are laid out.
    pub method: Method,
}

/// The images of maps, before there is one.
pub struct Canvas<'a> {
    asked: SeriesAsked<'a>,
    /// All images of the part.
    source: Arc<dyn ImageSource>,
    /// The numbers of those on the maps.
    drawn: Vec<usize>,
    /// Their splits and names.
    names: Vec<(Split, String)>,
    layout: Layout,
}

/// Maps of the same images by one encoder after the other.
pub struct Series<'a> {
    canvas: Canvas<'a>,
    frames: Vec<Frame>,
    /// Of the files, without their ends.
    file_name: String,
}

impl Method {
    fn layout(&self, images: usize) -> Layout {
        match self {
            Method::Tsne(settings) => settings.layout(images),
            Method::Pca => Layout::Pca,
        }
    }
}

impl<'a> Canvas<'a> {
    /// Draws the images.
    ///
    /// # Errors
    /// No such images, or fewer than a map needs.
    pub fn new(asked: SeriesAsked<'a>) -> Result<Canvas<'a>, LabError> {
        let source = images(asked.data, asked.part)?;
        let all_names = names(asked.data, asked.part)?;
        let drawn = sample(source.len(), asked.most, asked.seed);
        let layout = asked.method.layout(drawn.len());
        enough(&layout, asked.part, drawn.len())?;
        let names = drawn.iter().map(|&image| all_names[image].clone()).collect();
        Ok(Canvas { asked, source, drawn, names, layout })
    }

    /// Makes the maps.
    ///
    /// # Errors
    /// An encoder that cannot be read or does not fit the images; settings that do not fit their number; features that are all
    /// equal.
    pub fn lay_out(
        self,
        subjects: Subjects<'_>,
        computing: &Computing,
        events: &dyn Events,
    ) -> Result<Series<'a>, LabError> {
        let file_name = self.file_name(&subjects);
        let mut computing = computing.clone();
        // Encoders of one run's checkpoints would fill the cache.
        computing.cache = computing.cache.filter(|_| !subjects.of_epochs);
        let mut frames: Vec<Frame> = Vec::new();
        for (name, read) in subjects.readers {
            let features = features_of(&read()?, self.asked.data, self.asked.part, &computing, events)?;
            frames.push(self.layout.frame(name, &features.subset(&self.drawn)?, frames.last())?);
        }
        Ok(Series { canvas: self, frames, file_name })
    }

    /// A name that tells these maps from others of the same run.
    fn file_name(&self, subjects: &Subjects<'_>) -> String {
        let (method, settings) = match &self.layout {
            Layout::Tsne(tsne) => {
                ("tsne", vec![("perplexity", tsne.perplexity.into()), ("iterations", tsne.iterations.into())])
            }
            Layout::Pca => ("pca", Vec::new()),
        };
        let common = [("split", self.asked.part.name().into()), ("images", self.drawn.len().into())];
        let mut judgement = Judgement::new(common.into_iter().chain(settings), ());
        judgement.seeds.insert("images".into(), self.asked.seed);
        judgement.seeds.insert("untrained".into(), self.asked.untrained_seed);
        let data = data_record(self.asked.path, self.asked.data);
        let verdict = Verdict::new(method, judgement, subjects.features.clone(), data);
        verdict.file_name() + &subjects.suffix()
    }
}

impl Series<'_> {
    /// How many images there are on each map.
    pub fn images(&self) -> usize {
        self.canvas.drawn.len()
    }

    /// What the maps are called, in order; a single one may have no name.
    pub fn names(&self) -> Vec<&str> {
        self.frames.iter().map(|frame| frame.name.as_str()).collect()
    }

    /// Writes the picture, the coordinates as CSV and, if `html`, an interactive page; returns where they are.
    ///
    /// # Errors
    /// Images that cannot be read, a picture that cannot be drawn, a file that cannot be written.
    pub fn write(&self, place: &Place, html: bool) -> Result<Vec<PathBuf>, LabError> {
        let Canvas { asked, source, drawn, names, .. } = &self.canvas;
        let labels = labels_of(source.as_ref(), &asked.data.classes, drawn);
        let atlas = self.atlas(labels.clone(), html)?;
        let (name, picture) = (&self.file_name, atlas.still());
        let coordinates = csv(&self.frames, drawn, names, labels.as_ref());
        let mut files = vec![
            place.put(&format!("{name}.{}", picture.extension()), picture.bytes())?,
            place.put(&format!("{name}.csv"), coordinates.as_bytes())?,
        ];
        if html {
            let page = page(atlas, self.frames.len())?;
            files.push(place.put(&format!("{name}.html"), page.as_bytes())?);
        }
        Ok(files)
    }

    /// The figure, with small pictures of the images if it is to be interactive.
    fn atlas(&self, labels: Option<Colouring>, interactive: bool) -> Result<Atlas, LabError> {
        let Canvas { asked, source, drawn, names, .. } = &self.canvas;
        let split = asked.part.name();
        let sprite = match interactive {
            true => Sprite::of(&thumbnails(source.as_ref(), drawn)?)?,
            false => None,
        };
        Ok(Atlas::new(AtlasInput {
            title: format!("{split} images of {}", asked.data.name),
            caption: self.caption(),
            alt: format!("A scatter plot of {} images by their features, coloured by class.", drawn.len()),
            noun: if split == "all" { "image".to_owned() } else { format!("{split} image") },
            images: drawn.clone(),
            names: names.iter().map(|(_, name)| name.clone()).collect(),
            frames: self.frames.clone(),
            colourings: labels.into_iter().collect(),
            sprite,
        })?)
    }

    fn caption(&self) -> String {
        let Canvas { asked, source, drawn, layout, .. } = &self.canvas;
        let which = which_images(drawn.len(), source.len(), asked.seed);
        let several = match self.frames.len() {
            1 => "",
            _ => " Each map started from the one before.",
        };
        format!(
            "{} of the features of {which} {} images. {}{several} Labels colour the points and had no part in it. \
             Nearest images are those with the most similar features (cosine), not those nearest on the map.",
            layout.name(),
            asked.part.name(),
            layout.reading()
        )
    }
}

/// Refuses fewer images than a map needs.
fn enough(layout: &Layout, part: Part, images: usize) -> Result<(), LabError> {
    let (method, least) = layout.needs();
    match images >= least {
        true => Ok(()),
        false => Err(LabError::FewForMap { method, least, part: part.name(), images }),
    }
}

/// One line for each image on each map.
fn csv(frames: &[Frame], images: &[usize], names: &[(Split, String)], labels: Option<&Colouring>) -> String {
    let mut text = "map,index,split,name,label,x,y\n".to_owned();
    for frame in frames {
        for (at, [x, y]) in frame.points.iter().enumerate() {
            let class = labels.and_then(|one| one.categories.get(one.values[at]?));
            let [map, label] = [&frame.name, class.unwrap_or(&String::new())].map(|text| csv_cell(text));
            let (split, name) = &names[at];
            let (split, name) = (split.name(), csv_cell(name));
            text += &format!("{map},{},{split},{name},{label},{x},{y}\n", images[at]);
        }
    }
    text
}

/// An interactive page; several `maps` stand side by side too.
fn page(atlas: Atlas, maps: usize) -> Result<String, LabError> {
    let alt = format!("{maps} scatter plots of the same images.");
    let plate = (maps > 1)
        .then(|| Plate::new("Side by side", "The same maps, in order.", alt, atlas.still().clone()));
    let plates = plate.map(|plate| Block::Plates(vec![plate]));
    let blocks = std::iter::once(Block::Atlas(Box::new(atlas))).chain(plates).collect();
    let sections = vec![Section::new("", blocks)];
    let page = Page { title: "Map of features".to_owned(), sections, ..Page::default() };
    Ok(page_html(&page)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinates_have_a_line_for_each_image_on_each_map() {
        let labels =
            Colouring { name: "label".into(), categories: vec!["a, b".into()], values: vec![Some(0), None] };
        let frame = |name: &str| Frame {
            name: name.into(),
            points: vec![[1.5, -2.0], [0.0, 3.0]],
            neighbours: vec![vec![1], vec![0]],
        };
        let names = [(Split::Test, "a.png".to_owned()), (Split::Train, "b,1.png".to_owned())];
        let expected = "map,index,split,name,label,x,y\nepoch 1,3,test,a.png,\"a, b\",1.5,-2\n\
                        epoch 1,8,train,\"b,1.png\",,0,3\nepoch 2,3,test,a.png,\"a, b\",1.5,-2\n\
                        epoch 2,8,train,\"b,1.png\",,0,3\n";
        let frames = [frame("epoch 1"), frame("epoch 2")];
        assert_eq!(csv(&frames, &[3, 8], &names, Some(&labels)), expected);
    }

    #[test]
    fn a_map_of_two_images_is_refused_with_what_to_do() {
        let val = Part::Split(Split::Val);
        let refused = enough(&Method::Tsne(TsneMap::default()).layout(2), val, 2).unwrap_err();
        assert_eq!(refused.to_string(), "t-SNE needs at least 4 images; of the split `val` there are 2");
        assert_eq!(refused.hint().unwrap(), "{split} all takes the images of all splits");
        assert!(enough(&Method::Tsne(TsneMap::default()).layout(4), val, 4).is_ok());
        assert!(enough(&Layout::Pca, val, 2).is_ok());
    }
}
