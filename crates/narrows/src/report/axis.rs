//! Axes: from values to places on a chart, with ticks at round numbers.

use super::html::number;

/// An axis from `low` to `high`, drawn from `start` to `end`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Axis {
    low: f64,
    high: f64,
    start: f64,
    end: f64,
    logarithmic: bool,
}

impl Axis {
    /// An axis for the values, logarithmic when `log_allowed` and the largest is over six times the smallest:
    /// otherwise the first epoch of a usual training presses all later ones together.
    pub fn fit(values: impl Iterator<Item = f64>, start: f64, end: f64, log_allowed: bool) -> Self {
        let (low, high) = values
            .filter(|value| value.is_finite())
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        let (low, high) = if low > high { (0.0, 1.0) } else { (low, high) };
        let logarithmic = log_allowed && low > 0.0 && high / low > 6.0;
        let (low, high) = if low == high { (low - 0.5, high + 0.5) } else { (low, high) };
        Self { low, high, start, end, logarithmic }
    }

    /// The same axis with a margin of this share of its length at both ends.
    pub fn widened(mut self, share: f64) -> Self {
        let margin = (self.high - self.low) * share;
        (self.low, self.high) = (self.low - margin, self.high + margin);
        self
    }

    /// The same axis, reaching down to 0 when it is linear and begins near it.
    pub fn reaching_zero(mut self) -> Self {
        if !self.logarithmic && self.low > 0.0 && self.low < 0.5 * self.high {
            self.low = 0.0;
        }
        self
    }

    /// Whether equal steps are equal factors.
    pub fn is_logarithmic(&self) -> bool {
        self.logarithmic
    }

    /// Where a value is drawn.
    pub fn place(&self, value: f64) -> f64 {
        let share = if self.logarithmic {
            (value.max(f64::MIN_POSITIVE) / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        self.start + share * (self.end - self.start)
    }

    /// Round values along the axis, at most about six, with their labels.
    pub fn ticks(&self) -> Vec<(f64, String)> {
        let values = if self.logarithmic { self.log_ticks() } else { self.linear_ticks(5.0) };
        values.into_iter().map(|value| (self.place(value), number(value))).collect()
    }

    /// Round whole numbers along the axis.
    pub fn whole_ticks(&self) -> Vec<(f64, String)> {
        let ticks = self.linear_ticks(6.0).into_iter().filter(|value| value.fract() == 0.0);
        ticks.map(|value| (self.place(value), number(value))).collect()
    }

    fn linear_ticks(&self, wanted: f64) -> Vec<f64> {
        let rough = (self.high - self.low) / wanted;
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power).into_iter().find(|step| *step >= rough);
        let step = step.unwrap_or(10.0 * power);
        let first = (self.low / step).ceil() as i64;
        let last = (self.high / step).floor() as i64;
        (first..=last).take(20).map(|count| count as f64 * step).collect()
    }

    fn log_ticks(&self) -> Vec<f64> {
        let (first, last) = (self.low.log10().floor() as i32, self.high.log10().ceil() as i32);
        let factors: &[f64] = match last - first {
            0..=3 => &[1.0, 2.0, 3.0, 5.0],
            _ => &[1.0],
        };
        let every = ((last - first) / 8 + 1) as usize;
        let decades = (first..=last).step_by(every);
        let values =
            decades.flat_map(|decade| factors.iter().map(move |factor| factor * 10_f64.powi(decade)));
        values.filter(|value| *value >= self.low * 0.999 && *value <= self.high * 1.001).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<String> {
        axis.ticks().into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_are_round_and_inside() {
        let axis = Axis::fit([3.2, 13.9].into_iter(), 300.0, 0.0, true).reaching_zero();
        assert_eq!(labels(&axis), ["0", "5", "10"]);
        assert_eq!(axis.place(0.0), 300.0);
        assert_eq!(axis.place(13.9), 0.0);
        assert!(!axis.is_logarithmic());
    }

    #[test]
    fn a_wide_range_is_logarithmic() {
        let axis = Axis::fit([0.5, 50.0].into_iter(), 0.0, 100.0, true);
        assert!(axis.is_logarithmic());
        assert_eq!(labels(&axis), ["0.5", "1", "2", "3", "5", "10", "20", "30", "50"]);
        assert!((axis.place(5.0) - 50.0).abs() < 1e-9);
    }

    #[test]
    fn one_value_no_value_and_no_number_have_an_axis() {
        for values in [vec![], vec![2.0], vec![f64::NAN, f64::INFINITY]] {
            let axis = Axis::fit(values.into_iter(), 0.0, 10.0, true);
            assert!(!axis.ticks().is_empty());
            assert!(axis.place(1.0).is_finite());
        }
    }

    #[test]
    fn epochs_have_whole_ticks() {
        let axis = Axis::fit([1.0, 3.0].into_iter(), 0.0, 10.0, false);
        let ticks: Vec<String> = axis.whole_ticks().into_iter().map(|(_, label)| label).collect();
        assert_eq!(ticks, ["1", "2", "3"]);
    }
}
