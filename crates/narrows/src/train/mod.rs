//! Training: the loop, optimiser and schedule settings, stopping, checkpoints, events.

mod ahead;
mod augment;
mod batches;
mod checkpoint;
pub mod event;
mod machines;
pub mod optimiser;
mod plans;
mod programs;
pub mod schedule;
mod setup;
pub mod stage;
mod start;
mod suits_network;
mod targets;
mod trainer;
mod watch;

pub use checkpoint::checkpoint_path;
pub use event::{EpochRecord, Event, Signal};
pub use plans::Prediction;
pub use setup::{Compute, Setup};
pub use stage::Stage;
pub use trainer::{Outcome, Trainer};
pub use watch::LayerHealth;
