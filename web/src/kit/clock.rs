//! Times as people read them.

use std::time::Duration;

use chanterelle_core::base::Seconds;
use js_sys::Date;
use leptos::html;
use leptos::prelude::*;
use wasm_bindgen::JsValue;

use super::live;
use crate::i18n as t;

/// How often "5 min ago" is looked at again.
const STEP: Duration = Duration::from_secs(30);

/// The time of day, to the half minute, for ages on the page.
#[derive(Clone, Copy)]
pub(crate) struct Clock(RwSignal<u64>);

impl Clock {
    /// Starts the one clock of the page.
    pub(crate) fn start() -> Self {
        let clock = RwSignal::new(now());
        // The clock lives as long as the page, so the timer is never cleared.
        let _ = set_interval_with_handle(move || clock.set(now()), STEP);
        Self(clock)
    }
}

fn now() -> u64 {
    // Milliseconds since 1970 are positive and whole.
    (Date::now() / 1_000.0) as u64
}

/// The age of something, such as "5 min ago".
pub(crate) fn ago(time: Seconds) -> AnyView {
    let Clock(now) = expect_context();
    let age = Memo::new(move |_| t::ago(now.get().saturating_sub(time.0)));
    html::time()
        .attr("datetime", iso(time))
        .attr("title", local(time))
        .child(live(move || age.get()))
        .into_any()
}

/// A date and time in this device's zone, such as "2026-11-21 14:03".
pub(crate) fn stamp(time: Seconds) -> AnyView {
    html::time().attr("datetime", iso(time)).child(local(time)).into_any()
}

fn date(time: Seconds) -> Date {
    Date::new(&JsValue::from_f64(time.0 as f64 * 1_000.0))
}

/// Empty for a time beyond the years a browser knows, which a hostile event may claim.
fn iso(time: Seconds) -> String {
    if date(time).get_time().is_nan() { String::new() } else { date(time).to_iso_string().into() }
}

fn local(time: Seconds) -> String {
    let date = date(time);
    if date.get_time().is_nan() {
        return "?".to_owned();
    }
    let (year, month, day) = (date.get_full_year(), date.get_month() + 1, date.get_date());
    let (hours, minutes) = (date.get_hours(), date.get_minutes());
    format!("{year}-{month:02}-{day:02} {hours:02}:{minutes:02}")
}
