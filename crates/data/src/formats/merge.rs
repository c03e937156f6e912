//! One image of several files, each of which is a channel of it.

use crate::Image;
use crate::decode::{About, Decoded, Refusal, only_channels, stacked};
use crate::fields::places_of;
use crate::tree::Tree;

/// The images of the files `entries` of `tree` as channels of one image, page by page. A file whose three colours are the same
/// everywhere is grey.
pub(super) fn merged(tree: &Tree, entries: &[usize], files: Vec<Decoded>) -> Result<Decoded, Refusal> {
    let path = |at: usize| tree.entries[entries[at]].path.as_str();
    let pages = files.first().map_or(0, |first| first.images.len());
    let (remarks, about) = (Vec::new(), About::default());
    let mut merged = Decoded { images: Vec::new(), first_page: None, volume: false, remarks, about };
    let mut channels: Vec<Vec<Image>> = vec![Vec::with_capacity(files.len()); pages];
    for (at, file) in files.into_iter().enumerate() {
        merged.first_page = merged.first_page.or(file.first_page);
        merged.volume |= file.volume;
        merged.remarks.extend(file.remarks);
        merged.about.pixel_size = merged.about.pixel_size.or(file.about.pixel_size);
        if file.images.len() != pages {
            let (other, first) = (file.images.len(), path(0));
            return Err(
                format!("channels differ in pages: {first} has {pages}, {} has {other}", path(at)).into()
            );
        }
        for (image, page) in file.images.into_iter().zip(&mut channels) {
            let image = grey(image);
            if image.channels != 1 {
                let reason = format!("{} has {} channels itself, not one", path(at), image.channels);
                return Err(Refusal::new(reason, "{channels_from} none reads every file as an image"));
            }
            if let Some(first) = page.first().filter(|first| !alike(first, &image)) {
                let reason = format!(
                    "channels differ: {} is {}, {} is {}",
                    path(0),
                    form(first),
                    path(at),
                    form(&image)
                );
                return Err(reason.into());
            }
            page.push(image);
        }
    }
    merged.images = channels.into_iter().map(stacked).collect::<Result<_, _>>()?;
    Ok(merged)
}

/// The images of one file with the wanted channels alone, in this order; with all of them where none is named. Where there is one
/// channel, it is taken: what the set says of its channels is compared at the end.
pub(super) fn chosen(file: Decoded, wanted: &[String]) -> Result<Decoded, Refusal> {
    if wanted.is_empty() || file.images.iter().all(|image| image.channels == 1) {
        return Ok(file);
    }
    if file.about.channel_names.is_empty() {
        let reason = "channels are chosen by name, but it does not say what its channels are called";
        return Err(Refusal::new(reason, "leave {channels} empty to read all"));
    }
    let Some(places) = places_of(wanted, &file.about.channel_names)? else { return Ok(file) };
    let Decoded { images, first_page, volume, remarks, about } = file;
    let images = images.into_iter().map(|image| only_channels(image, &places)).collect::<Result<_, _>>()?;
    let channel_names = places.iter().map(|&place| about.channel_names[place].clone()).collect();
    Ok(Decoded { images, first_page, volume, remarks, about: About { channel_names, ..about } })
}

fn alike(one: &Image, other: &Image) -> bool {
    let form = |image: &Image| (image.height, image.width, image.pixel_type());
    form(one) == form(other)
}

fn form(image: &Image) -> String {
    format!("{} x {} pixels of {}", image.height, image.width, image.pixel_type())
}

/// An image in three colours that are the same, as one of one channel.
fn grey(image: Image) -> Image {
    let Image { height, width, channels, pixels } = image;
    let same = |at: usize| pixels.same_at(at, at + 1) && pixels.same_at(at, at + 2);
    if channels != 3 || !(0..pixels.len()).step_by(3).all(same) {
        return Image { height, width, channels, pixels };
    }
    let pixels = pixels.gathered((0..pixels.len()).step_by(3));
    Image { height, width, channels: 1, pixels }
}
