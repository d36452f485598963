//! The learning rate over time.

use crate::recipe::{Bottleneck, Schedule, TrainRecipe};

/// The part of a schedule that depends on how training went: what a plateau has done to the rate.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Plateau {
    /// What the rate has been multiplied by.
    pub factor: f64,
    /// Lowest validation loss so far.
    pub best: Option<f64>,
    /// Epochs since.
    pub waited: usize,
}

impl Default for Plateau {
    fn default() -> Self {
        Plateau { factor: 1.0, best: None, waited: 0 }
    }
}

impl Plateau {
    /// Looks at an epoch's validation loss.
    pub fn observe(&mut self, schedule: &Schedule, loss: f64) {
        let Schedule::Plateau { patience, factor, least } = schedule else { return };
        if self.best.is_none_or(|best| loss < best) {
            (self.best, self.waited) = (Some(loss), 0);
            return;
        }
        self.waited += 1;
        if self.waited >= *patience {
            self.factor = (self.factor * factor).max(*least);
            self.waited = 0;
        }
    }
}

/// The learning rate of a step, `done` epochs (parts included) after the start.
pub fn rate(recipe: &TrainRecipe, done: f64, plateau: &Plateau) -> f64 {
    let total = recipe.epochs as f64;
    if done < recipe.warmup {
        return recipe.learning_rate * done / recipe.warmup;
    }
    let left = (total - recipe.warmup).max(f64::MIN_POSITIVE);
    let since = done - recipe.warmup;
    let share = (since / left).clamp(0.0, 1.0);
    let cosine = |from: f64, to: f64, share: f64| {
        to + (from - to) * 0.5 * (1.0 + (std::f64::consts::PI * share).cos())
    };
    let factor = match &recipe.schedule {
        Schedule::Constant => 1.0,
        Schedule::Step { every, factor } => factor.powi((since / *every as f64) as i32),
        Schedule::Exponential { factor } => factor.powf(since),
        Schedule::Cosine { last } => cosine(1.0, *last, share),
        Schedule::OneCycle { rise, first, last } => {
            if share < *rise {
                cosine(*first, 1.0, share / rise)
            } else {
                cosine(1.0, *last, (share - rise) / (1.0 - rise))
            }
        }
        Schedule::Plateau { .. } => plateau.factor,
    };
    recipe.learning_rate * factor
}

/// The share of a bottleneck's loss that counts so many epochs (parts included) after the start: β's rise.
pub fn bottleneck_weight(bottleneck: Bottleneck, done: f64) -> f64 {
    match bottleneck {
        Bottleneck::Gaussian { warmup, .. } if warmup > 0.0 => (done / warmup).min(1.0),
        _ => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(schedule: Schedule, warmup: f64) -> TrainRecipe {
        TrainRecipe { epochs: 10, learning_rate: 2.0, schedule, warmup, ..TrainRecipe::default() }
    }

    #[track_caller]
    fn check(schedule: Schedule, warmup: f64, points: &[(f64, f64)]) {
        let recipe = recipe(schedule, warmup);
        for (done, expected) in points {
            let found = rate(&recipe, *done, &Plateau::default());
            assert!((found - expected).abs() < 1e-12, "at {done}: {found}, expected {expected}");
        }
    }

    #[test]
    fn every_schedule_takes_its_values() {
        check(Schedule::Constant, 0.0, &[(0.0, 2.0), (9.9, 2.0)]);
        check(
            Schedule::Step { every: 4, factor: 0.5 },
            0.0,
            &[(0.0, 2.0), (3.99, 2.0), (4.0, 1.0), (8.0, 0.5)],
        );
        check(Schedule::Exponential { factor: 0.25 }, 0.0, &[(0.0, 2.0), (0.5, 1.0), (1.0, 0.5)]);
        check(Schedule::Cosine { last: 0.5 }, 0.0, &[(0.0, 2.0), (5.0, 1.5), (10.0, 1.0)]);
        let cycle = Schedule::OneCycle { rise: 0.5, first: 0.1, last: 0.0 };
        check(cycle, 0.0, &[(0.0, 0.2), (5.0, 2.0), (7.5, 1.0), (10.0, 0.0)]);
    }

    #[test]
    fn warming_up_precedes_every_schedule() {
        check(
            Schedule::Cosine { last: 0.0 },
            2.0,
            &[(0.0, 0.0), (1.0, 1.0), (2.0, 2.0), (6.0, 1.0), (10.0, 0.0)],
        );
        check(Schedule::Constant, 0.5, &[(0.25, 1.0), (0.5, 2.0)]);
    }

    #[test]
    fn a_plateau_lowers_the_rate_after_its_patience_and_not_below_its_least() {
        let schedule = Schedule::Plateau { patience: 2, factor: 0.1, least: 0.05 };
        let mut plateau = Plateau::default();
        for (loss, factor) in
            [(5.0, 1.0), (4.0, 1.0), (4.5, 1.0), (4.0, 0.1), (3.0, 0.1), (3.5, 0.1), (3.5, 0.05)]
        {
            plateau.observe(&schedule, loss);
            assert!((plateau.factor - factor).abs() < 1e-12, "after {loss}");
        }
        assert!((rate(&recipe(schedule, 0.0), 1.0, &plateau) - 0.1).abs() < 1e-12);
    }

    #[test]
    fn the_weight_of_a_divergence_rises_to_1_over_its_warm_up() {
        let weights = |warmup| {
            let bottleneck = Bottleneck::Gaussian { beta: 1.0, warmup, free_bits: 0.0 };
            [0.5, 2.0, 4.0, 9.0].map(|done| bottleneck_weight(bottleneck, done))
        };
        assert_eq!(weights(4.0), [0.125, 0.5, 1.0, 1.0]);
        assert_eq!(weights(0.0), [1.0; 4]);
    }
}
