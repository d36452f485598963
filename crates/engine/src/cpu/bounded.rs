//! Lists of bounded length whose room is not written before it is used: a unit is short, and kilobytes of zeros would drive out of the first
//! cache what it reads.

use std::mem::MaybeUninit;
use std::ops::{Deref, DerefMut};

/// A list of at most N items, where it stands.
pub struct Bounded<T, const N: usize> {
    items: [MaybeUninit<T>; N],
    count: usize,
}

impl<T: Copy, const N: usize> Bounded<T, N> {
    /// Nothing yet.
    #[inline(always)]
    pub const fn new() -> Self {
        Bounded { items: [MaybeUninit::uninit(); N], count: 0 }
    }

    /// Adds an item. There must be room.
    #[inline(always)]
    pub fn push(&mut self, item: T) {
        self.items[self.count].write(item);
        self.count += 1;
    }

    /// Adds so many items, each by its number among them. There must be room.
    #[inline(always)]
    pub fn push_each(&mut self, count: usize, item: impl Fn(usize) -> T) {
        let room = &mut self.items[self.count..self.count + count];
        for (number, place) in room.iter_mut().enumerate() {
            place.write(item(number));
        }
        self.count += count;
    }

    /// Keeps so many at most.
    #[inline(always)]
    pub fn truncate(&mut self, count: usize) {
        self.count = self.count.min(count);
    }
}

impl<T: Copy, const N: usize> Deref for Bounded<T, N> {
    type Target = [T];

    #[inline(always)]
    fn deref(&self) -> &[T] {
        // SAFETY: the first `count` items have been written.
        unsafe { std::slice::from_raw_parts(self.items.as_ptr().cast(), self.count) }
    }
}

impl<T: Copy, const N: usize> DerefMut for Bounded<T, N> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.items.as_mut_ptr().cast(), self.count) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_pushed_is_there() {
        let mut list = Bounded::<usize, 3>::new();
        [4, 5, 6].into_iter().for_each(|item| list.push(item));
        list[1] = 7;
        assert_eq!(list[..], [4, 7, 6]);
        list.truncate(1);
        list.push_each(2, |number| 8 + number);
        assert_eq!(list[..], [4, 8, 9]);
        list.truncate(1);
        list.truncate(2);
        assert_eq!(list[..], [4]);
    }

    #[test]
    #[should_panic(expected = "index out of bounds")]
    fn more_than_there_is_room_for_is_refused() {
        let mut list = Bounded::<u8, 1>::new();
        list.push(1);
        list.push(2);
    }
}
