//! Numbers and tables as people read them.

/// A whole number with its thousands apart: 12,000.
pub fn count(number: impl TryInto<u64>) -> String {
    let digits = number.try_into().unwrap_or(u64::MAX).to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// So many of something: "1 row", "2,000 rows".
pub fn of(number: usize, one: &str, many: &str) -> String {
    format!("{} {}", count(number as u64), if number == 1 { one } else { many })
}

/// Bytes with a unit: 45 MB.
pub fn bytes(number: usize) -> String {
    scaled(number as f64, &["B", "kB", "MB", "GB", "TB"])
}

/// Operations with a unit: 1.4 GFLOP.
pub fn flops(number: u64) -> String {
    scaled(number as f64, &["FLOP", "kFLOP", "MFLOP", "GFLOP", "TFLOP", "PFLOP", "EFLOP"])
}

fn scaled(mut number: f64, units: &[&str]) -> String {
    let mut unit = 0;
    while number >= 999.5 && unit + 1 < units.len() {
        number /= 1000.0;
        unit += 1;
    }
    let digits = if unit > 0 && number < 9.95 { 1 } else { 0 };
    format!("{number:.digits$} {}", units[unit])
}

/// A stretch of time: 0.4 s, 38 s, 4 min 10 s, 2 h 5 min.
pub fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        _ if seconds < 9.95 => format!("{seconds:.1} s"),
        0..60 => format!("{whole} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

/// A figure such as a loss: about four digits, whatever its size.
pub fn figure(number: f64) -> String {
    let size = number.abs();
    let digits: usize = if size >= 1000.0 {
        1
    } else if size >= 100.0 {
        2
    } else if size >= 1.0 {
        3
    } else {
        4
    };
    if size != 0.0 && size < 1e-3 { format!("{number:.3e}") } else { format!("{number:.digits$}") }
}

/// Rows of cells in columns: those for which `right` holds end together, the others begin together.
pub fn table(rows: &[Vec<String>], right: impl Fn(usize) -> bool) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().enumerate().map(|(column, cell)| {
            let space = " ".repeat(widths[column] - cell.chars().count());
            if right(column) { format!("{space}{cell}") } else { format!("{cell}{space}") }
        });
        format!("  {}", cells.collect::<Vec<_>>().join("  ")).trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!([0, 999, 1000, 1_234_567].map(|n: u64| count(n)), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([12, 999_600, 1_440_000].map(bytes), ["12 B", "1.0 MB", "1.4 MB"]);
        assert_eq!([0.04, 37.6, 250.0, 7500.0].map(duration), ["0.0 s", "38 s", "4 min 10 s", "2 h 5 min"]);
        assert_eq!(
            [1234.56, 13.8701, 0.5, 1e-5, 0.0].map(figure),
            ["1234.6", "13.870", "0.5000", "1.000e-5", "0.0000"]
        );
        assert_eq!((of(1, "row", "rows"), of(2000, "row", "rows")), ("1 row".into(), "2,000 rows".into()));
    }

    #[test]
    fn columns_are_aligned() {
        let rows = vec![vec!["a".to_owned(), "10".to_owned()], vec!["bcd".to_owned(), "9".to_owned()]];
        assert_eq!(table(&rows, |column| column == 1), "  a    10\n  bcd   9");
    }
}
