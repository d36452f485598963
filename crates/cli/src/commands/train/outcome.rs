//! What a run ends with: the model file, the verdict, the report, and where they are.

use super::files::Files;
use super::{Options, Skip};
use crate::commands::evaluate::{as_json, figures};
use crate::failure::Failure;
use crate::judged_rows::JudgedRows;
use crate::progress::{Pace, Progress};
use crate::wording::{count, duration, figure, of, table};
use crate::{commands, output};
use narrows::apply::{Codec, Evaluation, Rival};
use narrows::model_file::Description;
use narrows::train::{Compute, Setup, Trainer};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// A run: where its files go, what it runs on, what was asked for, and what was trained before.
#[derive(Clone, Copy)]
pub struct Run<'r> {
    /// Where the files go.
    pub files: &'r Files,
    /// What it runs on.
    pub compute: &'r Compute,
    /// What was asked for.
    pub options: &'r Options,
    /// The recipe's rivals, trained.
    pub rivals: &'r [Rival],
}

/// Writes the model, judges it, writes the report, and tells about it. `undo` takes away what stands beside a model that
/// cannot be written.
///
/// # Errors
/// Files that cannot be written.
pub fn finish(
    trainer: Trainer,
    progress: Progress,
    Run { files, compute, options, rivals }: Run<'_>,
    notes: Vec<String>,
    undo: impl FnOnce(),
) -> Result<(), Failure> {
    let pace = progress.took();
    let (model, setup) = trainer.finish()?;
    model.save(&files.model).inspect_err(|_| undo())?;
    // Its work is done; if it cannot be taken away, it does no harm.
    let _ = std::fs::remove_file(&files.checkpoint);
    if !options.quiet {
        output::note(&summary(&model.description, pace));
    }
    let Setup { source, split, .. } = setup;
    let mut rows = JudgedRows { source, split, notes };
    rows.expect_some();
    let codec = Codec::new(model, compute)?;
    let mut ended = Ended { files, pace, evaluation: None, report: None, log: None };
    if !options.skip.contains(&Skip::Verdict) {
        let mut evaluation = rows.evaluate(&codec, 0, compute)?;
        evaluation.add_rivals(rivals, rows.split.test_dataset(&rows.source), &rows.split.test)?;
        if !options.skip.contains(&Skip::Report) && !files.is_special {
            let pictures =
                commands::report::write(&codec, &rows, (&evaluation, rivals), 0, compute, &files.report)?;
            ended.report = Some((files.report.clone(), pictures));
        }
        ended.evaluation = Some(evaluation);
    }
    ended.log = Some(files.log.as_path()).filter(|_| !options.skip.contains(&Skip::Log) && !files.is_special);
    if options.json {
        return output::json(&ended.as_json(&codec, &rows.notes)?);
    }
    if options.quiet {
        return Ok(());
    }
    output::result(&ended.as_text())
}

/// A run that has ended.
struct Ended<'e> {
    files: &'e Files,
    pace: Pace,
    evaluation: Option<Evaluation>,
    /// The page, and how many pictures stand in the folder beside it.
    report: Option<(PathBuf, usize)>,
    log: Option<&'e Path>,
}

impl Ended<'_> {
    fn as_json(&self, codec: &Codec, notes: &[String]) -> Result<Value, Failure> {
        let description = &codec.model().description;
        let last = description.history.last();
        let path = |path: &Path| json!(path.to_string_lossy());
        Ok(json!({
            "model": path(&self.files.model),
            "report": self.report.as_ref().map(|(page, _)| path(page)),
            "log": self.log.map(path),
            "recipe": description.recipe.name,
            "seed": description.recipe.train.seed,
            "parameters": codec.network().parameter_count(),
            "rows": description.rows,
            "epochs": description.history.len(),
            "best_epoch": description.best_epoch,
            "loss": last.map(|record| record.train_loss),
            "held_out_loss": last.and_then(|record| record.held_out_loss),
            "seconds": self.pace.seconds,
            "evaluation": self.evaluation.as_ref().map(as_json).transpose()?,
            "notes": notes,
        }))
    }

    fn as_text(&self) -> String {
        let mut lines = vec![vec!["model".to_owned(), self.files.model.display().to_string()]];
        if let Some((page, pictures)) = &self.report {
            let more = if *pictures > 0 {
                format!(", {} beside it", of(*pictures, "picture", "pictures"))
            } else {
                String::new()
            };
            lines.push(vec!["report".to_owned(), format!("{}{more}", page.display())]);
        }
        if let Some(log) = self.log {
            lines.push(vec!["log".to_owned(), log.display().to_string()]);
        }
        let places = table(&lines, |_| false);
        match &self.evaluation {
            Some(evaluation) => format!("\n{}\n\n{places}", figures(evaluation)),
            None => format!("\n{places}"),
        }
    }
}

/// What training came to.
pub fn summary(description: &Description, pace: Pace) -> String {
    let history = &description.history;
    let mut text = format!(
        "trained {} in {} ({} rows/s)",
        of(history.len(), "epoch", "epochs"),
        duration(pace.seconds),
        count(pace.rows_per_second as u64)
    );
    if let Some(last) = history.last() {
        text.push_str(&format!(": loss {}", figure(last.train_loss)));
        if let Some(held_out) = last.held_out_loss {
            text.push_str(&format!(", held-out {}", figure(held_out)));
        }
    }
    if let Some(best) = description.best_epoch {
        text.push_str(&format!("; the weights are those of epoch {best}, the best"));
    }
    text
}

/// The command line of this run, with `--resume`.
pub fn resuming_command() -> String {
    let mut words: Vec<String> =
        std::env::args_os().skip(1).map(|word| quoted(&word.to_string_lossy())).collect();
    if !words.iter().any(|word| word == "--resume") {
        words.push("--resume".to_owned());
    }
    format!("narrows {}", words.join(" "))
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn words_are_quoted_where_a_shell_would_cut_them() {
        assert_eq!(quoted("train.epochs=3"), "train.epochs=3");
        assert_eq!(quoted("my data.csv"), "'my data.csv'");
        assert_eq!(quoted("it's"), "'it'\\''s'");
        assert_eq!(quoted(""), "''");
    }
}
