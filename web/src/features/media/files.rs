//! The files of a post, in a row.

use chanterelle_core::view::PostView;
use leptos::html;
use leptos::prelude::*;

use super::shown::Origin;
use super::slot::slot;
use crate::kit::live;

/// The files; nothing of a post without any.
pub(crate) fn post_files(post: RwSignal<PostView>) -> AnyView {
    let (id, own, author) = post.with_untracked(|post| (post.id, post.own, post.author));
    let files = Memo::new(move |_| post.with(|post| post.files.clone()));
    let renditions = Memo::new(move |_| post.with(|post| post.renditions.clone()));
    let origin = Origin { own, author, renditions };
    let row = live(move || {
        let slots: Vec<AnyView> =
            files.get().into_iter().enumerate().map(|(at, file)| slot(file, origin, (id, at))).collect();
        (!slots.is_empty()).then(|| html::div().class("files").child(slots).into_any())
    });
    row.into_any()
}
