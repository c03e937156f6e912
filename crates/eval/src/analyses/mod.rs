//! What a varied parameter does to classes: whether some lose where others gain, and what those are like.
//!
//! The questions are those of N (Bendidi et al., "No free lunch in self supervised representation learning", 2023; section 3.1); where
//! N leaves a choice open, the function says which was made here. Every
//! analysis takes plain numbers, says [`Tested::NotTested`] with a reason where they are too few, and gives beside its
//! own result what chance alone would give, where that can be told. Errors are for input that is malformed.

mod behaviour;
mod behaviour_match;
mod chance;
mod class_properties;
mod difference;
mod group_means;
mod match_rate;
mod mean_over;
mod minus_best;
mod opposed_classes;
mod properties_vs_behaviour;
mod recalls;
mod shared_classes;
mod tested;

pub use behaviour::{Behaviour, BehaviourRule, ClassBehaviour, behaviours};
pub use behaviour_match::{BehaviourMatch, behaviour_match};
pub use chance::{Chance, Permutations};
pub use class_properties::{
    ClassProperties, ImageMeasures, PropertySettings, class_properties, grey_of_planes, image_measures,
};
pub use difference::difference;
pub use group_means::{GroupMeans, group_means};
pub use match_rate::{MatchRate, match_rate};
pub use mean_over::{MeanOver, mean_over};
pub use minus_best::minus_best;
pub use opposed_classes::{
    Coefficient, Opposed, OpposedAfterControl, OpposedPair, OpposedRule, OpposedSettings, opposed_classes,
};
pub use properties_vs_behaviour::{Property, PropertyTest, all_properties, property_vs_behaviour};
pub use recalls::Recalls;
pub use shared_classes::{SharedClasses, shared_classes};
pub use tested::Tested;
