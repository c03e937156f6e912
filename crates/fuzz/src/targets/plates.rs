//! Tables of images and of compounds, and a pattern of names, beside a small plate with a file for each channel.

use std::io;

use image::{DynamicImage, GrayImage, ImageFormat};
use twinlens_data::{DataSettings, Illumination};

use crate::Target;
use crate::check::{memory, opened, settings};
use crate::files::{encoded, zipped};

pub(super) const TARGET: Target = Target {
    name: "plates",
    about: "a pattern, a table of images and one to join, parted by zero bytes, beside a plate of a file a channel",
    run,
    memory: |len| memory(8 * len),
    seeds,
};

/// Where each file is.
const FILES: [&str; 9] = [
    "P1/A01_s1_w1.png",
    "P1/A01_s1_w2.png",
    "P1/B02_s1_w1.png",
    "P1/B02_s1_w2.png",
    "P2/A01_s1_w1.png",
    "P2/A01_s1_w2.png",
    "P2/B02_s1_w1.png",
    "P2/B02_s1_w2.png",
    "P2/notes_w2.png",
];

fn run(bytes: &[u8]) -> Result<(), String> {
    let mut parts = bytes.splitn(3, |&byte| byte == 0);
    let mut next = || parts.next().unwrap_or_default();
    let (pattern, images, joined) = (String::from_utf8_lossy(next()).into_owned(), next(), next());
    let mut files =
        vec![("load_data.csv".to_owned(), images.to_vec()), ("plate.csv".to_owned(), joined.to_vec())];
    for (path, seed) in FILES.into_iter().zip(0..) {
        let picture = GrayImage::from_fn(3, 2, |x, y| image::Luma([(x * 31 + y * 17) as u8 ^ seed]));
        let picture = encoded(&DynamicImage::ImageLuma8(picture), ImageFormat::Bmp);
        files.push((path.to_owned(), picture.map_err(|error| error.to_string())?));
    }
    let stated = DataSettings { channels_from: pattern, ..DataSettings::default() };
    let labelled = DataSettings {
        labels_column: "moa".into(),
        channels: vec!["B".into(), "A".into()],
        illumination: Illumination::Median,
        ..DataSettings::default()
    };
    let folder = zipped(&files).map_err(|error| error.to_string())?;
    opened("folder.zip", &folder, settings().into_iter().chain([stated, labelled]).collect())
}

fn seeds() -> io::Result<Vec<Vec<u8>>> {
    let texts = [
        "{well}_s{site:#}_w{channel}\0\0",
        "{plate}/{well}_s{site}_w{channel:0}.png\0\0plate,well_position,moa\nP1,A1,x\nP2,B02,y\n",
        "{*:@#_s?_}w{channel}\0FileName_A,PathName_A,FileName_B,PathName_B,Metadata_Compound,Metadata_Concentration\n\
         A01_s1_w1.png,/x/P1,A01_s1_w2.png,/x/P1,taxol,0.3\nB02_s1_w1.png,/x/P2,B02_s1_w2.png,/x/P2,DMSO,0\n\0\
         compound,concentration,moa\ntaxol,0.30,stabilizer\nDMSO,0.0,DMSO\n",
        "none\0Image_FileName_A,Image_FileName_B,Image_Metadata_Plate_A\nA01_s1_w1.png,A01_s1_w2.png,P1\n,,\n\0a,b\n1,2\n",
        "auto\0FileName_A,FileName_B\nP1/A01_s1_w1.png,P1/A01_s1_w1.png\n\0",
    ];
    Ok(texts.map(|text| text.as_bytes().to_vec()).to_vec())
}
