//! The process's own peak memory.

/// Largest resident size of this process so far, in MB (10⁶ bytes); `None` where `/proc` is not to be had.
///
/// Read from `VmHWM`, not from `getrusage`: the latter counts the parent's size before `exec` too.
pub fn peak_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024.0 / 1e6)
}
