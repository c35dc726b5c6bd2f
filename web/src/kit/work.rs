//! Something that takes a while and is told of: that it is under way, what went wrong, that it is done.

use std::pin::Pin;

use leptos::html;
use leptos::prelude::*;

use super::{alert, live, waiting};

/// How it stands. A handle.
#[derive(Clone, Copy)]
pub(crate) struct Work(RwSignal<Stand>);

#[derive(Clone, PartialEq)]
enum Stand {
    Idle,
    Busy(&'static str),
    Failed(String),
    Done(&'static str),
}

impl Work {
    /// Nothing is under way.
    pub(crate) fn new() -> Self {
        Self(RwSignal::new(Stand::Idle))
    }

    /// Does it, unless it is being done. `busy` says what is waited for; the outcome is what is said then.
    pub(crate) fn begin(
        self,
        busy: &'static str,
        work: impl Future<Output = Result<&'static str, String>> + 'static,
    ) {
        self.begin_boxed(busy, Box::pin(work));
    }

    /// Boxed, so that all kinds of work share one copy of the program around them.
    fn begin_boxed(
        self,
        busy: &'static str,
        work: Pin<Box<dyn Future<Output = Result<&'static str, String>>>>,
    ) {
        if self.is_busy() {
            return;
        }
        self.0.set(Stand::Busy(busy));
        leptos::task::spawn_local(async move {
            let stand = match work.await {
                Ok("") => Stand::Idle,
                Ok(done) => Stand::Done(done),
                Err(why) => Stand::Failed(why),
            };
            // The page that shows it may be gone.
            let _ = self.0.try_set(stand);
        });
    }

    /// Whether it is under way.
    pub(crate) fn is_busy(self) -> bool {
        self.0.with_untracked(|stand| matches!(stand, Stand::Busy(_)))
    }

    /// Says what is wrong, without having begun.
    pub(crate) fn refuse(self, why: &str) {
        self.0.set(Stand::Failed(why.to_owned()));
    }

    /// What there is to say.
    pub(crate) fn view(self) -> AnyView {
        let said = move || match self.0.get() {
            Stand::Idle => None,
            Stand::Busy(what) => Some(html::div().role("status").child(waiting(what)).into_any()),
            Stand::Failed(why) => Some(alert(why)),
            Stand::Done(what) => Some(html::p().role("status").class("done").child(what).into_any()),
        };
        live(said).into_any()
    }
}
