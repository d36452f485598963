//! What training does to inputs before the network sees them.

use super::Limits;
use super::part::part;

part! {
    /// What training does to prepared inputs, anew in every step; the loss compares with the clean ones (Vincent et al. 2010).
    pub enum Corruption: "none" {
        /// Nothing.
        None = "none",
        /// Numbers set to 0 at random.
        Masking = "masking" {
            /// q, the share of numbers that are set to 0.
            share: f64 = 0.25, Limits::RATE;
        },
        /// Normal noise added to every number.
        Gaussian = "gaussian" {
            /// σ, its standard deviation.
            deviation: f64 = 0.3, Limits::POSITIVE;
        },
        /// Numbers set to 0 or to 1 at random; for values from 0 to 1.
        SaltAndPepper = "salt-and-pepper" {
            /// The share of numbers that are set, half of them to 0 and half to 1.
            share: f64 = 0.25, Limits::RATE;
        },
        /// A rectangle of each picture set to 0, at a random place.
        Block = "block" {
            /// Its height in pixels.
            height: usize = 8, Limits::WIDTH;
            /// Its width in pixels.
            width: usize = 8, Limits::WIDTH;
        },
    }
}
