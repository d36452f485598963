//! Memory for plans: aligned to cache lines, zeroed.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ptr::NonNull;

/// Alignment of every buffer: a cache line, and a full vector at every level.
pub const ALIGNMENT: usize = 64;
/// Large blocks start on a huge page, so that the system can back them with few address translations.
const HUGE_PAGE: usize = 2 << 20;

/// A block of zeroed f32, aligned to [`ALIGNMENT`].
#[derive(Debug)]
pub struct Block {
    pointer: NonNull<f32>,
    length: usize,
    layout: Layout,
}

// SAFETY: a block owns its memory like a Vec<f32> does.
unsafe impl Send for Block {}
// SAFETY: shared references only read.
unsafe impl Sync for Block {}

impl Block {
    /// A block of `length` zeros.
    pub fn zeroed(length: usize) -> Block {
        let bytes = length.max(1) * size_of::<f32>();
        let alignment = if bytes >= HUGE_PAGE { HUGE_PAGE } else { ALIGNMENT };
        let Ok(layout) = Layout::from_size_align(bytes.next_multiple_of(alignment), alignment) else {
            panic!("{bytes} bytes are more than any machine addresses")
        };
        // SAFETY: the layout's size is not 0.
        let Some(pointer) = NonNull::new(unsafe { alloc_zeroed(layout) }.cast::<f32>()) else {
            handle_alloc_error(layout)
        };
        Block { pointer, length, layout }
    }

    /// First element.
    pub fn pointer(&self) -> *mut f32 {
        self.pointer.as_ptr()
    }

    /// All elements.
    pub fn as_slice(&self) -> &[f32] {
        // SAFETY: pointer and length are those of the allocation, which lives as long as self.
        unsafe { std::slice::from_raw_parts(self.pointer.as_ptr(), self.length) }
    }

    /// All elements, to change.
    pub fn as_mut_slice(&mut self) -> &mut [f32] {
        // SAFETY: as above, and self is borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.pointer.as_ptr(), self.length) }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: allocated in `zeroed` with this layout.
        unsafe { dealloc(self.pointer.as_ptr().cast(), self.layout) }
    }
}
