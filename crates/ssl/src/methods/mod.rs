//! Methods: heads, state and the call of an objective. One more costs its file and one line of the registry below.

mod heads;
mod joint_embedding;
mod method;
mod named;
mod network;
mod queue;
mod state;
mod target;

pub use heads::{PredictorSettings, ProjectorSettings, TargetSettings};
pub use joint_embedding::{JointEmbedding, JointEmbeddingSettings};
pub(crate) use method::describe;
pub use method::{Batch, Ground, Images, Method, MethodConfig, MethodSpec, Output, Rate};
pub use named::{NamedMethod, OwnMethod};
pub use network::Network;
pub use state::MethodState;
pub use weighted_sum::Term;

use std::ops::Deref;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::SslError;
use method::Registered;

/// Declares the methods: name, file, settings.
macro_rules! registry {
    ($($id:literal => $file:ident::$method:ident($settings:ident);)*) => {
        $(mod $file; pub use $file::$settings;)*

        /// `[method]` of a configuration: a table whose key `name` names the method, with its constants and heads.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(tag = "name")]
        pub enum MethodSettings {
            $(#[doc = concat!("`", $id, "`")] #[serde(rename = $id)] $method($settings),)*
        }

        /// Every method.
        pub const METHODS: &[MethodSpec] =
            &[$(MethodSpec { id: $id, summary: $settings::SUMMARY, paper: $settings::PAPER, loss: $settings::LOSS }),*];

        impl MethodSettings {
            /// The method called `id`, with default settings.
            ///
            /// # Errors
            /// An unknown name; the error lists the known ones.
            pub fn named(id: &str) -> Result<MethodSettings, SslError> {
                match id {
                    $($id => Ok(MethodSettings::$method($settings::default())),)*
                    _ => {
                        let known = METHODS.iter().map(|spec| spec.id).collect::<Vec<_>>().join(", ");
                        Err(SslError::UnknownMethod { got: id.into(), known })
                    }
                }
            }

            /// The method's name.
            pub fn name(&self) -> &'static str {
                match self { $(MethodSettings::$method(_) => $id,)* }
            }
        }

        impl Deref for MethodSettings {
            type Target = dyn MethodConfig;

            /// The settings of the method that was chosen.
            fn deref(&self) -> &Self::Target {
                match self { $(MethodSettings::$method(settings) => settings,)* }
            }
        }
    };
}

registry! {
    "barlow-twins" => barlow_twins::BarlowTwins(BarlowTwinsSettings);
    "simclr" => simclr::Simclr(SimclrSettings);
    "mocov2plus" => mocov2plus::MocoV2Plus(MocoV2PlusSettings);
    "byol" => byol::Byol(ByolSettings);
    "simsiam" => simsiam::Simsiam(SimsiamSettings);
    "vicreg" => vicreg::Vicreg(VicregSettings);
    "vibcreg" => vibcreg::Vibcreg(VibcregSettings);
    "swav" => swav::Swav(SwavSettings);
    "dino" => dino::Dino(DinoSettings);
    "deepclusterv2" => deepclusterv2::DeepClusterV2(DeepClusterV2Settings);
    "nnclr" => nnclr::Nnclr(NnclrSettings);
    "nnbyol" => nnbyol::Nnbyol(NnbyolSettings);
    "ressl" => ressl::Ressl(ResslSettings);
    "w-mse" => w_mse::WMse(WMseSettings);
    "imax" => imax::Imax(ImaxSettings);
    "weighted-sum" => weighted_sum::WeightedSum(WeightedSumSettings);
    "supervised" => supervised::Supervised(SupervisedSettings);
}

/// The row of the method called `id`; none of a program's own method.
pub fn find(id: &str) -> Option<&'static MethodSpec> {
    METHODS.iter().find(|method| method.id == id)
}

impl NamedMethod for MethodSettings {
    fn name(&self) -> &str {
        MethodSettings::name(self)
    }
}
