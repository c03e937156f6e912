//! Objects that another program found.

mod columns;
mod masks;
mod table;

pub(crate) use masks::field_names;
pub use masks::{MaskSource, divided, whole_numbers};
pub use table::CentroidTable;
pub(crate) use table::FieldTable;
