//! The `[train]` section: how the weights are found.

use super::Limits;
use super::chain::Chain;
use super::corruption::Corruption;
use super::optimiser::Optimiser;
use super::part::{part, section};
use super::penalty::PenaltyRecipe;
use super::pretraining::Pretraining;
use super::schedule::Schedule;

part! {
    /// What classes count in the loss.
    pub enum ClassWeights: "equal" {
        /// All the same.
        Equal = "equal",
        /// The less often a class is seen, the more: the median of all frequencies over its own (Eigen and Fergus 2015), frequencies being shares
        /// of rows, or in label maps of the pixels of pictures in which the class is seen.
        MedianFrequency = "median-frequency",
    }
}

section! {
    /// How the weights are found.
    pub struct TrainRecipe {
        /// Passes over the training rows.
        epochs: usize = 20, Limits::between(1.0, 1e6);
        /// Rows in a step, B.
        batch: usize = 128, Limits::between(1.0, 1e6);
        /// How a gradient becomes a change of the weights.
        optimiser: Optimiser = Optimiser::default(), Limits::ANY;
        /// Length of a change; left out, one that suits the optimiser.
        learning_rate: f64 = optimiser.usual_learning_rate(), Limits::POSITIVE;
        /// How the learning rate changes over the epochs.
        schedule: Schedule = Schedule::default(), Limits::ANY;
        /// Epochs, parts of one included, over which the learning rate first rises from 0.
        warmup: f64 = 0.0, Limits::NOT_NEGATIVE;
        /// Longest gradient, all weights together; a longer one is shortened. 0 for no limit.
        clip_norm: f64 = 0.0, Limits::NOT_NEGATIVE;
        /// Largest entry of the gradient; larger ones are cut. 0 for no limit.
        clip_value: f64 = 0.0, Limits::NOT_NEGATIVE;
        /// λ: adds λ‖W‖² to the loss, biases not counted; with adamw the decoupled decay instead, 0.01 if left out.
        weight_decay: f64 = optimiser.usual_weight_decay(), Limits::NOT_NEGATIVE;
        /// Decay of the running mean of the weights that is kept as the model; 0 keeps the last weights.
        average: f64 = 0.0, Limits::RATE;
        /// Epochs without a better validation error after which training ends; the best weights are kept. 0 for never.
        patience: usize = 0, Limits::between(0.0, 1e6);
        /// Pixels by which pictures are moved at random in training, at most, each way.
        augment_shift: usize = 0, Limits::between(0.0, 1024.0);
        /// Whether every second picture, at random, is mirrored left to right in training.
        augment_flip: bool = false, Limits::ANY;
        /// Share of a picture's sides that is cut away at random in training, at most; what is left takes its place.
        augment_crop: f64 = 0.0, Limits::RATE;
        /// Degrees by which pictures are turned at random in training, at most, each way.
        augment_rotate: f64 = 0.0, Limits::between(0.0, 180.0);
        /// Share of their size by which pictures grow or shrink at random in training, at most.
        augment_scale: f64 = 0.0, Limits::RATE;
        /// Share of their brightness by which pictures are lightened or darkened at random in training, at most.
        augment_brightness: f64 = 0.0, Limits::RATE;
        /// Pixels by which neighbouring parts of a picture are bent apart at random in training: the deviation of 4×4 displacements, between
        /// which the others lie (after Simard et al. 2003).
        augment_elastic: f64 = 0.0, Limits::between(0.0, 1024.0);
        /// What classes count in the loss of a classifier or segmenter.
        class_weights: ClassWeights = ClassWeights::default(), Limits::ANY;
        /// What is done to prepared inputs in training; the loss compares with the clean ones.
        corruption: Corruption = Corruption::None, Limits::ANY;
        /// Weight in the loss of numbers that corruption has changed, the others counting 1.
        emphasis: f64 = 1.0, Limits::NOT_NEGATIVE;
        /// What keeps the network from copying.
        penalty: PenaltyRecipe = PenaltyRecipe::default(), Limits::ANY;
        /// What comes before the network is trained as a whole.
        pretraining: Pretraining = Pretraining::None, Limits::ANY;
        /// How Boltzmann machines draw the rows that they unlearn.
        chain: Chain = Chain::default(), Limits::ANY;
        /// Seconds between two checkpoints; 0 for one at each epoch's end only.
        checkpoint_seconds: f64 = 30.0, Limits::NOT_NEGATIVE;
        /// What every random choice follows from.
        seed: u64 = 1, Limits::ANY;
    }
}
