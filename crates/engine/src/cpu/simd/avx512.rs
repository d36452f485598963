//! AVX-512: 16 lanes, 32 registers.

use super::Simd;
use std::arch::x86_64::*;

/// Classes of numbers, as `vfpclassps` names them.
const NAN: i32 = 0x81;
const ZERO: i32 = 0x06;
const INFINITE: i32 = 0x18;
const DENORMAL: i32 = 0x20;
const NEGATIVE: i32 = 0x40;

/// The AVX-512 level.
#[derive(Clone, Copy)]
pub struct Avx512;

#[allow(unsafe_op_in_unsafe_fn, reason = "each body is one or two intrinsics under the trait's contract")]
impl Simd for Avx512 {
    type V = __m512;
    type Mask = __mmask16;
    const LANES: usize = 16;
    const TILE_VECTORS: usize = 4;

    #[inline(always)]
    unsafe fn splat(value: f32) -> __m512 {
        _mm512_set1_ps(value)
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m512 {
        _mm512_loadu_ps(from)
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, value: __m512) {
        _mm512_storeu_ps(to, value)
    }
    #[inline(always)]
    unsafe fn add(a: __m512, b: __m512) -> __m512 {
        _mm512_add_ps(a, b)
    }
    #[inline(always)]
    unsafe fn sub(a: __m512, b: __m512) -> __m512 {
        _mm512_sub_ps(a, b)
    }
    #[inline(always)]
    unsafe fn mul(a: __m512, b: __m512) -> __m512 {
        _mm512_mul_ps(a, b)
    }
    #[inline(always)]
    unsafe fn div(a: __m512, b: __m512) -> __m512 {
        _mm512_div_ps(a, b)
    }
    #[inline(always)]
    unsafe fn fma(a: __m512, b: __m512, c: __m512) -> __m512 {
        _mm512_fmadd_ps(a, b, c)
    }
    #[inline(always)]
    unsafe fn fnma(a: __m512, b: __m512, c: __m512) -> __m512 {
        _mm512_fnmadd_ps(a, b, c)
    }
    #[inline(always)]
    unsafe fn sqrt(a: __m512) -> __m512 {
        _mm512_sqrt_ps(a)
    }
    /// The dividers of this level are slow (16 cycles a vector and more), so both the root and the quotient start from
    /// 14-bit estimates and take one Newton step.
    #[inline(always)]
    unsafe fn div_sqrt_add(a: __m512, b: __m512, c: __m512) -> __m512 {
        let half = _mm512_set1_ps(0.5);
        // The estimate of 1/√b is infinite at 0, where the root is 0; a finite one gives it.
        let estimate = _mm512_rsqrt14_ps(_mm512_max_ps(b, _mm512_set1_ps(f32::MIN_POSITIVE)));
        let root = _mm512_mul_ps(b, estimate);
        let error = _mm512_fnmadd_ps(root, estimate, _mm512_set1_ps(1.0));
        let root = _mm512_fmadd_ps(_mm512_mul_ps(root, half), error, root);
        let divisor = _mm512_add_ps(root, c);
        let inverse = _mm512_rcp14_ps(divisor);
        // NaN, infinite, denormal and negative operands, and divisors whose inverse is no normal number: the slow way.
        let unusual = _mm512_fpclass_ps_mask::<{ NAN | INFINITE | DENORMAL | NEGATIVE }>(b)
            | _mm512_fpclass_ps_mask::<{ NAN | INFINITE | DENORMAL | ZERO }>(inverse);
        if unusual != 0 {
            return _mm512_div_ps(a, _mm512_add_ps(_mm512_sqrt_ps(b), c));
        }
        let error = _mm512_fnmadd_ps(divisor, inverse, _mm512_set1_ps(1.0));
        _mm512_mul_ps(a, _mm512_fmadd_ps(inverse, error, inverse))
    }
    #[inline(always)]
    unsafe fn round(a: __m512) -> __m512 {
        _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a)
    }
    #[inline(always)]
    unsafe fn power_of_two(n: __m512) -> __m512 {
        let biased = _mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127));
        _mm512_castsi512_ps(_mm512_slli_epi32::<23>(biased))
    }
    #[inline(always)]
    unsafe fn scale(a: __m512, n: __m512) -> __m512 {
        _mm512_scalef_ps(a, n)
    }
    #[inline(always)]
    unsafe fn split_exponent(a: __m512) -> (__m512, __m512) {
        let bits = _mm512_castps_si512(a);
        let shifted = _mm512_sub_epi32(bits, _mm512_set1_epi32(super::plain::ROOT_HALF_BITS));
        let exponent = _mm512_srai_epi32::<23>(shifted);
        let mantissa = _mm512_sub_epi32(bits, _mm512_slli_epi32::<23>(exponent));
        (_mm512_castsi512_ps(mantissa), _mm512_cvtepi32_ps(exponent))
    }
    #[inline(always)]
    unsafe fn abs(a: __m512) -> __m512 {
        _mm512_abs_ps(a)
    }
    #[inline(always)]
    unsafe fn copy_sign(a: __m512, b: __m512) -> __m512 {
        let sign = _mm512_set1_ps(-0.0);
        _mm512_or_ps(_mm512_andnot_ps(sign, a), _mm512_and_ps(sign, b))
    }
    #[inline(always)]
    unsafe fn gt(a: __m512, b: __m512) -> __mmask16 {
        _mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, b)
    }
    #[inline(always)]
    unsafe fn ge(a: __m512, b: __m512) -> __mmask16 {
        _mm512_cmp_ps_mask::<_CMP_GE_OQ>(a, b)
    }
    #[inline(always)]
    unsafe fn eq(a: __m512, b: __m512) -> __mmask16 {
        _mm512_cmp_ps_mask::<_CMP_EQ_OQ>(a, b)
    }
    #[inline(always)]
    unsafe fn select(mask: __mmask16, a: __m512, b: __m512) -> __m512 {
        _mm512_mask_blend_ps(mask, b, a)
    }
    /// The instruction gives its second operand where both are equal or any is NaN.
    #[inline(always)]
    unsafe fn maximum(a: __m512, b: __m512) -> __m512 {
        let unordered = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(b, b);
        _mm512_mask_blend_ps(unordered, _mm512_max_ps(b, a), b)
    }
    #[inline(always)]
    unsafe fn or(a: __m512, b: __m512) -> __m512 {
        _mm512_or_ps(a, b)
    }
    #[inline(always)]
    unsafe fn turn_bits(rows: &[u8; 32]) -> [u32; 8] {
        super::avx2::Avx2::turn_bits(rows)
    }
    #[inline(always)]
    unsafe fn filled(a: __m512) -> u32 {
        _mm512_cmp_ps_mask::<_CMP_NEQ_UQ>(a, _mm512_setzero_ps()).into()
    }
    #[inline(always)]
    unsafe fn list(first: u32, bits: u32, to: *mut u32) -> usize {
        let lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
        let numbers = _mm512_add_epi32(lanes, _mm512_set1_epi32(first as i32));
        _mm512_storeu_epi32(to.cast(), _mm512_maskz_compress_epi32(bits as __mmask16, numbers));
        bits.count_ones() as usize
    }
    #[inline(always)]
    unsafe fn list_narrow(bits: u32, first: usize, to: *mut u16) -> usize {
        let lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
        let low = _mm512_add_epi32(lanes, _mm512_set1_epi32(first as i32));
        let high = _mm512_add_epi32(low, _mm512_set1_epi32(16));
        let behind = to.add((bits & 0xffff).count_ones() as usize);
        let low = _mm512_maskz_compress_epi32(bits as __mmask16, low);
        let high = _mm512_maskz_compress_epi32((bits >> 16) as __mmask16, high);
        _mm256_storeu_si256(to.cast(), _mm512_cvtepi32_epi16(low));
        _mm256_storeu_si256(behind.cast(), _mm512_cvtepi32_epi16(high));
        bits.count_ones() as usize
    }
    const LISTED_EIGHTHS: usize = 5;
    const LISTED_COST: f32 = 1.6;
    #[inline(always)]
    unsafe fn prefetch(from: *const f32) {
        _mm_prefetch::<_MM_HINT_T0>(from.cast());
    }
    const TURN: usize = 16;
    /// Four rounds of exchanges, at distances 1, 2, 4 and 8.
    #[inline(always)]
    unsafe fn turn(from: *const f32, from_step: usize, to: *mut f32, to_step: usize) {
        let mut rows = [_mm512_setzero_ps(); 16];
        for (row, vector) in rows.iter_mut().enumerate() {
            *vector = _mm512_loadu_ps(from.add(row * from_step));
        }
        let mut next = rows;
        for pair in 0..8 {
            next[2 * pair] = _mm512_unpacklo_ps(rows[2 * pair], rows[2 * pair + 1]);
            next[2 * pair + 1] = _mm512_unpackhi_ps(rows[2 * pair], rows[2 * pair + 1]);
        }
        for four in 0..4 {
            let (a, b) = (_mm512_castps_pd(next[4 * four]), _mm512_castps_pd(next[4 * four + 1]));
            let (c, d) = (_mm512_castps_pd(next[4 * four + 2]), _mm512_castps_pd(next[4 * four + 3]));
            rows[4 * four] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, c));
            rows[4 * four + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, c));
            rows[4 * four + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(b, d));
            rows[4 * four + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(b, d));
        }
        for eight in 0..2 {
            for row in 0..4 {
                let (a, b) = (rows[8 * eight + row], rows[8 * eight + 4 + row]);
                next[8 * eight + row] = _mm512_shuffle_f32x4::<0b10_00_10_00>(a, b);
                next[8 * eight + 4 + row] = _mm512_shuffle_f32x4::<0b11_01_11_01>(a, b);
            }
        }
        for row in 0..4 {
            for (number, pair) in [(row, (row, row + 8)), (row + 4, (row + 4, row + 12))] {
                let (a, b) = (next[pair.0], next[pair.1]);
                _mm512_storeu_ps(to.add(number * to_step), _mm512_shuffle_f32x4::<0b10_00_10_00>(a, b));
                _mm512_storeu_ps(to.add((number + 8) * to_step), _mm512_shuffle_f32x4::<0b11_01_11_01>(a, b));
            }
        }
    }
}
