//! The picture on a card of a catalog: the first file of the opening post.

use chanterelle_core::event::Attachment;
use chanterelle_core::view::ThreadCard;
use leptos::html;
use leptos::prelude::*;

use super::shown::{Origin, Shown};
use super::square::square;
use crate::i18n as t;
use crate::kit::live;

/// The picture; nothing on a card without files.
pub(crate) fn card_picture(card: RwSignal<ThreadCard>) -> AnyView {
    let (own, author) = card.with_untracked(|card| (card.own, card.author));
    let first: Memo<Option<(Attachment, u8)>> =
        Memo::new(move |_| card.with(|card| card.file.clone().map(|file| (file, card.files))));
    let renditions = Memo::new(move |_| card.with(|card| card.renditions.clone()));
    let view = live(move || {
        let (file, files) = first.get()?;
        let shown = Shown::new(file, Origin { own, author, renditions });
        shown.come();
        let more = (files > 1).then(|| html::span().class("more-files").child(t::more_files(files - 1)));
        Some(html::div().class("card-picture").child((square(shown), more)).into_any())
    });
    view.into_any()
}
