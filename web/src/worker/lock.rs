//! One node per profile: the Web Lock (W3C Web Locks API) that its worker holds.
//!
//! Also covers the moment of a reload, in which the old page's worker is not quite gone. That every tab of a profile is
//! a live view on the one node is a later step; here the others wait for their turn.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use futures::channel::oneshot;
use futures::future::{Either, select};
use futures_timer::Delay;
use js_sys::{Function, Promise, Reflect};
use wasm_bindgen::prelude::{Closure, wasm_bindgen};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;

const NAME: &str = "chanterelle node";

/// A worker of a page that was left needs a moment to die; longer than this, and it is another tab.
const RELOAD: Duration = Duration::from_secs(2);

#[wasm_bindgen]
extern "C" {
    type Locks;
    #[wasm_bindgen(method, catch)]
    fn request(this: &Locks, name: &str, held: &Function) -> Result<Promise, JsValue>;
}

/// Waits for the lock and holds it for as long as the worker lives. `on_other` is called once when another tab holds
/// it. Without Web Locks (a page over plain http) there is nothing to wait for: such a page gets no storage either.
pub(super) async fn acquire(on_other: impl FnOnce()) {
    let Some(locks) = locks() else { return };
    let (granted, grant) = oneshot::channel();
    let granted = Rc::new(Cell::new(Some(granted)));
    let held = Closure::<dyn Fn() -> Promise>::new(move || {
        if let Some(granted) = granted.take() {
            // The receiver lives until the grant.
            let _ = granted.send(());
        }
        // Held until the promise settles, which it never does.
        Promise::new(&mut |_, _| {})
    });
    let request = locks.request(NAME, held.as_ref().unchecked_ref());
    // Called at most once, whenever that is.
    held.forget();
    let Ok(request) = request else { return };
    // The request settles only when the browser refuses it; then there are no locks to wait for.
    let decided = select(grant, JsFuture::from(request));
    if let Either::Right(((), decided)) = select(decided, Delay::new(RELOAD)).await {
        on_other();
        decided.await;
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

    use futures::channel::oneshot;
    use js_sys::Promise;
    use wasm_bindgen::JsCast as _;
    use wasm_bindgen::prelude::Closure;
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::{NAME, acquire, locks};

    #[wasm_bindgen_test]
    async fn a_second_tab_says_so_waits_and_takes_over() {
        // Another tab has the lock until it is released.
        let release = Rc::new(Cell::new(None));
        let (held, holds) = oneshot::channel();
        let held = Rc::new(Cell::new(Some(held)));
        let hold = Closure::<dyn Fn() -> Promise>::new({
            let release = release.clone();
            move || {
                assert!(held.take().expect("granted once").send(()).is_ok());
                Promise::new(&mut |resolve, _| release.set(Some(resolve)))
            }
        });
        let locks = locks().expect("the browser has locks");
        drop(locks.request(NAME, hold.as_ref().unchecked_ref()).expect("locks can be asked for"));
        holds.await.expect("nobody else has it");

        let told = Cell::new(0);
        acquire(|| {
            told.set(told.get() + 1);
            let resolve = release.take().expect("the other tab still has it");
            resolve.call0(&wasm_bindgen::JsValue::UNDEFINED).expect("a promise resolves");
        })
        .await;
        assert_eq!(told.get(), 1);
    }
}
