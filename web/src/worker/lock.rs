//! Who runs the node: the one worker of a profile that holds a Web Lock (W3C Web Locks API). And which tabs live: each
//! worker holds a lock of its own for as long as it does.
//!
//! Without Web Locks (a page over plain http) there is nothing to wait for: such a page gets no storage either.

use std::cell::Cell;
use std::rc::Rc;

use futures::channel::oneshot;
use js_sys::{Array, Function, Object, Promise, Reflect};
use wasm_bindgen::prelude::{Closure, wasm_bindgen};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};

use super::messages::TabId;

/// Of the profile: whose worker holds it runs the node.
pub(super) const PROFILE: &str = "chanterelle node";

/// A tab's own lock.
pub(super) fn of_tab(tab: TabId) -> String {
    format!("chanterelle tab {:016x}", tab.0)
}

#[wasm_bindgen]
extern "C" {
    type Locks;
    #[wasm_bindgen(method, catch)]
    fn request(this: &Locks, name: &str, options: &Object, held: &Function) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn query(this: &Locks) -> Result<Promise, JsValue>;
}

/// A lock that is held. Dropping it gives it to who waits.
pub(super) struct Held {
    /// Resolves the promise that holds the lock.
    release: Option<Function>,
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(release) = self.release.take() {
            // Resolving a promise calls nobody before this returns.
            let _ = release.call0(&JsValue::UNDEFINED);
        }
    }
}

/// Waits for a lock. `on_lost` is called when another has taken it away by [`steal`].
pub(super) async fn acquire(name: &str, on_lost: impl FnOnce() + 'static) -> Held {
    request(name, false, on_lost).await
}

/// Takes a lock from whoever holds it.
pub(super) async fn steal(name: &str, on_lost: impl FnOnce() + 'static) -> Held {
    request(name, true, on_lost).await
}

/// Whether the worker of this tab, which is the caller, still holds the lock of the profile. Yes where the browser has no
/// locks or does not tell.
pub(super) async fn holds_profile(tab: TabId) -> bool {
    let Some(promise) = locks().and_then(|locks| locks.query().ok()) else { return true };
    let Ok(snapshot) = JsFuture::from(promise).await else { return true };
    let get = |of: &JsValue, key: &str| Reflect::get(of, &key.into()).unwrap_or_default();
    let held: Array = get(&snapshot, "held").unchecked_into();
    let holder =
        |name: &str| held.iter().find(|lock| get(lock, "name") == name).map(|lock| get(&lock, "clientId"));
    holder(PROFILE) == holder(&of_tab(tab))
}

async fn request(name: &str, steal: bool, on_lost: impl FnOnce() + 'static) -> Held {
    let nothing = Held { release: None };
    let Some(locks) = locks() else { return nothing };
    let (granted, grant) = oneshot::channel();
    let granted = Rc::new(Cell::new(Some(granted)));
    let given = Rc::new(Cell::new(false));
    let held = Closure::<dyn Fn() -> Promise>::new({
        let given = given.clone();
        move || {
            let mut release = None;
            let promise = Promise::new(&mut |resolve, _| release = Some(resolve));
            given.set(true);
            if let Some(granted) = granted.take() {
                // If nobody waits any more, what is sent here is dropped, and the lock with it.
                let _ = granted.send(Held { release });
            }
            promise
        }
    });
    let options = Object::new();
    Reflect::set(&options, &"steal".into(), &steal.into()).expect("a plain object takes any property");
    let Ok(request) = locks.request(name, &options, held.as_ref().unchecked_ref()) else { return nothing };
    // Called at most once, whenever that is.
    held.forget();
    let (refuse, refused) = oneshot::channel();
    spawn_local(async move {
        // It settles when the lock was given back, which is no news, when it was stolen, or when there are no locks.
        if JsFuture::from(request).await.is_err() {
            if given.get() {
                on_lost();
            } else {
                let _ = refuse.send(());
            }
        }
    });
    match futures::future::select(grant, refused).await {
        futures::future::Either::Left((Ok(held), _)) => held,
        // The sender of the grant lives in the closure for ever, so this is the browser's refusal.
        _ => nothing,
    }
}

fn locks() -> Option<Locks> {
    let navigator = Reflect::get(&js_sys::global(), &"navigator".into()).ok()?;
    let locks = Reflect::get(&navigator, &"locks".into()).ok()?;
    locks.is_object().then(|| locks.unchecked_into())
}

#[cfg(all(test, target_arch = "wasm32"))]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use futures::FutureExt as _;
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::{acquire, steal};

    #[wasm_bindgen_test]
    async fn the_next_has_the_lock_when_it_is_dropped() {
        let first = acquire("test: next", || panic!("nobody steals")).await;
        let mut second = Box::pin(acquire("test: next", || panic!("nobody steals")));
        assert!(second.as_mut().now_or_never().is_none());
        drop(first);
        drop(second.await);
    }

    #[wasm_bindgen_test]
    async fn who_is_robbed_hears_of_it() {
        let lost = Rc::new(Cell::new(0));
        let first = acquire("test: robbed", {
            let lost = lost.clone();
            move || lost.set(lost.get() + 1)
        })
        .await;
        let second = steal("test: robbed", || panic!("nobody steals from the thief")).await;
        for _ in 0..1_000 {
            if lost.get() > 0 {
                break;
            }
            futures_timer::Delay::new(std::time::Duration::from_millis(1)).await;
        }
        assert_eq!(lost.get(), 1);
        drop(first);
        let third = acquire("test: robbed", || {});
        drop(second);
        drop(third.await);
    }
}
