#![expect(
    unsafe_code,
    reason = "host functions live longer than any call, and what answers them is borrowed for one call"
)]
//! How host functions reach the [`Givers`] of the call that is going on.

use std::ptr::NonNull;

use actors::sandbox::Givers;
use wasmtime::Store;

use super::call::State;

/// The givers of the call that is going on; nothing between calls.
#[derive(Default)]
pub(super) struct Lent(Option<NonNull<dyn Givers>>);

// SAFETY: between calls there is nothing in it. During a call it is used only by host functions, which run
// on the thread that made the call and holds the borrow.
unsafe impl Send for Lent {}

/// A store whose host functions may use the givers; they are taken back when this is dropped.
pub(super) struct Lending<'a> {
    pub(super) store: &'a mut Store<State>,
}

impl<'a> Lending<'a> {
    pub(super) fn new<'g: 'a>(
        store: &'a mut Store<State>,
        givers: &'a mut (dyn Givers + 'g),
    ) -> Self {
        let givers: NonNull<dyn Givers + 'g> = NonNull::from(givers);
        // SAFETY: only the lifetime changes. The pointer is cleared when `Self` is dropped, which is before
        // the borrow of `'a` ends; `Self` is never leaked: it does not leave the function that makes it.
        let givers: NonNull<dyn Givers> = unsafe { std::mem::transmute(givers) };
        store.data_mut().givers.0 = Some(givers);
        Self { store }
    }
}

impl Drop for Lending<'_> {
    fn drop(&mut self) {
        self.store.data_mut().givers.0 = None;
    }
}

impl Lent {
    /// Runs `with` on the givers of the call that is going on, if there are any.
    ///
    /// Host functions take `self` out of the store meanwhile, and put it back.
    pub(super) fn using<R>(&mut self, with: impl FnOnce(&mut dyn Givers) -> R) -> Option<R> {
        let mut givers = self.0?;
        // SAFETY: `Lending` put it there and has not taken it back, so the borrow it stands for still holds,
        // and its owner cannot use it before the call returns. `&mut self` is held over `with`, which has no
        // other way to this value: there is one reference at a time.
        let outcome = with(unsafe { givers.as_mut() });
        Some(outcome)
    }
}
