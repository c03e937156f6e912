//! A decoder that panics costs one file, not the program.
//!
//! Decoders run with a mark on their thread; the hook that prints panics keeps quiet where the mark is set and
//! notes the message instead. All other panics go to the hook that was there before.

use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::Once;

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
    static MESSAGE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// What `work` returns, or the message of its panic, of which nothing is printed.
pub(super) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(install);
    let outer = GUARDED.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(outer);
    result.map_err(|_| MESSAGE.take())
}

fn install() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| match GUARDED.get() {
        true => MESSAGE.set(described(info)),
        false => before(info),
    }));
}

/// The message and the place in the source, without the path that leads to it.
fn described(info: &PanicHookInfo<'_>) -> String {
    let payload = info.payload();
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or(payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message");
    let place =
        info.location().map(|at| (at.file().rsplit(['/', '\\']).next().unwrap_or_default(), at.line()));
    place.map_or(text.into(), |(file, line)| format!("{text} ({file}:{line})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_its_message_and_others_are_still_seen() {
        assert_eq!(guarded(|| 7), Ok(7));
        let values: Vec<u8> = Vec::new();
        let message = guarded(|| values[3]).unwrap_err();
        assert!(
            message.starts_with("index out of bounds: the len is 0 but the index is 3 (guard.rs:"),
            "{message}"
        );
        assert_eq!(guarded(|| guarded(|| panic!("inner")).is_err()), Ok(true));
        assert!(!GUARDED.get());
        assert!(panic::catch_unwind(|| panic!("not guarded")).is_err());
    }
}
