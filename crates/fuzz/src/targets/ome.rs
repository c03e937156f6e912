//! OME-XML, or ImageJ's lines, as the description of a TIFF of six small pages.

use crate::Target;
use crate::check::{memory, opened, settings};

pub(super) const TARGET: Target = Target {
    name: "ome",
    about: "the description (OME-XML, ImageJ) of a TIFF of six pages",
    run,
    memory: |len| memory(4 * len),
    seeds,
};

const PAGES: u32 = 6;

fn run(bytes: &[u8]) -> Result<(), String> {
    let chosen = twinlens_data::DataSettings { channels: vec!["GFP".into()], ..Default::default() };
    opened("image.ome.tif", &tiff(bytes), settings().into_iter().chain([chosen]).collect())
}

/// Pages of 2 x 1 bytes; the first has this description.
fn tiff(description: &[u8]) -> Vec<u8> {
    let mut bytes = b"II*\0\x08\0\0\0".to_vec();
    for page in 0..PAGES {
        let mut tags = vec![(256, 4, 1, 2), (257, 4, 1, 1), (258, 4, 1, 8), (262, 4, 1, 1)];
        let directory = bytes.len() as u32;
        let count = 8 + u32::from(page == 0);
        let behind = directory + 2 + 12 * count + 4;
        let text = if page == 0 { description } else { &[] };
        // A description of up to four bytes would have to stand in its tag.
        let text: Vec<u8> = text.iter().copied().chain([b' '; 4]).collect();
        tags.extend((page == 0).then_some((270, 2, text.len() as u32, behind)));
        let pixels = behind + if page == 0 { text.len() as u32 } else { 0 };
        tags.extend([(273, 4, 1, pixels), (277, 4, 1, 1), (278, 4, 1, 1), (279, 4, 1, 2)]);
        bytes.extend((count as u16).to_le_bytes());
        for (tag, kind, count, value) in tags {
            bytes.extend([u16::to_le_bytes(tag), u16::to_le_bytes(kind)].concat());
            bytes.extend([u32::to_le_bytes(count), u32::to_le_bytes(value)].concat());
        }
        let next = if page + 1 < PAGES { pixels + 2 } else { 0 };
        bytes.extend(next.to_le_bytes());
        bytes.extend(if page == 0 { &text[..] } else { &[] });
        bytes.extend([10 * page as u8, 10 * page as u8 + 1]);
    }
    bytes
}

fn seeds() -> std::io::Result<Vec<Vec<u8>>> {
    let ome = |pixels: &str| {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><OME xmlns=\"http://www.openmicroscopy.org/Schemas/OME/2016-06\" \
             UUID=\"urn:uuid:a\"><Image ID=\"Image:0\">{pixels}</Image></OME>"
        )
    };
    let texts = [
        ome(
            "<Pixels DimensionOrder=\"XYCZT\" SizeC=\"2\" SizeZ=\"3\" SizeT=\"1\" PhysicalSizeX=\"0.5\" PhysicalSizeY=\"0.5\">\
             <Channel Name=\"DAPI\"/><Channel Name=\"GFP\"/><TiffData IFD=\"0\" PlaneCount=\"6\"/></Pixels>",
        ),
        ome(
            "<Pixels DimensionOrder=\"XYZTC\" SizeC=\"3\" SizeZ=\"1\" SizeT=\"2\"><Channel/><Channel Fluor=\"GFP\"/><Channel/></Pixels>",
        ),
        ome(
            "<Pixels SizeC=\"2\"><TiffData FirstC=\"0\" IFD=\"0\"><UUID FileName=\"a\">urn:uuid:a</UUID></TiffData>\
             <TiffData FirstC=\"1\" IFD=\"1\"><UUID FileName=\"b\">urn:uuid:b</UUID></TiffData></Pixels>",
        ),
        ome("<Pixels SizeZ=\"3\"/></Image><Image><Pixels SizeZ=\"3\"><TiffData IFD=\"3\"/></Pixels>"),
        "<OME><BinaryOnly MetadataFile=\"x.companion.ome\" UUID=\"urn:uuid:a\"/></OME>".into(),
        "ImageJ=1.53t\nimages=6\nchannels=2\nslices=3\nhyperstack=true\nunit=micron\n".into(),
        "ImageJ=1.53t\nimages=6\nframes=6\nunit=\\u00B5m\n".into(),
    ];
    Ok(texts.map(String::into_bytes).to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seeds_are_read_as_they_are_described() {
        let file = tiff(&seeds().unwrap()[0]);
        let set = twinlens_data::open_bytes("a.tif", file, &Default::default()).unwrap();
        assert_eq!((set.channel_names.join(" "), set.pixel_size), ("DAPI GFP".into(), Some([0.5, 0.5])));
    }
}
