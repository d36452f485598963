//! Colours that people with colour-blindness can tell apart too.

/// Ten colours for labels (Petroff 2021, chosen for all kinds of colour vision and for lightness).
pub(super) const LABELS: [&str; 10] = [
    "#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6", "#a96b59", "#e76300", "#b9ac70", "#717581",
    "#92dadd",
];

/// The colour of a label; after ten they begin again.
pub(super) fn label(index: usize) -> &'static str {
    LABELS[index % LABELS.len()]
}

const POSITIVE: [u8; 3] = [0xe0, 0x6c, 0x00];
const NEGATIVE: [u8; 3] = [0x1f, 0x77, 0xc9];

/// The colour of a signed value from −1 to 1: orange above 0, blue below, the paler the nearer to 0, where the page
/// shows through, so that one picture suits the light and the dark page.
pub(super) fn signed(value: f32) -> [u8; 4] {
    let value = if value.is_finite() { value.clamp(-1.0, 1.0) } else { 0.0 };
    let [red, green, blue] = if value < 0.0 { NEGATIVE } else { POSITIVE };
    [red, green, blue, (value.abs() * 255.0).round() as u8]
}

/// A grey or colour level from a value between 0 and 1.
pub(super) fn level(value: f32) -> u8 {
    if value.is_nan() { 0 } else { (value.clamp(0.0, 1.0) * 255.0).round() as u8 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signed_values_differ_in_colour_by_sign_and_in_strength_by_size() {
        assert_eq!(signed(0.0)[3], 0);
        assert_eq!(signed(1.0), [0xe0, 0x6c, 0x00, 255]);
        assert_eq!(signed(-7.0), [0x1f, 0x77, 0xc9, 255]);
        assert!(signed(0.25)[3] < signed(-0.75)[3]);
        assert_eq!(signed(f32::NAN)[3], 0);
        assert_eq!((level(-1.0), level(0.5), level(2.0), level(f32::NAN)), (0, 128, 255, 0));
    }
}
