//! A folder of its own for each test, and the program run in it.

use serde_json::Value;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// A folder in which the program runs.
pub struct Room {
    folder: TempDir,
}

/// What a run printed, and how it ended.
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Room {
    pub fn new() -> Room {
        Room { folder: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub fn text(&self, name: &str) -> String {
        String::from_utf8(self.read(name)).unwrap()
    }

    /// The program, with arguments cut at spaces.
    pub fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_narrows"));
        command.args(arguments.split_whitespace()).current_dir(self.folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn run(&self, arguments: &str) -> Ran {
        Ran::from(self.command(arguments).output().unwrap())
    }

    /// Runs a command that must succeed.
    pub fn done(&self, arguments: &str) -> Ran {
        let ran = self.run(arguments);
        assert_eq!(ran.code, 0, "narrows {arguments}\n{}{}", ran.stdout, ran.stderr);
        ran
    }

    /// Runs a command that must print exactly one JSON object, and nothing else, to stdout.
    pub fn json(&self, arguments: &str) -> Value {
        let ran = self.done(arguments);
        let object: Value = serde_json::from_str(&ran.stdout)
            .unwrap_or_else(|error| panic!("narrows {arguments}: {error}: {}", ran.stdout));
        assert!(object.is_object(), "{object}");
        object
    }

    /// Every file and folder, by its path, with its content.
    pub fn everything(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut found = Vec::new();
        walk(self.folder.path(), &mut found);
        found.sort();
        found
    }

    /// Runs a command that must be refused: exit code 1, one line, a hint, nothing else, nothing left behind. Returns the
    /// line.
    pub fn refused(&self, arguments: &str) -> String {
        let command = self.command(arguments);
        self.refused_by(command, arguments)
    }

    pub fn refused_by(&self, mut command: Command, what: &str) -> String {
        let before = self.everything();
        let ran = Ran::from(command.output().unwrap());
        assert_eq!(ran.code, 1, "{what}: {}{}", ran.stdout, ran.stderr);
        assert_eq!(ran.stdout, "", "{what}");
        let said: Vec<&str> = ran.stderr.lines().collect();
        let at = said.iter().position(|line| line.starts_with("error: ")).expect(what);
        // Training that has begun has told about itself before.
        assert_eq!(said.len(), at + 2, "{what}: {}", ran.stderr);
        assert!(said[at + 1].starts_with("hint: ") && said[at + 1].len() > 12, "{what}: {}", ran.stderr);
        let after = self.everything();
        let names = |all: &[(PathBuf, Vec<u8>)]| all.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>();
        assert_eq!(names(&before), names(&after), "{what}");
        assert!(before == after, "{what}: a file was changed");
        said[at].trim_start_matches("error: ").to_owned()
    }

    /// A table of numbers that an autoencoder can learn something from, a row for each of `rows`.
    pub fn table(&self, name: &str, rows: usize, columns: usize) {
        let mut text: String = (0..columns).map(|column| format!("c{column},")).collect();
        text.push_str("kind\n");
        for row in 0..rows {
            let angle = row as f64 * 0.7;
            for column in 0..columns {
                let value = (angle + column as f64).sin() + 0.1 * (row as f64 * 1.3 * column as f64).cos();
                write!(text, "{value:.5},").unwrap();
            }
            writeln!(text, "{}", row % 2).unwrap();
        }
        self.write(name, text);
    }

    /// A small model of a table, `t.csv` to `t.narrows`; the label column is left out of the rows.
    pub fn with_table_model() -> Room {
        let room = Room::new();
        room.table("t.csv", 60, 5);
        room.done(&format!("train t.csv {TABLE}"));
        room
    }
}

/// Settings that make training on the table quick.
pub const TABLE: &str = "--set data.label=kind --set model.hidden=[6] --set model.code=2 --set train.epochs=3 --set train.batch=16";
/// Settings that make training on drawn digits quick.
pub const GLYPHS: &str = "--set data.rows=300 --set data.test_rows=60 --set model.hidden=[32] --set model.code=4 --set train.epochs=2 --set train.batch=64";

impl From<Output> for Ran {
    fn from(output: Output) -> Ran {
        Ran {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

fn walk(folder: &Path, found: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, found);
            found.push((path, Vec::new()));
        } else {
            let content = fs::read(&path).unwrap();
            found.push((path, content));
        }
    }
}

/// An IDX file of bytes.
pub fn idx(sizes: &[u32], values: impl Iterator<Item = u8>) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, sizes.len() as u8];
    bytes.extend(sizes.iter().flat_map(|size| size.to_be_bytes()));
    let count = sizes.iter().product::<u32>() as usize;
    bytes.extend(values.take(count));
    assert_eq!(bytes.len(), 4 + 4 * sizes.len() + count);
    bytes
}

/// A folder as MNIST's: pictures of 6×6 in two classes, bright above or bright below, with a test part.
pub fn write_idx_folder(room: &Room, folder: &str) {
    for (part, rows) in [("train", 80u32), ("t10k", 20)] {
        let pixel = |at: u32| {
            let (row, line) = (at / 36, at % 36 / 6);
            let bright = (line < 3) == row.is_multiple_of(2);
            (if bright { 200 } else { 20 }) + (at * 31 % 40) as u8
        };
        room.write(
            &format!("{folder}/{part}-images-idx3-ubyte"),
            idx(&[rows, 6, 6], (0..rows * 36).map(pixel)),
        );
        room.write(
            &format!("{folder}/{part}-labels-idx1-ubyte"),
            idx(&[rows], (0..rows).map(|row| (row % 2) as u8)),
        );
    }
}
