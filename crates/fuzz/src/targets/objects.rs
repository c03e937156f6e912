//! A table of objects, alone and with a table of images.

use std::io;

use twinlens_cells::CentroidTable;

use crate::Target;
use crate::check::{memory, shown};
use crate::files::{pack, unpack};

pub(super) const TARGET: Target = Target {
    name: "objects",
    about: "a table of objects (CSV), alone and with one of images",
    run,
    memory,
    seeds,
};

fn run(bytes: &[u8]) -> Result<(), String> {
    let files = unpack(bytes);
    let file = |at: usize| files.get(at).map_or(&[][..], |(_, bytes)| bytes.as_slice());
    let images = ("Image.csv", file(1));
    for images in [None, Some(images)] {
        match CentroidTable::parse("Nuclei.csv", file(0), images) {
            Ok(table) if table.is_empty() => return Err("a table without objects is read".into()),
            Ok(_) => {}
            Err(error) => {
                shown(&error.to_string())?;
                shown(error.hint())?;
            }
        }
    }
    Ok(())
}

fn seeds() -> io::Result<Vec<Vec<u8>>> {
    let tables = [
        (
            "ImageNumber,ObjectNumber,AreaShape_Area,Location_Center_X,Location_Center_Y\n1,1,300,10.5,20\n2,1,nan,3,4\n",
            "ImageNumber,FileName_DAPI,PathName_DAPI\n1,a.tif,C:\\raw\n2,b.tif,\n",
        ),
        (
            "Image,Nuclei\nImageNumber,Nuclei_Location_Center_X,Nuclei_Location_Center_Y\n1,3,4\n",
            "ImageNumber,URL_DNA\n1,file:/a.tif\n",
        ),
        ("path;x;y\n\"a;b.tif\";1;2\n", ""),
        ("centroid-0\tcentroid-1\tlabel\n5\t6e1\t9\n", "ImageNumber\n"),
    ];
    let pair = |objects: &str, images: &str| {
        pack(&[("objects", objects.as_bytes().to_vec()), ("images", images.as_bytes().to_vec())])
    };
    Ok(tables.map(|(objects, images)| pair(objects, images)).to_vec())
}
