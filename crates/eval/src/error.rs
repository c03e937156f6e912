//! What can go wrong between features and numbers.

/// Why features could not be judged. Every variant says where, what was expected and how to go on.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EvalError {
    /// A feature is NaN or infinite.
    #[error(
        "feature {column} of row {row} is {value}: features must be finite (check the encoder's training run)"
    )]
    NotFinite {
        /// Row of the first such value.
        row: usize,
        /// Column of the first such value.
        column: usize,
        /// The value found.
        value: f32,
    },
    /// The number of values is not rows times dimensions.
    #[error("{values} values do not make {rows} rows of {dim} features")]
    Shape {
        /// Rows stated.
        rows: usize,
        /// Dimensions stated.
        dim: usize,
        /// Values given.
        values: usize,
    },
    /// Two lists that belong together differ in length.
    #[error("{what}: expected {expected}, got {got}")]
    Length {
        /// Which list.
        what: &'static str,
        /// Length expected.
        expected: usize,
        /// Length given.
        got: usize,
    },
    /// A split, subset or list has nothing in it.
    #[error("{what} is empty")]
    Empty {
        /// Which one.
        what: String,
    },
    /// A setting that is a list has no values.
    #[error("{setting} has no values: give at least one")]
    NoValues {
        /// Name of the setting.
        setting: &'static str,
    },
    /// A setting of several values without validation images to choose one by.
    #[error(
        "{setting} has {values} values, and there are no validation images to choose one by: give one value \
         ({setting}=[VALUE]), or hold some images out"
    )]
    NothingToChooseBy {
        /// Name of the setting.
        setting: &'static str,
        /// How many values it has.
        values: usize,
    },
    /// A label or prediction names a class that does not exist.
    #[error("{what} {label} at position {position} is outside 0..{classes}")]
    LabelOutOfRange {
        /// `label` or `prediction`.
        what: &'static str,
        /// The label found.
        label: usize,
        /// Where it stands.
        position: usize,
        /// Number of classes.
        classes: usize,
    },
    /// An index of a subset points outside the set.
    #[error("index {index} at position {position} is outside the {rows} rows of the set")]
    IndexOutOfRange {
        /// The index found.
        index: usize,
        /// Where it stands in the list.
        position: usize,
        /// Rows of the set.
        rows: usize,
    },
    /// Two splits cannot be compared.
    #[error("split `{split}` has {got} {what}, the training split has {expected}")]
    SplitsDiffer {
        /// Name of the split.
        split: String,
        /// What differs: `features per row` or `classes`.
        what: &'static str,
        /// The training split's.
        expected: usize,
        /// The other split's.
        got: usize,
    },
    /// More neighbours than rows.
    #[error("k = {k} neighbours of only {rows} rows: choose k between 1 and {rows}")]
    NeighbourCount {
        /// Neighbours asked for.
        k: usize,
        /// Rows to choose from.
        rows: usize,
    },
    /// A classifier needs two classes.
    #[error("only class {class} is present among {rows} training labels: a classifier needs at least two")]
    OneClass {
        /// The only class.
        class: usize,
        /// Number of training labels.
        rows: usize,
    },
    /// A class score is NaN or infinite.
    #[error("the score of class {class} for sample {sample} is {value}: scores must be finite")]
    InvalidScore {
        /// Sample of the first such score.
        sample: usize,
        /// Class of the first such score.
        class: usize,
        /// The value found.
        value: f64,
    },
    /// A setting outside its range.
    #[error("{setting} = {value}: {expected}")]
    Setting {
        /// Name of the setting.
        setting: &'static str,
        /// The value given.
        value: f64,
        /// What would be right.
        expected: String,
    },
    /// More clusters than rows.
    #[error("k = {k} clusters of only {rows} rows: choose k between 1 and {rows}")]
    ClusterCount {
        /// Clusters asked for.
        k: usize,
        /// Rows to cluster.
        rows: usize,
    },
    /// A list is too short for what is asked of it.
    #[error("{what}: expected at least {expected}, got {got}")]
    TooFew {
        /// Which list.
        what: &'static str,
        /// The least that would do.
        expected: usize,
        /// Its length.
        got: usize,
    },
    /// A number in a list is NaN or infinite.
    #[error("{what} holds {value} at position {position}: numbers must be finite (leave missing ones out)")]
    NumberNotFinite {
        /// Which list.
        what: &'static str,
        /// Where the first such value stands.
        position: usize,
        /// The value found.
        value: f64,
    },
    /// A quantity that these data do not define.
    #[error("{what} is undefined: {reason}")]
    Undefined {
        /// Which quantity.
        what: &'static str,
        /// Why, and what would define it.
        reason: String,
    },
    /// All rows are the same point.
    #[error("all {rows} rows of features are equal: there is nothing to map (has the encoder collapsed?)")]
    NoSpread {
        /// Number of rows.
        rows: usize,
    },
    /// A numeric routine gave up.
    #[error("{what} failed: {reason}")]
    Numeric {
        /// Which computation.
        what: &'static str,
        /// What the routine said.
        reason: String,
    },
}
