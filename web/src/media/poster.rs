//! A frame of a film, for its thumbnail. Only a page can decode films, by a `<video>` that nobody sees.

use std::time::Duration;

use futures::channel::oneshot;
use futures::future::{Either, select};
use futures_timer::Delay;
use wasm_bindgen::prelude::Closure;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{File, HtmlVideoElement, ImageBitmap, Url};

/// How long a browser may take to show a frame: a film without one is published all the same.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where the frame is taken, seconds: behind the black that many begin with.
const AT: f64 = 1.0;

/// A frame, if the browser can play the film.
pub(super) async fn of(file: &File) -> Option<ImageBitmap> {
    let url = Url::create_object_url_with_blob(file).ok()?;
    let frame = match select(Box::pin(frame(&url)), Delay::new(PATIENCE)).await {
        Either::Left((frame, _)) => frame.ok(),
        Either::Right(_) => None,
    };
    let _ = Url::revoke_object_url(&url);
    frame
}

async fn frame(url: &str) -> Result<ImageBitmap, JsValue> {
    let window = web_sys::window().ok_or(JsValue::UNDEFINED)?;
    let document = window.document().ok_or(JsValue::UNDEFINED)?;
    let video: HtmlVideoElement = document.create_element("video")?.unchecked_into();
    video.set_muted(true);
    video.set_preload("auto");
    video.set_src(url);
    event(&video, "loadeddata").await?;
    let length = video.duration();
    video.set_current_time(if length.is_finite() { AT.min(length / 2.0) } else { 0.0 });
    event(&video, "seeked").await?;
    let frame = JsFuture::from(window.create_image_bitmap_with_html_video_element(&video)?).await?;
    // Else the browser goes on loading it.
    video.remove_attribute("src")?;
    video.load();
    Ok(frame.unchecked_into())
}

/// Waits for an event of a film, or that the browser cannot play it.
async fn event(video: &HtmlVideoElement, name: &str) -> Result<(), JsValue> {
    let (tell, told) = oneshot::channel();
    let tell = std::cell::Cell::new(Some(tell));
    let listener = Closure::<dyn Fn(web_sys::Event)>::new(move |event: web_sys::Event| {
        if let Some(tell) = tell.take() {
            // Whoever waited may have lost patience.
            let _ = tell.send(event.type_() != "error");
        }
    });
    let function = listener.as_ref().unchecked_ref();
    video.add_event_listener_with_callback(name, function)?;
    video.add_event_listener_with_callback("error", function)?;
    let came = told.await;
    video.remove_event_listener_with_callback(name, function)?;
    video.remove_event_listener_with_callback("error", function)?;
    if came == Ok(true) { Ok(()) } else { Err(JsValue::UNDEFINED) }
}
