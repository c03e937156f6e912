//! How files lie in folders: paths, one a line, each of a small picture, in a tar, whose paths may be any bytes.

use std::io;

use image::ImageFormat;

use crate::Target;
use crate::check::{memory, opened, settings};
use crate::files::{picture, tarred};

pub(super) const TARGET: Target = Target {
    name: "layout",
    about: "paths of images, one a line",
    run,
    memory: |len| memory(16 * len),
    seeds,
};

/// More images than this take long and show no more.
const MOST: usize = 60;

fn run(bytes: &[u8]) -> Result<(), String> {
    let paths = bytes.split(|&byte| byte == b'\n').take(MOST).zip(0..);
    let files = paths.map(|(path, seed)| Ok((path, picture(2, seed, ImageFormat::Bmp)?)));
    let files = files.collect::<io::Result<Vec<_>>>().map_err(|error| error.to_string())?;
    opened("folder.tar", &tarred(files), settings())
}

fn seeds() -> io::Result<Vec<Vec<u8>>> {
    let texts: [&[u8]; 15] = [
        b"1.png\n2.png\n3.png",
        b"cat/1.png\ncat/2.png\ndog/1.png\ndog/2.png",
        b"train/cat/1.png\ntrain/dog/1.png\nval/cat/2.png\ntest/dog/2.png\nunlabeled/1.png",
        b"set/training_set/cat/1.png\nset/training_set/dog/1.png\nset/test_set/cat/1.png\nset/test_set/dog/2.png",
        b"cat/train/1.png\ncat/test/2.png\ndog/train/1.png\ndog/test/2.png",
        b"x/train/a/1.png\nx/test/a/1.png\nx/x/train/a/1.png\nx/x/test/a/1.png",
        b"images/1.png\nimages/2.png\nmasks/1.png\nmasks/2.png",
        b"caf\xc3\xa9/1.png\ncafe\xcc\x81/2.png\ncaf\xe9/3.png",
        b"@eaDir/1.png\n$RECYCLE.BIN/2.png\n__MACOSX/a/3.png\n.hidden/4.png\na/5.png",
        b"train_images/1.png\ntrain_masks/1.png\ntest_images/2.png\ntest_masks/2.png",
        b"fold1/a/1.png\nfold1/b/2.png\nfold2/a/3.png\nfold2/b/4.png",
        b"seg_pred/1.png\nseg_train/a/2.png\nseg_test/a/3.png\nseg_train/b/4.png",
        b"animals/cats/tabby/1.png\nanimals/cats/siamese/2.png\nanimals/dogs/pug/3.png",
        b"A/train2017/1.png\nA/Validation/1.png\nB/train2017/1.png\nB/hold-out/1.png\nA/extra/2.png",
        b"../a/1.png\n/b/2.png\nc//3.png\n./d/4.png\ne/../f/5.png\n\\g\\6.png",
    ];
    Ok(texts.map(<[u8]>::to_vec).to_vec())
}
