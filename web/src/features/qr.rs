//! A QR code, drawn in the page: black on white whatever the theme, because cameras expect that, with sharp edges in
//! every size.

use std::fmt::Write as _;

use chanterelle_annex::question::{DrawError, Matrix};
use leptos::prelude::*;
use leptos::svg;
use wasm_bindgen_futures::spawn_local;

use crate::annex::{self, AnnexError};
use crate::i18n as t;
use crate::kit::{alert, live, waiting};

/// Modules of white on each side, without which a code is not found (ISO/IEC 18004, section 6.3.8).
const QUIET: u32 = 4;

/// The QR code of a text, drawn anew when the text changes. `name` is what it is to a screen reader, such as "Friend
/// code QR".
pub(crate) fn qr_code(text: impl Fn() -> String + 'static, name: &'static str) -> AnyView {
    let drawn = RwSignal::new(None::<Result<Matrix, AnnexError<DrawError>>>);
    let asked = StoredValue::new(String::new());
    Effect::new(move |_| {
        let text = text();
        asked.set_value(text.clone());
        spawn_local(async move {
            let code = annex::qr(text.clone()).await;
            // Another text may have come meanwhile, or the page gone.
            if asked.try_with_value(|asked| *asked == text) == Some(true) {
                drawn.set(Some(code));
            }
        });
    });
    live(move || {
        drawn.with(|drawn| match drawn {
            None => waiting(t::DRAWING),
            Some(Ok(code)) => qr_matrix(code, name),
            Some(Err(error)) => alert(t::annex_failed(error, t::draw_refused)),
        })
    })
    .into_any()
}

/// A QR code that is there already.
pub(crate) fn qr_matrix(code: &Matrix, name: &'static str) -> AnyView {
    let side = u32::from(code.side) + 2 * QUIET;
    svg::svg()
        .attr("viewBox", format!("0 0 {side} {side}"))
        .attr("class", "qr")
        .attr("role", "img")
        .attr("aria-label", name)
        .attr("shape-rendering", "crispEdges")
        .child((
            svg::rect().attr("width", side).attr("height", side).attr("fill", "#fff"),
            svg::path().attr("fill", "#000").attr("d", outline(code)),
        ))
        .into_any()
}

/// The dark modules as an SVG path: a rectangle for each run in a row.
fn outline(code: &Matrix) -> String {
    let mut path = String::new();
    for y in 0..code.side {
        let mut x = 0;
        while x < code.side {
            let run = (x..code.side).take_while(|x| code.is_dark(*x, y)).count();
            if run > 0 {
                let (left, top) = (u32::from(x) + QUIET, u32::from(y) + QUIET);
                let _ = write!(path, "M{left} {top}h{run}v1h-{run}z");
            }
            // A row has at most 255 modules.
            x += run.max(1) as u8;
        }
    }
    path
}

#[cfg(all(test, target_arch = "wasm32"))]
mod tests {
    use chanterelle_annex::question::Matrix;
    use leptos::mount::mount_to;
    use leptos::prelude::*;
    use wasm_bindgen::JsCast as _;
    use wasm_bindgen_test::wasm_bindgen_test;
    use web_sys::HtmlElement;

    use super::{outline, qr_matrix};

    #[wasm_bindgen_test]
    fn runs_of_dark_modules_are_drawn() {
        let code = Matrix { side: 3, modules: vec![1, 1, 0, 0, 0, 0, 1, 0, 1] };
        assert_eq!(outline(&code), "M4 4h2v1h-2zM4 6h1v1h-1zM6 6h1v1h-1z");
        let full = Matrix { side: 177, modules: vec![1; 177 * 177] };
        assert_eq!(outline(&full).matches("h177").count(), 177);
    }

    #[wasm_bindgen_test]
    fn a_code_is_a_picture_with_a_name_and_white_around_it() {
        let place: HtmlElement = document().create_element("div").expect("a plain name").unchecked_into();
        let code = Matrix { side: 21, modules: vec![1; 441] };
        let _mounted = mount_to(place.clone(), move || qr_matrix(&code, "Friend code QR"));
        let svg = place.query_selector("svg").expect("a selector").expect("it is drawn");
        let attribute = |name| svg.get_attribute(name).unwrap_or_default();
        assert_eq!(
            (attribute("role"), attribute("aria-label")),
            ("img".to_owned(), "Friend code QR".to_owned())
        );
        assert_eq!(attribute("viewBox"), "0 0 29 29");
        let fill = |element| place.query_selector(element).expect("a selector")?.get_attribute("fill");
        assert_eq!((fill("rect").as_deref(), fill("path").as_deref()), (Some("#fff"), Some("#000")));
    }
}
