//! The interactive map: a still picture, and beside it the data from which `templates/atlas.js` makes it live.
//!
//! The data stand in the page as JSON, small thumbnails of all images in one picture (a sprite), so the page needs nothing
//! else. What the script does is the script's; what it is given is checked and tested here.

use base64::Engine;
use image::{RgbImage, imageops};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::escape::escaped;
use crate::map::{Map, maps};
use crate::sheet::{GROUND, check_images, fitted_into};
use crate::style::{clean, colour, hexadecimal};
use crate::{Picture, ReportError};

/// The longest side of a thumbnail, in pixels.
pub const THUMBNAIL: u32 = 48;
/// Quality of the sprite, from 1 to 100.
const QUALITY: u8 = 88;
/// JPEG's blocks, with colours at half the resolution: cells that are whole blocks do not bleed into each other.
const BLOCK: u32 = 16;

/// What [`Atlas::new`] takes.
#[derive(Clone, Debug, Default)]
pub struct AtlasInput {
    /// Its heading.
    pub title: String,
    /// What it shows and how to read it.
    pub caption: String,
    /// The same in one sentence for those who cannot see it.
    pub alt: String,
    /// What one point is, such as `test image`.
    pub noun: String,
    /// The number of each image, as commands and files know it.
    pub images: Vec<usize>,
    /// What each image is called: its file, or its place in an array. Empty where that is not known.
    pub names: Vec<String>,
    /// One map, or several of the same images: through epochs, or by several encoders. The still picture shows them side
    /// by side, the live one moves from one to the next.
    pub frames: Vec<Frame>,
    /// Ways to colour the points; the first is that of the still picture. May be empty.
    pub colourings: Vec<Colouring>,
    /// Small pictures of all images, in their order.
    pub sprite: Option<Sprite>,
}

/// One layout of the images.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Frame {
    /// What tells it from the others, such as `epoch 10`; may be empty where there is one.
    pub name: String,
    /// Where the images lie. The axes have no unit; both have the same scale.
    pub points: Vec<[f32; 2]>,
    /// Per image its nearest others by their features, nearest first, as places in the list of images; the same number for
    /// each image.
    pub neighbours: Vec<Vec<usize>>,
}

/// One way to colour images.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Colouring {
    /// What the colours are, such as `label` or `cluster`.
    pub name: String,
    /// The names of the categories.
    pub categories: Vec<String>,
    /// The category of each image; `None` where there is none.
    pub values: Vec<Option<usize>>,
}

/// An interactive map, ready for a page.
#[derive(Clone, Debug)]
pub struct Atlas {
    title: String,
    caption: String,
    alt: String,
    still: Picture,
    data: Value,
    sprite: Option<Vec<u8>>,
}

impl Atlas {
    /// A map of `input`.
    ///
    /// # Errors
    /// [`ReportError::Input`] if the parts of `input` differ in number, a category or neighbour does not exist, or a
    /// thumbnail has no pixels.
    pub fn new(input: AtlasInput) -> Result<Atlas, ReportError> {
        check(&input)?;
        let still = still(&input)?;
        let data = json!({
            "noun": clean(&input.noun),
            "images": input.images,
            "names": input.names.iter().map(|name| clean(name)).collect::<Vec<_>>(),
            "frames": input.frames.iter().map(frame).collect::<Vec<_>>(),
            "colourings": input.colourings.iter().map(colouring).collect::<Vec<_>>(),
            "palette": (0..8).map(|index| hexadecimal(colour(index))).collect::<Vec<_>>(),
            "sprite": input.sprite.as_ref().map(|sprite| sprite.layout),
        });
        let AtlasInput { title, caption, alt, sprite, .. } = input;
        Ok(Atlas { title, caption, alt, still, data, sprite: sprite.map(|sprite| sprite.jpeg) })
    }

    /// The picture for paper and for readers without scripts.
    pub fn still(&self) -> &Picture {
        &self.still
    }

    /// The figure as an element of an HTML page.
    pub(crate) fn html(&self) -> String {
        let sprite = self.sprite.as_ref().map_or(String::new(), |jpeg| {
            let data = base64::engine::general_purpose::STANDARD.encode(jpeg);
            format!(
                "<img class=\"atlas-sprite\" hidden=\"\" alt=\"\" src=\"data:image/jpeg;base64,{data}\"/>\n"
            )
        });
        format!(
            "<figure class=\"atlas\">\n<h3>{}</h3>\n<div class=\"atlas-still\">{}</div>\n<figcaption>{}</figcaption>\n\
             {sprite}<script type=\"application/json\">{}</script>\n</figure>",
            escaped(&self.title),
            self.still.html(&self.alt),
            escaped(&self.caption),
            embedded(&self.data)
        )
    }
}

/// JSON that means the same inside of HTML, and ends no script.
fn embedded(data: &Value) -> String {
    data.to_string().replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

fn check(input: &AtlasInput) -> Result<(), ReportError> {
    let images = input.images.len();
    let refuse = |what: &str, got: usize, hint| {
        let expected = format!("{images} {what}, one per image");
        Err(ReportError::Input { figure: FIGURE, expected, got: got.to_string(), hint })
    };
    if input.frames.is_empty() {
        return refuse("points", 0, "give a layout");
    }
    if !input.names.is_empty() && input.names.len() != images {
        return refuse("names", input.names.len(), "name all images or none");
    }
    for frame in &input.frames {
        if frame.points.len() != images {
            return refuse("points", frame.points.len(), "lay all images out");
        }
        if frame.neighbours.len() != images {
            return refuse("lists of neighbours", frame.neighbours.len(), "give an empty list for none");
        }
        let count = frame.neighbours.first().map_or(0, Vec::len);
        if let Some(list) = frame.neighbours.iter().find(|list| list.len() != count) {
            return refuse(&format!("lists of {count} neighbours"), list.len(), "cut all lists alike");
        }
        if let Some(&place) = frame.neighbours.iter().flatten().find(|place| **place >= images) {
            return refuse("places as neighbours", place, "neighbours are places in the list of images");
        }
    }
    for colouring in &input.colourings {
        if colouring.values.len() != images {
            return refuse("categories", colouring.values.len(), "give None for images without");
        }
        let named = colouring.categories.len();
        if let Some(category) = colouring.values.iter().flatten().find(|category| **category >= named) {
            let expected = format!("categories below {named}, the number of names");
            let got = format!("category {category}");
            return Err(ReportError::Input { figure: FIGURE, expected, got, hint: "name every category" });
        }
    }
    match &input.sprite {
        Some(sprite) if sprite.layout.count != images => {
            refuse("thumbnails", sprite.layout.count, "give all or none")
        }
        _ => Ok(()),
    }
}

const FIGURE: &str = "an interactive map";

fn still(input: &AtlasInput) -> Result<Picture, ReportError> {
    let colouring = input.colourings.first().cloned().unwrap_or_default();
    let panel = |frame: &Frame| Map {
        title: frame.name.clone(),
        points: frame.points.clone(),
        labels: colouring.values.clone(),
        classes: colouring.categories.clone(),
    };
    maps(&input.frames.iter().map(panel).collect::<Vec<_>>())
}

/// A layout with its points in the unit square, the vertical axis downwards as on a screen; `null` for points that are
/// not finite.
fn frame(frame: &Frame) -> Value {
    let finite = || frame.points.iter().filter(|point| point.iter().all(|value| value.is_finite()));
    let range = |axis: usize| {
        let values = finite().map(|point| f64::from(point[axis]));
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)))
    };
    let (x, y) = (range(0), range(1));
    let side = (x.1 - x.0).max(y.1 - y.0).max(f64::MIN_POSITIVE);
    let within = |value: f32, (low, high): (f64, f64)| 0.5 + (f64::from(value) - (low + high) / 2.0) / side;
    let rounded = |value: f64| json!((value * 1e4).round() / 1e4);
    let place = |point: &[f32; 2]| {
        if point.iter().all(|value| value.is_finite()) {
            [rounded(within(point[0], x)), rounded(1.0 - within(point[1], y))]
        } else {
            [Value::Null, Value::Null]
        }
    };
    json!({
        "name": clean(&frame.name),
        "points": frame.points.iter().flat_map(place).collect::<Vec<_>>(),
        "nearest": frame.neighbours.first().map_or(0, Vec::len),
        "neighbours": frame.neighbours.concat(),
    })
}

fn colouring(colouring: &Colouring) -> Value {
    json!({
        "name": clean(&colouring.name),
        "categories": colouring.categories.iter().map(|name| clean(name)).collect::<Vec<_>>(),
        "values": colouring.values.iter().map(|value| value.map_or(-1, |value| value as i64)).collect::<Vec<_>>(),
    })
}

/// `image` with its longer side at most [`THUMBNAIL`] pixels, unchanged if it is smaller.
pub fn thumbnail(image: &RgbImage) -> RgbImage {
    if image.width().max(image.height()) > THUMBNAIL { fitted_into(image, THUMBNAIL) } else { image.clone() }
}

/// All thumbnails in one picture, row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct Sprite {
    /// The picture, a JPEG file.
    pub jpeg: Vec<u8>,
    /// Where each thumbnail is in it.
    pub layout: SpriteLayout,
}

/// Where thumbnails are in their picture, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpriteLayout {
    /// How many thumbnails there are.
    pub count: usize,
    /// How many stand in a row.
    pub columns: u32,
    /// The side of a thumbnail.
    pub side: u32,
    /// From one thumbnail to the next.
    pub pitch: u32,
}

impl Sprite {
    /// That of `thumbnails`; larger ones are shrunk to [`THUMBNAIL`] pixels. Nothing of none.
    ///
    /// # Errors
    /// [`ReportError::Input`] for an image without pixels.
    pub fn of(thumbnails: &[RgbImage]) -> Result<Option<Sprite>, ReportError> {
        check_images(FIGURE, thumbnails.iter())?;
        let longest = |image: &RgbImage| image.width().max(image.height());
        let Some(side) = thumbnails.iter().map(longest).max().map(|side| side.min(THUMBNAIL)) else {
            return Ok(None);
        };
        let pitch = side.next_multiple_of(BLOCK);
        let columns = (thumbnails.len() as f64).sqrt().ceil() as u32;
        let rows = (thumbnails.len() as u32).div_ceil(columns);
        let mut sheet = RgbImage::from_pixel(columns * pitch, rows * pitch, GROUND);
        for (image, at) in thumbnails.iter().zip(0u32..) {
            let image = shrunk(image, side);
            let (left, top) = (at % columns * pitch, at / columns * pitch);
            // The rest of the cell continues the image's edge, so that no sharp border rings into it.
            for y in 0..pitch {
                for x in 0..pitch {
                    let pixel = image.get_pixel(x.min(image.width() - 1), y.min(image.height() - 1));
                    sheet.put_pixel(left + x, top + y, *pixel);
                }
            }
        }
        let mut jpeg = Vec::new();
        image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, QUALITY)
            .encode_image(&sheet)
            .map_err(|error| ReportError::Drawing { figure: FIGURE, reason: error.to_string() })?;
        Ok(Some(Sprite { jpeg, layout: SpriteLayout { count: thumbnails.len(), columns, side, pitch } }))
    }
}

/// `image` as large as fits into a square of `side` pixels, in its middle.
fn shrunk(image: &RgbImage, side: u32) -> RgbImage {
    if image.dimensions() == (side, side) {
        return image.clone();
    }
    let longest = image.width().max(image.height()).max(1);
    let scaled = |length: u32| (u64::from(length) * u64::from(side) / u64::from(longest)).max(1) as u32;
    let scaled = imageops::resize(
        image,
        scaled(image.width()),
        scaled(image.height()),
        imageops::FilterType::Triangle,
    );
    let mut square = RgbImage::from_pixel(side, side, GROUND);
    let middle = |length: u32| i64::from((side - length) / 2);
    imageops::replace(&mut square, &scaled, middle(scaled.width()), middle(scaled.height()));
    square
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn input(images: usize) -> AtlasInput {
        let point = |at: usize| [at as f32, (at * at % 7) as f32 - 3.0];
        let frame = Frame {
            name: "epoch <1>".into(),
            points: (0..images).map(point).collect(),
            neighbours: (0..images).map(|at| vec![(at + 1) % images, (at + 2) % images]).collect(),
        };
        let values = (0..images).map(|at| (at % 3 != 2).then_some(at % 3)).collect();
        let categories = vec!["a </script> & b".into(), "c".into()];
        AtlasInput {
            title: "Map".into(),
            noun: "test image".into(),
            images: (0..images).map(|at| 10 * at).collect(),
            frames: vec![frame],
            colourings: vec![Colouring { name: "label".into(), categories, values }],
            sprite: Sprite::of(&thumbnails(images)).unwrap(),
            ..AtlasInput::default()
        }
    }

    fn thumbnails(images: usize) -> Vec<RgbImage> {
        (0..images).map(|at| RgbImage::from_pixel(28, 28, image::Rgb([at as u8 * 20, 0, 99]))).collect()
    }

    /// The data as a browser finds them in the page.
    fn data_of(atlas: &Atlas) -> Value {
        let html = atlas.html();
        let start = html.find("json\">").unwrap() + "json\">".len();
        serde_json::from_str(&html[start..start + html[start..].find("</script>").unwrap()]).unwrap()
    }

    #[test]
    fn the_page_holds_what_was_given() {
        let data = data_of(&Atlas::new(input(7)).unwrap());
        assert_eq!(data["images"], json!([0, 10, 20, 30, 40, 50, 60]));
        assert_eq!(data["frames"][0]["name"], "epoch <1>");
        assert_eq!(data["frames"][0]["nearest"], 2);
        assert_eq!(data["frames"][0]["neighbours"], json!([1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 0, 0, 1]));
        assert_eq!(data["colourings"][0]["categories"], json!(["a </script> & b", "c"]));
        assert_eq!(data["colourings"][0]["values"], json!([0, 1, -1, 0, 1, -1, 0]));
        assert_eq!(data["sprite"], json!({"count": 7, "columns": 3, "side": 28, "pitch": 32}));
        assert_eq!(
            (data["palette"][0].as_str(), data["palette"][7].as_str()),
            (Some("#0072b2"), Some("#8b5a2b"))
        );
    }

    #[test]
    fn thumbnails_are_found_in_the_sprite() {
        let sprite = input(7).sprite.unwrap();
        let sheet = image::load_from_memory(&sprite.jpeg).unwrap().to_rgb8();
        assert_eq!(sheet.dimensions(), (96, 96));
        for at in 0..7 {
            let SpriteLayout { columns, side, pitch, .. } = sprite.layout;
            let middle = |cell: u32| cell * pitch + side / 2;
            let pixel = sheet.get_pixel(middle(at % columns), middle(at / columns)).0;
            assert!(pixel[0].abs_diff(at as u8 * 20) < 6 && pixel[2].abs_diff(99) < 6, "{at}: {pixel:?}");
        }
        let large = Sprite::of(&[RgbImage::new(224, 112), RgbImage::new(20, 20)]).unwrap().unwrap();
        assert_eq!((large.layout.side, large.layout.pitch), (48, 48));
        assert!(Sprite::of(&[]).unwrap().is_none());
    }

    #[test]
    fn parts_that_do_not_fit_are_named() {
        let refused = |change: &dyn Fn(&mut AtlasInput), words: &str| {
            let mut changed = input(4);
            change(&mut changed);
            let error = Atlas::new(changed).unwrap_err();
            assert!(error.to_string().contains(words) && !error.hint().is_empty(), "{error}");
        };
        refused(&|input| input.frames.clear(), "4 points");
        refused(&|input| input.names = vec!["a.png".into()], "4 names");
        refused(&|input| input.frames[0].points.truncate(3), "4 points");
        refused(&|input| input.frames[0].neighbours.truncate(3), "lists of neighbours");
        refused(&|input| input.frames[0].neighbours[2] = vec![1], "lists of 2 neighbours");
        refused(&|input| input.frames[0].neighbours[2] = vec![1, 4], "places");
        refused(&|input| input.colourings[0].values[1] = Some(2), "category 2");
        refused(&|input| input.colourings[0].values.truncate(1), "4 categories");
        refused(&|input| input.sprite = Sprite::of(&thumbnails(1)).unwrap(), "4 thumbnails");
        let flat = Sprite::of(&[RgbImage::new(0, 0)]).unwrap_err().to_string();
        assert!(flat.contains("pixels"), "{flat}");
    }

    #[test]
    fn points_without_a_place_and_points_in_one_place_are_drawn() {
        let mut odd = input(4);
        odd.frames[0].points = vec![[f32::NAN, 0.0], [5.0, 5.0], [5.0, 5.0], [5.0, f32::INFINITY]];
        let points = data_of(&Atlas::new(odd).unwrap())["frames"][0]["points"].clone();
        assert_eq!(points, json!([null, null, 0.5, 0.5, 0.5, 0.5, null, null]));
    }

    proptest! {
        #[test]
        fn layouts_fill_the_unit_square_and_keep_their_shape(
            points in prop::collection::vec(prop::array::uniform2(-1e3f32..1e3), 3..20)
        ) {
            let layout = Frame { points: points.clone(), ..Frame::default() };
            let placed: Vec<f64> =
                frame(&layout)["points"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
            prop_assert!(placed.iter().all(|value| (-1e-9..=1.0 + 1e-9).contains(value)));
            let span = |axis: usize| {
                let values = || placed.iter().skip(axis).step_by(2).copied();
                values().fold(0.0, f64::max) - values().fold(1.0, f64::min)
            };
            prop_assert!((span(0).max(span(1)) - 1.0).abs() < 1e-3);
            let wide = |axis: usize| {
                let values = || points.iter().map(|point| f64::from(point[axis]));
                values().fold(f64::MIN, f64::max) - values().fold(f64::MAX, f64::min)
            };
            prop_assert!((span(0) * wide(1) - span(1) * wide(0)).abs() < 2e-3 * wide(0).max(wide(1)));
        }
    }
}
