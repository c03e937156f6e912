//! What happens while something takes long, as data. A terminal, a log or a notebook listens.

/// Who is told what goes on.
pub trait Events {
    /// Something that takes long begins; it ends when the value is dropped.
    fn begin(&self, what: &str) -> Box<dyn Task + '_>;
}

/// Something that takes long.
pub trait Task {
    /// So much of `total` is done.
    fn at(&self, done: u64, total: u64);
}

/// Tells nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Events for Silent {
    fn begin(&self, _: &str) -> Box<dyn Task + '_> {
        Box::new(Silent)
    }
}

impl Task for Silent {
    fn at(&self, _: u64, _: u64) {}
}
