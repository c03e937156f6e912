//! The channels of images as images of their own.

use std::sync::Arc;

use twinlens_data::{ChannelBag, DataError, ImageSource, OpenOptions, open};

use crate::make::{bytes_of, encoded, put, rgb};

#[test]
fn each_channel_is_a_grey_image_that_knows_what_its_image_knows() {
    let folder = tempfile::tempdir().unwrap();
    for (at, class) in ["a", "a", "b"].into_iter().enumerate() {
        let image = encoded(&rgb(4, at as u8 * 50), image::ImageFormat::Png);
        put(folder.path(), &format!("train/{class}/{at}.png"), &image);
    }
    let set = open(folder.path(), &OpenOptions::from(crate::make::as_defined().settings)).unwrap();
    let source = set.splits.train.unwrap();
    let bag: Arc<dyn ImageSource> = Arc::new(ChannelBag::new(source.clone()).unwrap());
    assert_eq!(bag.len(), 9);
    for index in 0..3 {
        let whole = bytes_of(&source, index);
        for channel in 0..3 {
            let at = 3 * index + channel;
            let expected: Vec<u8> = whole.chunks(3).map(|pixel| pixel[channel]).collect();
            assert_eq!(bytes_of(&bag, at), expected);
            assert_eq!(bag.image(at).unwrap().channels, 1);
            assert_eq!(bag.label(at), source.label(index));
            assert_eq!(bag.size(at).unwrap(), source.size(index).unwrap());
            assert_eq!(bag.name(at), format!("{} (channel {channel})", source.name(index)));
        }
    }
    assert!(matches!(bag.image(9), Err(DataError::NoSuchSample { index: 9, len: 9 })));
    assert_eq!(bag.label(9), None);
}
