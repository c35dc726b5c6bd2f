//! The page without a network, and its next version: registers the service worker (`www/sw.js`), which keeps the files of
//! the page, and says when another version of them waits.
//!
//! Nothing is asked of a browser before the page can be used, so that its files do not compete with the first visit.
//! Where there are no service workers (plain http, some private windows) or they are refused, the page works as it
//! does with them while there is a network.

use std::time::Duration;

use futures_timer::Delay;
use js_sys::Reflect;
use leptos::prelude::*;
use wasm_bindgen::prelude::Closure;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{Event, EventTarget, ServiceWorkerContainer, ServiceWorkerRegistration, ServiceWorkerState};

const WORKER: &str = "/sw.js";

/// Taking over takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the worker does at this message: see there.
const TAKE_OVER: &str = "take over";

/// Likewise.
const CLAIM: &str = "claim";

/// How often it is looked whether the page can be used.
const STEP: Duration = Duration::from_millis(500);

/// What a first visit still fetches when it can be used, posts above all, gets this long to itself. A guess.
const PAUSE: Duration = Duration::from_secs(2);

/// How often a page that stays open asks for a newer version. Browsers ask by themselves only when a page is opened.
const EVERY: Duration = Duration::from_secs(60 * 60);

/// Versions of the page. A handle.
#[derive(Clone, Copy)]
pub(crate) struct Versions {
    /// Whether another version is ready, or has taken over from this one in another tab.
    pub newer: RwSignal<bool>,
    /// Whether the person has asked for it here.
    asked: StoredValue<bool>,
}

impl Versions {
    /// Begins to keep the page, and to look for newer versions, as soon as it can be used.
    pub(crate) fn start() -> Self {
        let versions = Self { newer: RwSignal::new(false), asked: StoredValue::new(false) };
        if let Some(container) = container() {
            versions.follow(&container);
            // A refusal is the browser's or the person's choice, and nothing is lost by it that was there before.
            spawn_local(async move { _ = versions.keep(&container).await });
        }
        versions
    }

    /// Loads the page anew, in its newer version if one waits.
    pub(crate) fn reload(self) {
        self.asked.set_value(true);
        spawn_local(async move {
            // The change of versions reloads the page, unless the browser forgets it.
            if take_over().await {
                Delay::new(PATIENCE).await;
            }
            reload();
        });
    }

    /// Hears when another version takes over the tabs: by this tab's wish, or by another's.
    fn follow(self, container: &ServiceWorkerContainer) {
        // The first one to take over is that of this very version.
        let kept = StoredValue::new(container.controller().is_some());
        on(container, "controllerchange", move || {
            if self.asked.get_value() {
                reload();
            } else if kept.get_value() {
                // Not by itself: something may have been typed here.
                self.newer.set(true);
            }
            kept.set_value(true);
        });
    }

    async fn keep(self, container: &ServiceWorkerContainer) -> Result<(), JsValue> {
        while !is_ready() {
            Delay::new(STEP).await;
        }
        Delay::new(PAUSE).await;
        let registration = JsFuture::from(container.register(WORKER)).await?;
        let registration: ServiceWorkerRegistration = registration.unchecked_into();
        if registration.waiting().is_some() {
            self.newer.set(true);
        }
        // A page that was being opened while the worker took over was passed over.
        if let Some(active) = registration.active().filter(|_| container.controller().is_none()) {
            active.post_message(&CLAIM.into())?;
        }
        on(&registration, "updatefound", {
            let (container, registration) = (container.clone(), registration.clone());
            move || self.await_installed(&container, &registration)
        });
        loop {
            Delay::new(EVERY).await;
            // Without a network there is none newer.
            if let Ok(asked) = registration.update() {
                let _ = JsFuture::from(asked).await;
            }
        }
    }

    fn await_installed(self, container: &ServiceWorkerContainer, registration: &ServiceWorkerRegistration) {
        let Some(new) = registration.installing() else { return };
        let container = container.clone();
        on(&new.clone(), "statechange", move || {
            if new.state() == ServiceWorkerState::Installed && container.controller().is_some() {
                self.newer.set(true);
            }
        });
    }
}

/// Has the version that waits take over, if one does.
async fn take_over() -> bool {
    let Some(container) = container() else { return false };
    let Ok(registration) = JsFuture::from(container.get_registration()).await else { return false };
    let waiting =
        registration.dyn_ref::<ServiceWorkerRegistration>().and_then(ServiceWorkerRegistration::waiting);
    waiting.is_some_and(|waiting| waiting.post_message(&TAKE_OVER.into()).is_ok())
}

fn reload() {
    let _ = location().reload();
}

/// Absent where the browser has no service workers, or not for this page.
fn container() -> Option<ServiceWorkerContainer> {
    let container = Reflect::get(&window().navigator(), &"serviceWorker".into()).ok()?;
    container.is_object().then(|| container.unchecked_into())
}

fn is_ready() -> bool {
    document().document_element().is_some_and(|html| html.has_attribute("data-ready"))
}

/// Calls back at each of these events, for as long as the page lives.
fn on(target: &EventTarget, event: &str, call: impl Fn() + 'static) {
    let call = Closure::<dyn Fn(Event)>::new(move |_| call());
    let _ = target.add_event_listener_with_callback(event, call.as_ref().unchecked_ref());
    call.forget();
}
