//! A table of labels beside small pictures.

use std::io;

use image::ImageFormat;
use twinlens_data::{DataSettings, SplitPolicy};

use crate::Target;
use crate::check::{memory, opened, settings};
use crate::files::{picture, zipped};

pub(super) const TARGET: Target = Target {
    name: "tables",
    about: "a table of labels (CSV) for a.png, b.png, c/d.png and c/e.png",
    run,
    memory,
    seeds,
};

fn run(bytes: &[u8]) -> Result<(), String> {
    let mut files = vec![("labels.csv".to_owned(), bytes.to_vec())];
    for (path, seed) in ["a.png", "b.png", "c/d.png", "c/e.png"].into_iter().zip(0..) {
        let picture = picture(2, seed, ImageFormat::Bmp).map_err(|error| error.to_string())?;
        files.push((path.to_owned(), picture));
    }
    let by_column = DataSettings {
        labels: "labels.csv".into(),
        splits: SplitPolicy::Column,
        split_column: "split".into(),
        ..DataSettings::default()
    };
    let by_group = DataSettings {
        labels: "labels.csv".into(),
        splits: SplitPolicy::Drawn,
        group: "patient".into(),
        ..DataSettings::default()
    };
    let folder = zipped(&files).map_err(|error| error.to_string())?;
    opened("folder.zip", &folder, settings().into_iter().chain([by_column, by_group]).collect())
}

fn seeds() -> io::Result<Vec<Vec<u8>>> {
    let texts = [
        "file,label\na.png,cat\nb.png,dog\nc/d.png,cat\nc/e.png,dog\n",
        "image,class,patient,split\na,0,p1,train\nb,1,p2,test\nd,0,p1,train\ne,1,p2,val\n",
        "path;diagnosis;age\r\n\"a.png\";\"benign; \"\"maybe\"\"\";40\r\n\"b.png\";malignant;\r\n",
        "filename\tlabel\tsite\nc/d.png\t-1\tnorth\nc/e.png\t2\tsouth\n",
        "\u{feff}id,target,weights\n./c/d.png,3,1.5\nmissing.png,4,\n\na.png,,7\n",
        "a.png,cat\nb.png,dog\n",
        "file,label\n\"a.png\",\"two\nlines\"\nb.png,\"quote\"\"d\"\n",
        "id,is_train,dx,age\na,1,mel,40\nb,0,nv,nan\nd,1,mel,\ne,0,nv,1e309\n",
        "image,labels,split\na.png,cat|dog,train\nb.png,dog,unlabeled\nc/d.png,,predict\n",
        "path,x,y,label\nc\\d.png,1,2,1.0\nC/E.PNG,3,4,2.0\na.png,5,6,10.0\n",
        "image,cat,dog\na,1.0,0.0\nb,0.0,1.0\nd,1.0,0.0\n",
        "image,cat,dog\na.png,1,0\nb.png,0,1\nc/d.png,1,1\nc/e.png,0,0\n",
    ];
    let wide = "image,label\na.png,\u{732b}\nb.png,dog\n".encode_utf16();
    let wide = [0xfeff].into_iter().chain(wide).flat_map(u16::to_le_bytes).collect();
    let latin1 = b"image,label\na.png,caf\xe9\nb.png,th\xe9\n".to_vec();
    Ok(texts.map(|text| text.as_bytes().to_vec()).into_iter().chain([wide, latin1]).collect())
}
