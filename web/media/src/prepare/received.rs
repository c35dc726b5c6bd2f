//! What may be done with what others gave. A browser decodes a picture into memory by its pixels, however few bytes it has,
//! and tells pictures by their bytes, whatever type it is given.

use chanterelle_core::media::{KIND_BYTES, MediaClass, MediaKind};
use web_sys::Blob;

use super::is_small;
use super::source::BlobSource;
use crate::clean::{self, Format, Source as _};
use crate::messages::Use;

/// What a page may do with this.
pub(crate) fn use_of(blob: &Blob) -> Use {
    if may_be_shown(&BlobSource::new(blob.clone())) { Use::Show } else { Use::Save }
}

fn may_be_shown(source: &BlobSource) -> bool {
    let mut head = vec![0; (KIND_BYTES as u64).min(source.size()) as usize];
    if source.read_at(0, &mut head).is_err() {
        return false;
    }
    let Some(kind) = MediaKind::of(&head) else { return false };
    if kind.class != MediaClass::Image {
        return true;
    }
    let says = kind.dimensions.is_some_and(|size| is_small(size.width, size.height));
    says && match Format::of(&head) {
        // Their frames may be larger than what they begin with.
        Some(format @ (Format::Gif | Format::Webp)) => {
            let size = clean::clean(format, source).ok().and_then(|(_, facts)| facts.size);
            size.is_some_and(|(width, height)| is_small(width, height))
        }
        _ => true,
    }
}
