//! Numbers as files of weights store them.

/// How a number is stored, lowest byte first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// IEEE 754 binary16.
    F16,
    /// The upper half of an f32.
    Bf16,
    /// f32.
    F32,
    /// f64; rounded.
    F64,
}

impl Stored {
    /// Bytes of a number.
    pub fn size(self) -> usize {
        match self {
            Stored::F16 | Stored::Bf16 => 2,
            Stored::F32 => 4,
            Stored::F64 => 8,
        }
    }

    /// The number that [`Stored::size`] bytes are.
    pub fn number(self, bytes: &[u8]) -> f32 {
        let low = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        match self {
            Stored::F16 => from_half(low(0)),
            Stored::Bf16 => f32::from_bits(u32::from(low(0)) << 16),
            Stored::F32 => f32::from_bits(u32::from(low(0)) | u32::from(low(2)) << 16),
            Stored::F64 => {
                let words = [0, 2, 4, 6].map(|at| u64::from(low(at)));
                f64::from_bits(words[0] | words[1] << 16 | words[2] << 32 | words[3] << 48) as f32
            }
        }
    }
}

/// Five bits of exponent with a bias of 15, ten of fraction.
fn from_half(bits: u16) -> f32 {
    let (sign, exponent, fraction) = (bits >> 15, (bits >> 10) & 31, bits & 1023);
    let size = match exponent {
        0 => f32::from(fraction) * 2f32.powi(-24),
        31 if fraction == 0 => f32::INFINITY,
        31 => f32::NAN,
        _ => f32::from(1024 + fraction) * 2f32.powi(i32::from(exponent) - 25),
    };
    if sign == 1 { -size } else { size }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_of_storing_gives_the_number() {
        assert_eq!(Stored::F32.number(&(-1.5f32).to_le_bytes()), -1.5);
        assert_eq!(Stored::F64.number(&0.1f64.to_le_bytes()), 0.1);
        assert_eq!(Stored::Bf16.number(&[0x40, 0xc0]), -3.0);
        let half = |bits: u16| Stored::F16.number(&bits.to_le_bytes());
        assert_eq!([half(0x3c00), half(0xc248), half(0x7bff)], [1.0, -3.140625, 65504.0]);
        assert_eq!([half(0x0001), half(0x0400)], [2f32.powi(-24), 2f32.powi(-14)]);
        assert!(half(0x7c00).is_infinite() && half(0x7e00).is_nan());
        assert_eq!(half(0x8000).to_bits(), (-0.0f32).to_bits());
    }
}
