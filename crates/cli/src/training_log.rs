//! The log of a run: JSON lines, one object an epoch, readable while training goes on.

use crate::progress::Pace;
use narrows::data::{WriteError, write_bytes_atomically};
use narrows::train::EpochRecord;
use serde_json::{Value, json};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// A log, begun when the first epoch is over.
pub struct TrainingLog {
    path: PathBuf,
    /// Epochs of the run that were done before; their lines are kept.
    before: Vec<EpochRecord>,
    file: Option<File>,
}

impl TrainingLog {
    /// A log of a run that goes on after the epochs `before`. Nothing is written yet.
    pub fn new(path: &Path, before: &[EpochRecord]) -> TrainingLog {
        TrainingLog { path: path.to_path_buf(), before: before.to_vec(), file: None }
    }

    /// Adds an epoch.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn add(&mut self, record: &EpochRecord, pace: Pace, best: bool) -> Result<(), WriteError> {
        let mut line = described(record);
        line["seconds"] = json!(pace.seconds);
        line["rows_per_second"] = json!(pace.rows_per_second);
        line["best"] = json!(best);
        let failed = |source| WriteError { path: self.path.clone(), source };
        if self.file.is_none() {
            write_bytes_atomically(&self.path, self.beginning().as_bytes())?;
            self.file = Some(OpenOptions::new().append(true).open(&self.path).map_err(failed)?);
        }
        // One write a line, so that a killed run leaves whole lines.
        let text = format!("{line}\n");
        self.file.as_mut().map_or(Ok(()), |file| file.write_all(text.as_bytes())).map_err(failed)
    }

    /// Takes the log away again, if this run has begun one.
    pub fn remove(&mut self) {
        if self.file.take().is_some() && self.before.is_empty() {
            let _ = fs::remove_file(&self.path);
        }
    }

    /// The lines of earlier epochs: those of the log that is there, or what the checkpoint knows. What a killed run wrote
    /// after its last checkpoint comes again and is left out.
    fn beginning(&self) -> String {
        let there = fs::read_to_string(&self.path).unwrap_or_default();
        let lines: Vec<Value> = there.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let line = |record: &EpochRecord| {
            let described = described(record);
            let same = |line: &&Value| ["epoch", "loss"].iter().all(|key| line[*key] == described[*key]);
            lines.iter().find(same).cloned().unwrap_or(described)
        };
        self.before.iter().map(|record| format!("{}\n", line(record))).collect()
    }
}

fn described(record: &EpochRecord) -> Value {
    let mut line = json!({
        "epoch": record.epoch,
        "loss": record.train_loss,
        "held_out_loss": record.held_out_loss,
        "learning_rate": record.learning_rate,
    });
    if !record.layers.is_empty() {
        line["layers"] = json!(record.layers);
    }
    if record.stage > 0 {
        line["stage"] = json!(record.stage);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace { seconds: 2.0, rows_per_second: 50.0 };

    fn record(epoch: usize) -> EpochRecord {
        EpochRecord {
            epoch,
            stage: 0,
            train_loss: 1.5 / epoch as f64,
            held_out_loss: None,
            learning_rate: 0.1,
            layers: Vec::new(),
        }
    }

    fn lines(path: &Path) -> Vec<Value> {
        let text = fs::read_to_string(path).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_resumed_log_goes_on_after_the_epochs_of_the_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut log = TrainingLog::new(&path, &[]);
        (1..=3).for_each(|epoch| log.add(&record(epoch), PACE, true).unwrap());
        drop(log);
        fs::write(&path, format!("{}{{\"epo", fs::read_to_string(&path).unwrap())).unwrap();
        let mut log = TrainingLog::new(&path, &[record(1), record(2)]);
        (3..=4).for_each(|epoch| log.add(&record(epoch), PACE, false).unwrap());
        let found = lines(&path);
        let epochs: Vec<u64> = found.iter().filter_map(|line| line["epoch"].as_u64()).collect();
        assert_eq!(epochs, [1, 2, 3, 4]);
        assert_eq!(
            (&found[1]["seconds"], &found[1]["best"], &found[2]["best"]),
            (&json!(2.0), &json!(true), &json!(false))
        );
    }

    #[test]
    fn a_new_run_begins_a_new_log_and_takes_it_away_when_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        fs::write(&path, "{\"epoch\":1,\"loss\":9}\n").unwrap();
        let mut log = TrainingLog::new(&path, &[]);
        log.remove();
        assert!(path.exists());
        log.add(&record(1), PACE, true).unwrap();
        assert_eq!(lines(&path).len(), 1);
        log.remove();
        assert!(!path.exists());
    }
}
