//! The files of a post in its preview: small, if they are here already, and not blocked. Nothing is fetched for them.

use chanterelle_core::event::Attachment;
use chanterelle_core::view::PostView;
use leptos::html;
use leptos::prelude::*;

use super::choose::thumbnail;
use super::shown::url;
use super::square::picture;
use crate::i18n as t;
use crate::kit::live;
use crate::state::Media;

/// The files.
pub(crate) fn quoted_files(post: &PostView) -> AnyView {
    let media = Media::here();
    let file = |file: &Attachment| {
        if media.is_blocked(&file.blob.id) {
            return None;
        }
        let small = thumbnail(file, &post.renditions)?;
        let alt = file.info.alt.clone().unwrap_or_default();
        if file.info.spoiler {
            return Some(html::span().class("spoiler-cover").child(t::SPOILER_WORD).into_any());
        }
        let blob = media.blob(&small);
        Some(live(move || url(blob).map(|url| picture(url, alt.clone()))).into_any())
    };
    let files: Vec<AnyView> = post.files.iter().filter_map(file).collect();
    (!files.is_empty()).then(|| html::div().class("quoted-files").child(files)).into_any()
}
