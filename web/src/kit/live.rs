//! Parts of a view that follow signals.

/// A function that is called again whenever a signal it has read changes.
pub(crate) type Live<T> = Box<dyn FnMut() -> T + Send>;

/// Makes a part of a view live. Boxed, because every closure that is a part by its own type brings a kilobyte of program
/// along; boxed they share one copy for each kind of result.
pub(crate) fn live<T>(part: impl FnMut() -> T + Send + 'static) -> Live<T> {
    Box::new(part)
}
