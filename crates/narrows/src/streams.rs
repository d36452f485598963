//! Numbers of the host's random streams: each use has its own, so that none disturbs another.

/// Starting weights; the step is the layer's number.
pub const WEIGHTS: u32 = 0x4000_0010;
/// The order of rows; the step is the epoch.
pub const ORDER: u32 = 0x4000_0011;
/// Shifts of pictures; the step is the epoch.
pub const SHIFT: u32 = 0x4000_0012;
/// First centres of a mixture.
pub const MIXTURE: u32 = 0x4000_0013;
/// Generated codes; the step is the code's number.
pub const DRAWS: u32 = 0x4000_0014;
/// Rows that a probe shows its classifiers; the step is the draw.
pub const PROBE: u32 = 0x4000_0015;
/// Which rows keep their labels.
pub const LABELLED: u32 = 0x4000_0016;
/// Places of blocks that are missing in pictures.
pub const MASK: u32 = 0x4000_0017;
