//! The mark of the product: a mushroom, drawn in the page.

use leptos::prelude::*;
use leptos::svg;

/// The outline of cap and stem in a field of 32 by 32; the same as in `www/icons/icon.svg`.
const BODY: &str = "M2.5 9.6C3.6 6.4 6.9 7.9 9.7 7.2 12 6.6 13 5 16 5s4 1.6 6.3 2.2c2.8.7 6.1-.8 7.2 2.4.9 2.7-2.6 \
    5.2-5.3 7.3-2.5 2-3.6 4.1-3.6 6.6 0 2.3.5 5.5-4.6 5.5s-4.6-3.2-4.6-5.5c0-2.5-1.1-4.6-3.6-6.6-2.7-2.1-6.2-4.6-5.3-7.3Z";
/// The gills that run down the stem.
const GILLS: &str = "M7.2 11.6c3.2 2.4 5.9 5.6 6.3 10.4M12.2 11c1.5 2.6 2.3 5.8 2.5 10M16 10.8v11M19.8 11c-1.5 2.6-2.3 \
    5.8-2.5 10M24.8 11.6c-3.2 2.4-5.9 5.6-6.3 10.4";

/// The mark of the page, for the eye only.
pub(crate) fn logo() -> AnyView {
    svg::svg()
        .attr("viewBox", "0 0 32 32")
        .attr("class", "logo")
        .attr("aria-hidden", "true")
        .child((
            svg::path().attr("class", "logo-body").attr("d", BODY),
            svg::path().attr("class", "logo-gills").attr("d", GILLS),
        ))
        .into_any()
}
