//! Pooling, both ways: a row of the result at a time, channels side by side.

use super::simd::Simd;
use super::tile::RunContext;
use crate::graph::op::Pooling;
use crate::plan::layout::{GRAIN, PANEL};
use crate::plan::{Images, PoolingWork};

/// Images in memory.
#[derive(Clone, Copy)]
struct View {
    memory: *mut f32,
    images: Images,
}

impl View {
    /// Channels `column..` of a pixel, which lie one after another up to the end of their panel.
    ///
    /// # Safety
    /// It is one of its pixels and channels.
    #[inline(always)]
    unsafe fn at(&self, line: usize, pixel: usize, column: usize) -> *mut f32 {
        let pixel = line * self.images.width + pixel;
        let layout = self.images.layout();
        let address = if self.images.channels == 1 { pixel } else { layout.address(pixel, column) };
        // SAFETY: by the caller.
        unsafe { self.memory.add(address) }
    }
}

/// Pixels of windows that lie in an image, along one axis: the first tap, and one past the last.
#[inline(always)]
fn taps(window: usize, stride: usize, before: usize, size: usize, pixels: usize) -> (usize, usize) {
    let start = window * stride;
    let first = before.saturating_sub(start);
    (first.min(size), (pixels + before).saturating_sub(start).min(size).max(first.min(size)))
}

/// Windows that hold a pixel, along one axis: the first, and one past the last.
#[inline(always)]
fn windows_of(pixel: usize, stride: usize, before: usize, size: usize, windows: usize) -> (usize, usize) {
    let reach = pixel + before;
    let first = (reach + 1).saturating_sub(size).div_ceil(stride);
    (first.min(windows), (reach / stride + 1).min(windows))
}

/// Does lines `first..last` of the result, counted through all images.
///
/// # Safety
/// The machine has the level; the context is that of a bound and verified plan; nobody else touches those lines.
#[inline(always)]
pub unsafe fn run<S: Simd>(work: &PoolingWork, first: usize, last: usize, context: &RunContext<'_>) {
    let view = |images: Images| View { memory: context.buffers[images.buffer.index()], images };
    let (from, to) = (view(work.from), view(work.to));
    let positions = work.positions.map_or(from, |buffer| view(Images { buffer, ..work.small() }));
    for line in first..last {
        for pixel in 0..work.to.width {
            let mut column = 0;
            while column < work.to.channels {
                let width = (work.to.channels - column).min(PANEL);
                // What lies in a panel's rounding may be read and written, but for a single channel, which has none.
                let width = if work.to.channels == 1 { 1 } else { width.next_multiple_of(GRAIN) };
                // SAFETY: whole vectors lie in the panel.
                unsafe {
                    if work.pooling.upward() {
                        spread::<S>(work, (from, positions, to), (line, pixel, column), width);
                    } else {
                        gather::<S>(work, (from, positions, to), (line, pixel, column), width);
                    }
                }
                column += PANEL;
            }
        }
    }
}

/// Reads LANES numbers, or one.
#[inline(always)]
unsafe fn load<S: Simd>(from: *const f32, width: usize) -> S::V {
    // SAFETY: by the caller.
    unsafe { if width == 1 { S::splat(*from) } else { S::load(from) } }
}

/// Writes LANES numbers, or one.
#[inline(always)]
unsafe fn store<S: Simd>(to: *mut f32, value: S::V, width: usize) {
    // SAFETY: by the caller.
    unsafe {
        if width == 1 {
            let mut lanes = [0.0f32; GRAIN];
            S::store(lanes.as_mut_ptr(), value);
            *to = lanes[0];
        } else {
            S::store(to, value);
        }
    }
}

/// A pixel of the result from its window.
#[inline(always)]
unsafe fn gather<S: Simd>(
    work: &PoolingWork,
    (from, positions, to): (View, View, View),
    (line, pixel, column): (usize, usize, usize),
    width: usize,
) {
    let PoolingWork { windows, size, pooling, .. } = work;
    let Images { height, width: across, .. } = from.images;
    let (image, y) = (line / work.to.height, line % work.to.height);
    let (k_first, k_last) = taps(y, windows.stride[0], windows.before[0], size[0], height);
    let (l_first, l_last) = taps(pixel, windows.stride[1], windows.before[1], size[1], across);
    let top = image * height + y * windows.stride[0];
    let left = pixel * windows.stride[1];
    // SAFETY: the taps lie in the image.
    unsafe {
        let out = to.at(line, pixel, column);
        let zero = S::splat(0.0);
        for lane in (0..width).step_by(S::LANES) {
            let named = match pooling {
                Pooling::Pick => load::<S>(positions.at(line, pixel, column).add(lane), width),
                _ => zero,
            };
            // The largest so far, or the sum; and which one it was.
            let (mut value, mut number) = (zero, zero);
            let mut begun = false;
            for k in k_first..k_last {
                for l in l_first..l_last {
                    let source = from.at(top + k - windows.before[0], left + l - windows.before[1], column);
                    let found = load::<S>(source.add(lane), width);
                    let own = S::splat((k * size[1] + l) as f32);
                    match pooling {
                        Pooling::Sum => value = S::add(value, found),
                        Pooling::Pick => value = S::select(S::eq(named, own), found, value),
                        _ if !begun => (value, number) = (found, own),
                        _ => {
                            // Larger, or the first that is not a number.
                            let one = S::splat(1.0);
                            let lost = S::select(S::eq(value, value), one, zero);
                            let lost = S::select(S::eq(found, found), zero, lost);
                            let larger = S::select(S::gt(found, value), one, lost);
                            let larger = S::gt(larger, zero);
                            value = S::select(larger, found, value);
                            number = S::select(larger, own, number);
                        }
                    }
                    begun = true;
                }
            }
            let result = if *pooling == Pooling::Positions { number } else { value };
            store::<S>(out.add(lane), result, width);
        }
    }
}

/// A pixel of the result from the windows that it lies in.
#[inline(always)]
unsafe fn spread<S: Simd>(
    work: &PoolingWork,
    (from, positions, to): (View, View, View),
    (line, pixel, column): (usize, usize, usize),
    width: usize,
) {
    let PoolingWork { windows, size, pooling, .. } = work;
    let Images { height, width: across, .. } = from.images;
    let (image, y) = (line / work.to.height, line % work.to.height);
    let (y_first, y_last) = windows_of(y, windows.stride[0], windows.before[0], size[0], height);
    let (x_first, x_last) = windows_of(pixel, windows.stride[1], windows.before[1], size[1], across);
    // SAFETY: the windows are the image's.
    unsafe {
        let out = to.at(line, pixel, column);
        let zero = S::splat(0.0);
        for lane in (0..width).step_by(S::LANES) {
            let mut sum = zero;
            for window in y_first..y_last {
                for place in x_first..x_last {
                    let found = load::<S>(from.at(image * height + window, place, column).add(lane), width);
                    if *pooling == Pooling::Repeat {
                        sum = S::add(sum, found);
                        continue;
                    }
                    let k = y + windows.before[0] - window * windows.stride[0];
                    let l = pixel + windows.before[1] - place * windows.stride[1];
                    let own = S::splat((k * size[1] + l) as f32);
                    let at = positions.at(image * height + window, place, column).add(lane);
                    let named = load::<S>(at, width);
                    sum = S::add(sum, S::select(S::eq(named, own), found, zero));
                }
            }
            store::<S>(out.add(lane), sum, width);
        }
    }
}
