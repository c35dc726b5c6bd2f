//! What a person does with a file, by what its author says it is. The list of what may be shown in the page is closed:
//! what is not on it can only be saved. That the bytes are what is said is the media program's to check.

/// What a person does with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Looks at it.
    Picture,
    /// Watches it.
    Video,
    /// Hears it.
    Audio,
    /// Saves it; it is never shown here.
    Other,
}

/// What a file of this type is to a person. The types are those that `core::media` tells from bytes.
pub(crate) fn kind(mime: &str) -> Kind {
    match mime {
        "image/jpeg" | "image/png" | "image/apng" | "image/gif" | "image/webp" | "image/avif" => {
            Kind::Picture
        }
        "video/mp4" | "video/webm" | "video/quicktime" => Kind::Video,
        "audio/mpeg" | "audio/mp4" | "audio/ogg" | "audio/flac" | "audio/wav" => Kind::Audio,
        _ => Kind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn what_can_hold_a_program_is_never_shown() {
        for mime in ["image/svg+xml", "text/html", "application/xhtml+xml", "application/pdf", "text/xml", ""]
        {
            assert_eq!(kind(mime), Kind::Other, "{mime}");
        }
        assert_eq!(kind("image/jpeg"), Kind::Picture);
        assert_eq!(kind("video/webm"), Kind::Video);
        assert_eq!(kind("audio/ogg"), Kind::Audio);
    }
}
