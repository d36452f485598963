//! The timing loop, the same as the peers' (`bench/peers/common.py`).

use crate::{Result, memory};
use std::time::Instant;

/// One sample lasts at least this long, so that the clock and the loop weigh nothing.
const SAMPLE_SECONDS: f64 = 0.04;
/// Steps run before the first sample: at least these many, and for at least so long.
const WARM_UP_STEPS: usize = 5;
const WARM_UP_SECONDS: f64 = 0.3;

/// What was measured: milliseconds per iteration, one entry a sample, sorted.
#[derive(Debug)]
pub struct Times {
    samples: Vec<f64>,
    iterations: usize,
}

/// Calls `step` for `seconds` after a warm-up. Each sample is the mean of as many calls as fill 40 ms.
pub fn measure(seconds: f64, step: &mut dyn FnMut() -> Result<()>) -> Result<Times> {
    let start = Instant::now();
    let mut warm = 0;
    while warm < WARM_UP_STEPS || start.elapsed().as_secs_f64() < WARM_UP_SECONDS {
        step()?;
        warm += 1;
    }
    let mean = start.elapsed().as_secs_f64() / warm as f64;
    let calls = ((SAMPLE_SECONDS / mean).ceil() as usize).max(1);

    let mut samples = Vec::new();
    let start = Instant::now();
    while samples.len() < 3 || start.elapsed().as_secs_f64() < seconds {
        let sample = Instant::now();
        for _ in 0..calls {
            step()?;
        }
        samples.push(sample.elapsed().as_secs_f64() * 1e3 / calls as f64);
    }
    samples.sort_by(f64::total_cmp);
    Ok(Times { iterations: samples.len() * calls, samples })
}

impl Times {
    /// Middle sample; the mean of the two middle ones where there is an even number.
    pub fn median(&self) -> f64 {
        let n = self.samples.len();
        (self.samples[(n - 1) / 2] + self.samples[n / 2]) / 2.0
    }

    /// The line that the driver reads.
    pub fn json(&self, workload: &str) -> String {
        format!(
            r#"{{"workload": "{workload}", "side": "narrows", "variant": "compiled", "median_ms": {:.6}, "min_ms": {:.6}, "iterations": {}, "peak_rss_mb": {:.1}}}"#,
            self.median(),
            self.samples[0],
            self.iterations,
            memory::peak_mb().unwrap_or(0.0),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_of_even_and_odd() {
        let times = |samples: &[f64]| Times { samples: samples.to_vec(), iterations: 1 };
        assert_eq!(times(&[1.0, 2.0, 9.0]).median(), 2.0);
        assert_eq!(times(&[1.0, 2.0, 4.0, 9.0]).median(), 3.0);
    }
}
