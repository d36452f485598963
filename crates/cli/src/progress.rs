//! What a user sees while training runs: a live line on a terminal, plain lines elsewhere, nothing with `--quiet`.

use crate::output;
use crate::wording::{count, duration, figure};
use indicatif::{ProgressBar, ProgressStyle};
use narrows::train::{EpochRecord, LayerHealth};
use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

/// Plain lines are at least this far apart, however short epochs are.
const BETWEEN_LINES: Duration = Duration::from_millis(400);
/// The live line is redrawn this often.
const BETWEEN_DRAWINGS: Duration = Duration::from_millis(100);
/// The time is predicted after so many steps and so long.
const STEPS_TO_PREDICT: usize = 5;
const TIME_TO_PREDICT: Duration = Duration::from_millis(300);

/// Where progress goes.
enum Display {
    Quiet,
    Lines,
    Live(ProgressBar),
}

/// How an epoch went by the clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// Seconds that it took, validation included.
    pub seconds: f64,
    /// Training rows a second.
    pub rows_per_second: f64,
}

/// Progress of a run.
pub struct Progress {
    display: Display,
    epochs: usize,
    /// Steps of the whole run.
    steps: usize,
    /// Steps of the whole run done, those before a resume included.
    done: usize,
    /// Steps seen by this process, and when the first of them was over: it warms up.
    seen: usize,
    warm: Instant,
    rows: usize,
    rows_of_epoch: usize,
    started: Instant,
    epoch_started: Instant,
    last_shown: Option<Instant>,
    predicted: bool,
    held_out: Option<f64>,
    /// Units of no use, in words.
    health: String,
}

impl Progress {
    /// For a run of `epochs` epochs and `steps` steps altogether.
    pub fn new(quiet: bool, epochs: usize, steps: usize) -> Progress {
        let display = match quiet {
            true => Display::Quiet,
            false if stderr().is_terminal() => Display::Live(bar(steps)),
            false => Display::Lines,
        };
        let now = Instant::now();
        Progress {
            display,
            epochs,
            steps,
            done: 0,
            seen: 0,
            warm: now,
            rows: 0,
            rows_of_epoch: 0,
            started: now,
            epoch_started: now,
            last_shown: None,
            predicted: false,
            held_out: None,
            health: String::new(),
        }
    }

    /// A step is done.
    pub fn step(&mut self, epoch: usize, done: usize, of_epoch: usize, rows: usize, loss: f64) {
        self.done = done;
        self.seen += 1;
        self.rows += rows;
        self.rows_of_epoch += rows;
        let now = Instant::now();
        if self.seen == 1 {
            self.warm = now;
        }
        self.predict(now, of_epoch);
        if let Display::Live(bar) = &self.display
            && self.last_shown.is_none_or(|last| now - last >= BETWEEN_DRAWINGS)
        {
            bar.set_position(self.done as u64);
            bar.set_message(self.line(epoch, loss, self.held_out));
            self.last_shown = Some(now);
        }
    }

    /// An epoch is done.
    pub fn epoch(&mut self, record: &EpochRecord) -> Pace {
        let now = Instant::now();
        let seconds = (now - self.epoch_started).as_secs_f64();
        let pace = Pace { seconds, rows_per_second: self.rows_of_epoch as f64 / seconds.max(1e-9) };
        (self.epoch_started, self.rows_of_epoch, self.held_out) = (now, 0, record.held_out_loss);
        self.health = health(record);
        let due = self.last_shown.is_none_or(|last| now - last >= BETWEEN_LINES);
        if matches!(self.display, Display::Lines) && (due || record.epoch == self.epochs) {
            let stage = if record.stage > 0 {
                format!("  (pre-training, stage {})", record.stage)
            } else {
                String::new()
            };
            let line = self.line(record.epoch, record.train_loss, record.held_out_loss);
            output::note(&format!("{line}{stage}"));
            self.last_shown = Some(now);
        }
        pace
    }

    /// Something to be read in between.
    pub fn say(&self, text: &str) {
        match &self.display {
            Display::Quiet => {}
            Display::Lines => output::note(text),
            Display::Live(bar) => bar.suspend(|| output::note(text)),
        }
    }

    /// The run is over, or interrupted.
    pub fn end(&self) {
        if let Display::Live(bar) = &self.display {
            bar.finish_and_clear();
        }
    }

    /// How long it has taken, and the rows a second.
    pub fn took(&self) -> Pace {
        let seconds = self.started.elapsed().as_secs_f64();
        Pace { seconds, rows_per_second: self.rows as f64 / seconds.max(1e-9) }
    }

    /// Tells once how long the run will take.
    fn predict(&mut self, now: Instant, of_epoch: usize) {
        let measured = now - self.warm;
        if self.predicted || self.seen < STEPS_TO_PREDICT || measured < TIME_TO_PREDICT {
            return;
        }
        self.predicted = true;
        let step = measured.as_secs_f64() / (self.seen - 1) as f64;
        let left = (self.steps - self.done) as f64 * step;
        self.say(&format!(
            "predicted time: {} ({} an epoch)",
            duration(left + (now - self.started).as_secs_f64()),
            duration(step * of_epoch as f64)
        ));
    }

    fn line(&self, epoch: usize, loss: f64, held_out: Option<f64>) -> String {
        let held_out = held_out.map_or(String::new(), |loss| format!("  held-out {}", figure(loss)));
        let Pace { seconds, rows_per_second } = self.took();
        let left = seconds / self.seen.max(1) as f64 * (self.steps - self.done) as f64;
        let health = &self.health;
        let left = if left > 0.0 { format!("  {} left", duration(left)) } else { String::new() };
        // What a narrow terminal may cut off stands last.
        format!(
            "epoch {epoch}/{}  loss {}{held_out}{health}{left}  {} rows/s",
            self.epochs,
            figure(loss),
            count(rows_per_second as u64)
        )
    }
}

/// Units of no use, of all layers: "  12 dead  3 saturated".
fn health(record: &EpochRecord) -> String {
    let all = |count: fn(&LayerHealth) -> usize| record.layers.iter().map(count).sum::<usize>();
    let counts = [
        (all(|layer| layer.dead), "dead"),
        (all(|layer| layer.saturated), "saturated"),
        (all(|layer| layer.collapsed), "collapsed"),
    ];
    counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("  {count} {what}")).collect()
}

fn bar(steps: usize) -> ProgressBar {
    let bar = ProgressBar::new(steps as u64);
    // The template is ours and sound; without it the bar would only look plainer.
    if let Ok(style) = ProgressStyle::with_template("  {bar:10} {wide_msg}") {
        bar.set_style(style.progress_chars("━╸─"));
    }
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_epoch_losses_speed_and_time_left() {
        let mut progress = Progress::new(true, 4, 40);
        for step in 1..=10 {
            progress.step(1, step, 10, 32, 5.0);
        }
        let line = progress.line(1, 5.0, Some(6.5));
        assert!(line.starts_with("epoch 1/4  loss 5.000  held-out 6.500  "), "{line}");
        assert!(line.contains(" left  ") && line.ends_with(" rows/s"), "{line}");
        let record = EpochRecord {
            epoch: 1,
            stage: 0,
            train_loss: 5.0,
            held_out_loss: None,
            learning_rate: 0.1,
            layers: Vec::new(),
        };
        let pace = progress.epoch(&record);
        assert!((pace.rows_per_second * pace.seconds - 320.0).abs() < 1.0, "{pace:?}");
        assert_eq!(progress.rows_of_epoch, 0);
    }
}
