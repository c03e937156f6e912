//! NIfTI-1 and NIfTI-2: volumes, whose slices are images.
//!
//! A slice is shown as radiologists look at it, which is how DICOM stores most slices: from the feet (axial: anterior is up,
//! the right of the patient is on the left), from the front (coronal: superior is up, right is on the left), or from the
//! left (sagittal: superior is up, anterior is on the left). Slices are counted as nibabel counts those of the volume
//! in canonical orientation (`as_closest_canonical`, RAS+): from inferior, posterior and left. A volume that lies obliquely is
//! cut along its own axes, those closest to the plane; nothing is resampled.

mod header;
mod orient;
#[cfg(test)]
mod tests;
mod values;

use std::ops::Range;

use self::header::Header;
pub(crate) use self::header::is_nifti;
use self::orient::Axes;
use self::values::{Grid, Values};
use super::pages::{PageSource, Take};
use super::{DecodeOptions, Refusal, Remark};
use crate::{Image, Orientation, Plane};

/// Sizes of voxels that differ by no more than this share are the same.
const ALIKE: f64 = 0.01;

/// One volume of a file, cut along a plane.
pub(super) struct Volume<'a> {
    values: Values<'a>,
    /// Across the slices, down the rows and along the columns of a slice.
    through: Walk,
    down: Walk,
    right: Walk,
    remarks: Vec<Remark>,
}

/// The way along one axis of a volume.
#[derive(Clone, Copy)]
struct Walk {
    len: usize,
    /// The number that it begins with, among those of the volume, and how many it passes on by with each step.
    start: isize,
    step: isize,
    /// The size of a voxel along it.
    spacing: f64,
}

impl Walk {
    fn reversed(self) -> Walk {
        Walk { start: self.start + (self.len as isize - 1) * self.step, step: -self.step, ..self }
    }
}

/// Whether the file that begins with `bytes` is the header of a pair, whose numbers are in a file of their own.
pub(crate) fn is_pair(bytes: &[u8]) -> bool {
    is_nifti(bytes) && Header::read(bytes).is_ok_and(|header| header.pair)
}

impl<'a> Volume<'a> {
    /// The volume of a file, or of a header and the file of its numbers, that `options` ask for.
    ///
    /// # Errors
    /// A header that contradicts itself or promises more than there is; several volumes of which none was chosen.
    pub(super) fn open(
        bytes: &'a [u8],
        numbers: Option<&'a [u8]>,
        options: &DecodeOptions,
        allowed: u64,
    ) -> Result<Volume<'a>, Refusal> {
        let header = Header::read(bytes)?;
        let stored = match (header.pair, numbers) {
            (true, Some(numbers)) => numbers,
            (true, None) => {
                let reason = "NIfTI: it is the header of a pair, whose numbers (.img) are not beside it";
                return Err(Refusal::new(reason, "put the file .img of the same name into the same folder"));
            }
            (false, _) => bytes,
        };
        let behind = stored.get(header.offset..).unwrap_or_default();
        let values = Values::new(&header, behind, chosen(&header, options.volume)?)?;
        let mut volume = Volume::cut(&header, values, options);
        let one = super::checked_size(
            [volume.down.len, volume.right.len],
            1,
            volume.values.pixel_type.bytes(),
            allowed,
        )?;
        super::checked_size([one, volume.through.len], 1, 1, allowed)?;
        if volume.values.rounded {
            volume.remarks.push(Remark::Rounded);
        }
        if volume.values.filled {
            volume.remarks.push(Remark::Filled);
        }
        Ok(volume)
    }

    fn cut(header: &Header, values: Values<'a>, options: &DecodeOptions) -> Volume<'a> {
        let upright = options.orientation == Orientation::Upright;
        let axes = match (&header.affine, upright) {
            (_, false) => [0, 1, 2].map(|axis| (axis, false)),
            (Some(affine), true) => orient::closest(affine),
            (None, true) => orient::UNKNOWN,
        };
        let through = match options.plane {
            // A file of one picture has no other plane than its own.
            _ if header.shape.len() == 2 => axes.iter().position(|(axis, _)| *axis == 2).unwrap_or(2),
            Plane::Axial => 2,
            Plane::Coronal => 1,
            Plane::Sagittal => 0,
        };
        let plane = [Plane::Sagittal, Plane::Coronal, Plane::Axial][through];
        let walks = walks(header, axes);
        let turned = |walk: Walk| if upright { walk.reversed() } else { walk };
        let [right, down] = [[1, 2], [0, 2], [0, 1]][through].map(|direction| turned(walks[direction]));
        let through = walks[through];
        let mut remarks = vec![Remark::Sliced(plane)];
        if upright && header.affine.is_none() {
            remarks.push(Remark::Unoriented);
        }
        if differ(&[down, right]) {
            remarks.push(Remark::Stretched);
        } else if differ(&[through, down, right]) {
            remarks.push(Remark::Apart);
        }
        Volume { values, through, down, right, remarks }
    }

    fn slice(&self, number: usize) -> Result<Image, Refusal> {
        let Volume { through, down, right, .. } = self;
        self.values.slice(&Grid {
            start: down.start + right.start + through.start + number as isize * through.step,
            height: down.len,
            width: right.len,
            down: down.step,
            right: right.step,
        })
    }
}

/// The ways towards right, anterior and superior.
fn walks(header: &Header, axes: Axes) -> [Walk; 3] {
    let sides = header.sides();
    axes.map(|(axis, against)| {
        let step = sides[..axis].iter().product::<usize>() as isize;
        let walk = Walk { len: sides[axis], start: 0, step, spacing: header.spacing[axis] };
        if against { walk.reversed() } else { walk }
    })
}

/// Whether voxels are longer along one of these than along another, as far as sizes are stated.
fn differ(walks: &[Walk]) -> bool {
    let stated = |walk: &&Walk| walk.spacing > 0.0 && walk.spacing.is_finite() && walk.len > 1;
    let sizes = walks.iter().filter(stated).map(|walk| walk.spacing);
    let [least, most] = sizes.fold([f64::INFINITY, 0.0], |[a, b], size| [size.min(a), size.max(b)]);
    most > least * (1.0 + ALIKE)
}

/// The number of the volume that is wanted.
fn chosen(header: &Header, wanted: Option<usize>) -> Result<u64, Refusal> {
    let count = header.volumes();
    match wanted {
        None if count == 1 => Ok(0),
        None => {
            let reason = format!("NIfTI: it holds {count} volumes, such as the times of a series");
            Err(Refusal::new(reason, "choose one, counted from 0: {volume} 0"))
        }
        Some(number) if (number as u64) < count => Ok(number as u64),
        Some(number) => {
            let reason =
                format!("NIfTI: volume {number} was asked for, and it holds {count}, counted from 0");
            Err(Refusal::new(reason, "choose another {volume}"))
        }
    }
}

impl PageSource for Volume<'_> {
    fn count(&self) -> usize {
        self.through.len
    }

    fn visit(&mut self, range: Range<usize>, take: &mut Take<'_>) -> Result<(), Refusal> {
        range.map(|number| self.slice(number)).try_for_each(|slice| take(slice?))
    }

    fn is_volume(&self) -> bool {
        true
    }

    fn remarks(&self) -> Vec<Remark> {
        self.remarks.clone()
    }
}
