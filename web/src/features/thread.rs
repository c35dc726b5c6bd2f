//! The thread a page shows, as everything in it knows it.

use chanterelle_core::base::{BoardName, EventId, ThreadId};
use chanterelle_core::view::QuoteTarget;
use leptos::prelude::*;
use leptos_router::hooks::use_location;
use web_sys::ScrollLogicalPosition;

use super::comment::Quotes;
use super::composer::ReplyBox;
use super::paths::thread_path;
use crate::kit::reveal;
use crate::state::ThreadView;

/// The thread the page shows. A handle, given to everything in it as context.
#[derive(Clone, Copy)]
pub(crate) struct Here {
    /// The thread.
    pub thread: ThreadId,
    /// What is known of it.
    pub view: ThreadView,
    /// Where replies to it are written.
    pub reply: ReplyBox,
    path: StoredValue<String>,
    /// The post the address points to; only the posts it leaves and reaches are told.
    target: Selection,
    /// A post that was just written and is brought into view when it is drawn.
    awaited: RwSignal<Option<EventId>>,
}

type Selection = StoredValue<Selector<Option<EventId>>>;

impl Here {
    /// A thread of a board.
    pub(crate) fn new(board: &BoardName, thread: ThreadId, view: ThreadView) -> Self {
        let hash = use_location().hash;
        let target =
            Memo::new(move |_| hash.with(|hash| hash.trim_start_matches('#').parse::<EventId>().ok()));
        let here = Self {
            thread,
            view,
            reply: ReplyBox::new(),
            path: StoredValue::new(thread_path(board, &thread)),
            target: StoredValue::new(Selector::new(move || target.get())),
            awaited: RwSignal::new(None),
        };
        here.go_to(target.into(), ScrollLogicalPosition::Start);
        here.go_to(here.awaited.into(), ScrollLogicalPosition::Nearest);
        here
    }

    /// The thread a component is in.
    pub(crate) fn get() -> Self {
        expect_context()
    }

    /// The path of a post of this thread.
    pub(crate) fn post_path(self, post: &EventId) -> String {
        self.path.with_value(|path| format!("{path}#{post}"))
    }

    /// Whether the address points to this post. Tracked.
    pub(crate) fn is_target(self, post: &EventId) -> bool {
        self.target.with_value(|target| target.selected(&Some(*post)))
    }

    /// What quotes mean in a comment of this thread.
    pub(crate) fn quotes(self, targets: Vec<QuoteTarget>) -> Quotes {
        Quotes { targets, thread: self.thread, path: self.path.get_value() }
    }

    /// Brings a post into view as soon as it is there.
    pub(crate) fn await_post(self, post: EventId) {
        self.awaited.set(Some(post));
    }

    /// Brings each post that `post` names into view once, when it is there.
    fn go_to(self, post: Signal<Option<EventId>>, position: ScrollLogicalPosition) {
        let there = Memo::new({
            let order = self.view.posts.order();
            move |_| order.with(|order| post.get().filter(|post| order.contains(post)))
        });
        Effect::new(move |_| {
            if let Some(post) = there.get() {
                reveal(post.to_string(), position);
            }
        });
    }
}
