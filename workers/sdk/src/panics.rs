//! A handler's panic is its job's failure, with the place where it happened.

use std::{
    any::Any,
    backtrace::{Backtrace, BacktraceStatus},
    cell::{Cell, RefCell},
    future::Future,
    panic::{self, AssertUnwindSafe, PanicHookInfo},
    pin::Pin,
    sync::Once,
    task::{Context, Poll},
};

thread_local! {
    static IN_HANDLER: Cell<bool> = const { Cell::new(false) };
    static WHERE: RefCell<Option<Place>> = const { RefCell::new(None) };
}

struct Place {
    location: String,
    backtrace: Option<String>,
}

/// Polls a handler and catches its panic, of which the message and the place are the error.
pub(crate) struct Caught<F>(Pin<Box<F>>);

impl<F: Future> Caught<F> {
    pub(crate) fn new(handler: F) -> Self {
        install_hook();
        Self(Box::pin(handler))
    }
}

impl<F: Future> Future for Caught<F> {
    type Output = Result<F::Output, String>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match catch(|| self.0.as_mut().poll(cx)) {
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(message) => Poll::Ready(Err(message)),
        }
    }
}

/// Drops what a handler left, and catches what its destructors throw.
pub(crate) fn drop_caught<T>(value: T) {
    // The panic was logged; a job that was dropped has its end already.
    catch(|| drop(value)).ok();
}

fn catch<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    let outer = IN_HANDLER.replace(true);
    // After a panic the handler is dropped and nothing of it is looked at again.
    let outcome = panic::catch_unwind(AssertUnwindSafe(work));
    IN_HANDLER.set(outer);
    outcome.map_err(|payload| describe(payload.as_ref()))
}

fn describe(payload: &(dyn Any + Send)) -> String {
    let message = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "(a panic without a text)".to_owned());
    let place = WHERE.take();
    let backtrace = place.as_ref().and_then(|place| place.backtrace.as_deref());
    let message = match &place {
        Some(Place { location, .. }) => format!("{message}, at {location}"),
        None => message,
    };
    tracing::error!(backtrace, "the job panicked: {message}");
    message
}

/// The default hook writes to stderr, past the log's format. Panics outside of handlers still go to it.
fn install_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let others = panic::take_hook();
        panic::set_hook(Box::new(move |info| if IN_HANDLER.get() { remember(info) } else { others(info) }));
    });
}

fn remember(info: &PanicHookInfo<'_>) {
    let location = info.location().map(ToString::to_string).unwrap_or_default();
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
    WHERE.set(Some(Place { location, backtrace }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_told_with_its_place() {
        let line = line!() + 1;
        let outcome: Result<(), String> = Caught::new(async { panic!("no {}", "way") }).await;
        let text = outcome.err().unwrap_or_default();
        assert!(text.starts_with("no way, at ") && text.contains(&format!("panics.rs:{line}:")), "{text}");
    }

    #[tokio::test]
    async fn a_handler_that_does_not_panic_gives_its_value() {
        assert_eq!(Caught::new(async { 3 }).await, Ok(3));
    }

    #[test]
    fn a_panic_while_dropping_is_caught() {
        struct Loud;
        impl Drop for Loud {
            fn drop(&mut self) {
                panic!("dropped");
            }
        }
        drop_caught(Loud);
    }
}
