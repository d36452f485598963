//! AVX2 with FMA: 8 lanes, 16 registers.

use super::Simd;
use std::arch::x86_64::*;

/// The AVX2 level.
#[derive(Clone, Copy)]
pub struct Avx2;

#[allow(unsafe_op_in_unsafe_fn, reason = "each body is one or two intrinsics under the trait's contract")]
impl Simd for Avx2 {
    type V = __m256;
    type Mask = __m256;
    const LANES: usize = 8;
    const TILE_VECTORS: usize = 2;

    #[inline(always)]
    unsafe fn splat(value: f32) -> __m256 {
        _mm256_set1_ps(value)
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m256 {
        _mm256_loadu_ps(from)
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, value: __m256) {
        _mm256_storeu_ps(to, value)
    }
    #[inline(always)]
    unsafe fn add(a: __m256, b: __m256) -> __m256 {
        _mm256_add_ps(a, b)
    }
    #[inline(always)]
    unsafe fn sub(a: __m256, b: __m256) -> __m256 {
        _mm256_sub_ps(a, b)
    }
    #[inline(always)]
    unsafe fn mul(a: __m256, b: __m256) -> __m256 {
        _mm256_mul_ps(a, b)
    }
    #[inline(always)]
    unsafe fn div(a: __m256, b: __m256) -> __m256 {
        _mm256_div_ps(a, b)
    }
    #[inline(always)]
    unsafe fn fma(a: __m256, b: __m256, c: __m256) -> __m256 {
        _mm256_fmadd_ps(a, b, c)
    }
    #[inline(always)]
    unsafe fn fnma(a: __m256, b: __m256, c: __m256) -> __m256 {
        _mm256_fnmadd_ps(a, b, c)
    }
    #[inline(always)]
    unsafe fn sqrt(a: __m256) -> __m256 {
        _mm256_sqrt_ps(a)
    }
    #[inline(always)]
    unsafe fn round(a: __m256) -> __m256 {
        _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a)
    }
    #[inline(always)]
    unsafe fn power_of_two(n: __m256) -> __m256 {
        let biased = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
        _mm256_castsi256_ps(_mm256_slli_epi32::<23>(biased))
    }
    #[inline(always)]
    unsafe fn split_exponent(a: __m256) -> (__m256, __m256) {
        let bits = _mm256_castps_si256(a);
        let shifted = _mm256_sub_epi32(bits, _mm256_set1_epi32(super::plain::ROOT_HALF_BITS));
        let exponent = _mm256_srai_epi32::<23>(shifted);
        let mantissa = _mm256_sub_epi32(bits, _mm256_slli_epi32::<23>(exponent));
        (_mm256_castsi256_ps(mantissa), _mm256_cvtepi32_ps(exponent))
    }
    #[inline(always)]
    unsafe fn abs(a: __m256) -> __m256 {
        _mm256_andnot_ps(_mm256_set1_ps(-0.0), a)
    }
    #[inline(always)]
    unsafe fn copy_sign(a: __m256, b: __m256) -> __m256 {
        let sign = _mm256_set1_ps(-0.0);
        _mm256_or_ps(_mm256_andnot_ps(sign, a), _mm256_and_ps(sign, b))
    }
    #[inline(always)]
    unsafe fn gt(a: __m256, b: __m256) -> __m256 {
        _mm256_cmp_ps::<_CMP_GT_OQ>(a, b)
    }
    #[inline(always)]
    unsafe fn ge(a: __m256, b: __m256) -> __m256 {
        _mm256_cmp_ps::<_CMP_GE_OQ>(a, b)
    }
    #[inline(always)]
    unsafe fn eq(a: __m256, b: __m256) -> __m256 {
        _mm256_cmp_ps::<_CMP_EQ_OQ>(a, b)
    }
    #[inline(always)]
    unsafe fn select(mask: __m256, a: __m256, b: __m256) -> __m256 {
        _mm256_blendv_ps(b, a, mask)
    }
    /// The instruction gives its second operand where both are equal or any is NaN.
    #[inline(always)]
    unsafe fn maximum(a: __m256, b: __m256) -> __m256 {
        let unordered = _mm256_cmp_ps::<_CMP_UNORD_Q>(b, b);
        _mm256_blendv_ps(_mm256_max_ps(b, a), b, unordered)
    }
    #[inline(always)]
    unsafe fn or(a: __m256, b: __m256) -> __m256 {
        _mm256_or_ps(a, b)
    }
    /// A bit of each byte is moved to where signs are told from.
    #[inline(always)]
    unsafe fn turn_bits(rows: &[u8; 32]) -> [u32; 8] {
        let rows = _mm256_loadu_si256(rows.as_ptr().cast());
        [
            _mm256_movemask_epi8(_mm256_slli_epi16::<7>(rows)) as u32,
            _mm256_movemask_epi8(_mm256_slli_epi16::<6>(rows)) as u32,
            _mm256_movemask_epi8(_mm256_slli_epi16::<5>(rows)) as u32,
            _mm256_movemask_epi8(_mm256_slli_epi16::<4>(rows)) as u32,
            _mm256_movemask_epi8(_mm256_slli_epi16::<3>(rows)) as u32,
            _mm256_movemask_epi8(_mm256_slli_epi16::<2>(rows)) as u32,
            _mm256_movemask_epi8(_mm256_slli_epi16::<1>(rows)) as u32,
            _mm256_movemask_epi8(rows) as u32,
        ]
    }
    #[inline(always)]
    unsafe fn filled(a: __m256) -> u32 {
        _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_NEQ_UQ>(a, _mm256_setzero_ps())) as u32
    }
    #[inline(always)]
    unsafe fn prefetch(from: *const f32) {
        _mm_prefetch::<_MM_HINT_T0>(from.cast());
    }
}
