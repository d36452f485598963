//! Small helpers for writing HTML and SVG.

use std::fmt::Write as _;

/// Text as HTML: the five characters that mean something there are written as entities, control characters left out.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\n' | '\t' => escaped.push(character),
            control if control.is_control() => {}
            other => escaped.push(other),
        }
    }
    escaped
}

/// A number as people read it: about four figures, no needless zeros, thousands apart.
pub(super) fn number(value: f64) -> String {
    if !value.is_finite() {
        return "–".to_string();
    }
    let size = value.abs();
    if value < 0.0 {
        return format!("−{}", number(size));
    }
    if size != 0.0 && !(1e-3..1e7).contains(&size) {
        return format!("{value:.2e}");
    }
    if size >= 1000.0 {
        return whole(value.round());
    }
    let decimals = if size >= 100.0 {
        1
    } else if size >= 10.0 {
        2
    } else {
        3
    };
    let text = format!("{value:.decimals$}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

/// A whole number of 0 or more with a thin space between thousands.
pub(super) fn whole(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// A share as a percentage.
pub(super) fn percent(share: f64) -> String {
    format!("{}\u{202f}%", number((share * 1e4).round() / 100.0))
}

/// A coordinate in an SVG: tenths are fine enough.
pub(super) fn coordinate(value: f64) -> String {
    let mut text = String::new();
    let _ = write!(text, "{:.1}", if value.is_finite() { value } else { 0.0 });
    if text.ends_with(".0") {
        text.truncate(text.len() - 2);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_markup() {
        assert_eq!(escape("<b title=\"a\" & 'c'>\u{0}x"), "&lt;b title=&quot;a&quot; &amp; &#39;c&#39;&gt;x");
    }

    #[test]
    fn numbers_read_well() {
        let cases = [
            (0.0, "0"),
            (0.5, "0.5"),
            (2.34567, "2.346"),
            (13.87, "13.87"),
            (123.456, "123.5"),
            (12345.6, "12\u{202f}346"),
            (0.00001, "1.00e-5"),
            (-2.5, "−2.5"),
            (-1234.0, "−1\u{202f}234"),
            (f64::NAN, "–"),
        ];
        for (value, text) in cases {
            assert_eq!(number(value), text);
        }
        assert_eq!(percent(0.98412), "98.41\u{202f}%");
        assert_eq!(coordinate(3.04), "3");
        assert_eq!(whole(1234567.0), "1\u{202f}234\u{202f}567");
    }
}
