//! ln Z of small machines, exactly: all values of the hidden or of the visible units, whichever are few, are gone through.

use super::machine::Machine;
use super::units::Units;
use narrows_engine::cpu::States;

/// Most units whose values are gone through: 2 to this power of them.
const MOST_UNITS: usize = 18;

/// ln Z = ln ∫∫ exp(b·v + c·h + vᵀWh), with −½‖·‖² of gaussian units; none where neither side is of a few Bernoulli units.
pub fn log_partition(machine: &Machine, states: &States) -> Option<f64> {
    let values = |name: &str| states.get(name).unwrap_or_default();
    let weight = values(&machine.weight);
    let (visible, hidden) = (values(&machine.visible_bias), values(&machine.hidden_bias));
    let [rows, columns] = machine.sizes;
    let fits = |units: Units, count: usize| units == Units::Bernoulli && count <= MOST_UNITS;
    if fits(machine.hidden, columns) && (columns <= rows || !fits(machine.visible, rows)) {
        let row = |unit: usize| (0..rows).map(|other| f64::from(weight[other * columns + unit])).collect();
        let rows_of: Vec<Vec<f64>> = (0..columns).map(row).collect();
        return over_all_values(&hidden, &rows_of, &visible, machine.visible);
    }
    if fits(machine.visible, rows) {
        let row = |unit: usize| weight[unit * columns..][..columns].iter().map(|w| f64::from(*w)).collect();
        let rows_of: Vec<Vec<f64>> = (0..rows).map(row).collect();
        return over_all_values(&visible, &rows_of, &hidden, machine.hidden);
    }
    None
}

/// ln Σ over values of the first side of exp(own bias) Π over the other side's units. One unit changes at a time, in Gray's order.
fn over_all_values(own: &[f32], weights: &[Vec<f64>], other: &[f32], units: Units) -> Option<f64> {
    let mut sums: Vec<f64> = other.iter().map(|bias| f64::from(*bias)).collect();
    let mut bias = 0.0;
    let mut set = vec![false; own.len()];
    let mut total = LogSum::default();
    for number in 0..1u64 << own.len() {
        if number > 0 {
            let unit = number.trailing_zeros() as usize;
            set[unit] = !set[unit];
            let sign = if set[unit] { 1.0 } else { -1.0 };
            bias += sign * f64::from(own[unit]);
            sums.iter_mut().zip(&weights[unit]).for_each(|(sum, weight)| *sum += sign * weight);
        }
        let others: Option<f64> = sums.iter().map(|sum| units.log_normaliser_of(*sum)).sum();
        total.add(bias + others?);
    }
    Some(total.value())
}

/// ln Σ eˣ, term by term.
#[derive(Clone, Copy)]
pub struct LogSum {
    largest: f64,
    sum: f64,
}

impl Default for LogSum {
    fn default() -> LogSum {
        LogSum { largest: f64::NEG_INFINITY, sum: 0.0 }
    }
}

impl LogSum {
    /// Adds eˣ.
    pub fn add(&mut self, term: f64) {
        if term > self.largest {
            self.sum = self.sum * (self.largest - term).exp() + 1.0;
            self.largest = term;
        } else {
            self.sum += (term - self.largest).exp();
        }
    }

    /// The logarithm; −∞ of no terms.
    pub fn value(&self) -> f64 {
        self.largest + self.sum.ln()
    }
}
