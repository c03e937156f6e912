//! One channel of a field as numbers.

use twinlens_data::{Image, each_pixel_type};

use crate::CellsError;

/// `height * width` finite numbers, row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct Plane {
    /// Number of rows.
    pub height: usize,
    /// Number of columns.
    pub width: usize,
    /// The numbers.
    pub values: Vec<f64>,
}

impl Plane {
    /// Channel `channel` of `image`, as it is stored.
    ///
    /// # Errors
    /// [`CellsError::NoChannel`]; [`CellsError::NotFinite`].
    pub fn of(image: &Image, channel: usize) -> Result<Plane, CellsError> {
        if channel >= image.channels {
            let expected = format!("a number from 0 to {}", image.channels.saturating_sub(1));
            return Err(CellsError::NoChannel { expected, got: channel.to_string() });
        }
        let values: Vec<f64> = each_pixel_type!(&image.pixels, values => {
            values.iter().skip(channel).step_by(image.channels).map(|&value| f64::from(value)).collect()
        });
        match values.iter().position(|value| !value.is_finite()) {
            None => Ok(Plane { height: image.height, width: image.width, values }),
            Some(at) => Err(CellsError::NotFinite {
                channel,
                row: at / image.width,
                column: at % image.width,
                value: values[at],
            }),
        }
    }
}
