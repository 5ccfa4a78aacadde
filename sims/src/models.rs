//! The models that come with the medium, each with the source of its rule and its honest check.

use crate::model::ModelInfo;

pub mod cats;
pub mod flocking;
pub mod forestfire;
pub mod life;
pub mod limbs;
pub mod market;
pub mod money;
pub mod schelling;
pub mod sir;
pub mod walk;
pub mod wolfsheep;

/// All of them.
pub const MODELS: &[ModelInfo] = &[
    ModelInfo::of::<flocking::Flocking>(),
    ModelInfo::of::<wolfsheep::WolfSheep>(),
    ModelInfo::of::<schelling::Schelling>(),
    ModelInfo::of::<forestfire::ForestFire>(),
    ModelInfo::of::<sir::Sir>(),
    ModelInfo::of::<life::Life>(),
    ModelInfo::of::<money::Money>(),
    ModelInfo::of::<walk::Walk>(),
    ModelInfo::of::<cats::Cats>(),
    ModelInfo::of::<limbs::Limbs>(),
    ModelInfo::of::<market::Market>(),
];

/// The model of this name.
pub fn find(name: &str) -> Option<&'static ModelInfo> {
    MODELS.iter().find(|model| model.name == name)
}
