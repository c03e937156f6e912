//! Places on pictures that have a name, shown when a pointer rests there.

use crate::Picture;
use crate::sheet::GAP;

/// A place on a picture with its name. Lengths are shares of the picture's width and height.
#[derive(Clone, Debug, PartialEq)]
pub struct Spot {
    /// From the left edge.
    pub left: f64,
    /// From the upper edge.
    pub top: f64,
    /// Its width.
    pub width: f64,
    /// Its height.
    pub height: f64,
    /// What is there.
    pub title: String,
}

impl Spot {
    /// Its place as CSS has it.
    pub(crate) fn style(&self) -> String {
        let Spot { left, top, width, height, .. } = self;
        let [left, top, width, height] = [left, top, width, height].map(|share| 100.0 * share);
        format!("left:{left:.2}%;top:{top:.2}%;width:{width:.2}%;height:{height:.2}%")
    }
}

/// The places of squares in rows that fill a picture from (`left`, `top`) on, as far as they have names. Nothing of SVG.
pub(crate) fn spots_of_rows<N: AsRef<[String]>>(
    picture: &Picture,
    (left, top): (u32, u32),
    rows: &[N],
) -> Vec<Spot> {
    let Some((width, height)) = picture.pixels() else { return Vec::new() };
    let (width, height) = (f64::from(width), f64::from(height));
    let gap = f64::from(GAP);
    let pitch = (height - f64::from(top) - gap) / rows.len().max(1) as f64;
    let spot = |row: usize, column: usize, title: &String| Spot {
        left: (f64::from(left) + column as f64 * pitch) / width,
        top: (f64::from(top) + gap + row as f64 * pitch) / height,
        width: (pitch - gap) / width,
        height: (pitch - gap) / height,
        title: title.clone(),
    };
    let of_row = |(row, names): (usize, &N)| {
        names.as_ref().iter().enumerate().map(|(column, title)| spot(row, column, title)).collect::<Vec<_>>()
    };
    rows.iter().enumerate().flat_map(of_row).collect()
}
