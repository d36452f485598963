//! Rows that are not pictures: small line charts, one curve for each version of the row.

use super::axis::Axis;
use super::html::{coordinate, escape};

const WIDTH: f64 = 180.0;
const HEIGHT: f64 = 84.0;
/// More points than this on so small a chart cannot be told apart.
const MOST_POINTS: usize = 360;

/// A chart of several versions of one row, each with its style class.
pub(super) fn draw(versions: &[(&str, &[f32])], words: &str) -> String {
    let length = versions.iter().map(|(_, row)| row.len()).max().unwrap_or(0);
    let x = Axis::fit([0.0, length.saturating_sub(1) as f64].into_iter(), 5.0, WIDTH - 5.0, false);
    let values = versions.iter().flat_map(|(_, row)| row.iter().map(|value| f64::from(*value)));
    let y = Axis::fit(values, HEIGHT - 6.0, 6.0, false);
    let mut svg = format!(
        "<svg class=\"small\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
        escape(words)
    );
    for (class, row) in versions {
        let every = row.len().div_ceil(MOST_POINTS).max(1);
        let points = row.iter().enumerate().step_by(every).filter(|(_, value)| value.is_finite());
        let places = points.map(|(index, value)| {
            format!("{} {}", coordinate(x.place(index as f64)), coordinate(y.place(f64::from(*value))))
        });
        let path = places.collect::<Vec<_>>().join("L");
        if !path.is_empty() {
            svg.push_str(&format!("<path class=\"curve {class}\" d=\"M{path}h0\"/>"));
        }
    }
    svg + "</svg>"
}

#[cfg(test)]
mod tests {
    use super::draw;

    #[test]
    fn each_version_is_a_curve_and_a_long_row_is_thinned() {
        let long = vec![0.5; 100_000];
        let svg = draw(&[("original", &[1.0, f32::NAN, 2.0]), ("model", &long), ("pca", &[])], "a & b");
        assert_eq!(svg.matches("<path").count(), 2);
        assert!(svg.len() < 8_000, "{}", svg.len());
        assert!(svg.contains("a &amp; b") && !svg.contains("NaN"));
    }
}
