//! The camera (Media Capture and Streams, section 10): on while a [`Camera`] lives, and off when it is dropped.

use js_sys::{Object, Reflect};
use leptos::prelude::window;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    DomException, HtmlVideoElement, MediaDevices, MediaStream, MediaStreamConstraints, MediaStreamTrack,
};

/// Why there is no camera.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CameraError {
    /// By the person, or by their settings.
    Refused,
    /// The device has none, or the browser gives none to this page.
    Absent,
    /// It does not start.
    Busy,
}

/// A camera that is on.
pub(super) struct Camera(MediaStream);

impl Camera {
    /// Starts the camera on the back, if there are several. The browser asks the person first.
    pub(super) async fn start() -> Result<Self, CameraError> {
        let asked = devices()
            .ok_or(CameraError::Absent)?
            .get_user_media_with_constraints(&constraints())
            .map_err(|error| reason(&error))?;
        match JsFuture::from(asked).await {
            Ok(stream) => Ok(Camera(stream.unchecked_into())),
            Err(error) => Err(reason(&error)),
        }
    }

    /// Shows in an element what it sees. False when the browser does not.
    pub(super) async fn show(&self, video: &HtmlVideoElement) -> bool {
        video.set_src_object(Some(&self.0));
        match video.play() {
            Ok(playing) => JsFuture::from(playing).await.is_ok(),
            Err(_) => false,
        }
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        for track in self.0.get_tracks() {
            track.unchecked_into::<MediaStreamTrack>().stop();
        }
    }
}

/// Absent where the page was not opened over https.
fn devices() -> Option<MediaDevices> {
    let devices = Reflect::get(&window().navigator(), &"mediaDevices".into()).ok()?;
    devices.is_object().then(|| devices.unchecked_into())
}

fn constraints() -> MediaStreamConstraints {
    let video = Object::new();
    for (name, value) in [
        ("facingMode", JsValue::from("environment")),
        // Enough for a code of many modules, and what most cameras have.
        ("width", ideal(1280)),
        ("height", ideal(960)),
    ] {
        Reflect::set(&video, &name.into(), &value).expect("a plain object takes any property");
    }
    let constraints = MediaStreamConstraints::new();
    constraints.set_video(&video);
    constraints
}

fn ideal(value: u32) -> JsValue {
    let ideal = Object::new();
    Reflect::set(&ideal, &"ideal".into(), &value.into()).expect("a plain object takes any property");
    ideal.into()
}

/// What the browser means (section 10.2, "getUserMedia").
fn reason(error: &JsValue) -> CameraError {
    match error.dyn_ref::<DomException>().map(DomException::name).as_deref() {
        Some("NotAllowedError" | "SecurityError") => CameraError::Refused,
        Some("NotFoundError" | "OverconstrainedError") | None => CameraError::Absent,
        Some(_) => CameraError::Busy,
    }
}

#[cfg(all(test, target_arch = "wasm32"))]
mod tests {
    use wasm_bindgen::JsValue;
    use wasm_bindgen_test::wasm_bindgen_test;
    use web_sys::DomException;

    use super::{CameraError, reason};

    #[wasm_bindgen_test]
    fn the_person_is_told_which_it_is() {
        for (name, expected) in [
            ("NotAllowedError", CameraError::Refused),
            ("NotFoundError", CameraError::Absent),
            ("NotReadableError", CameraError::Busy),
            ("AbortError", CameraError::Busy),
        ] {
            let error = DomException::new_with_message_and_name("", name).expect("a plain name");
            assert_eq!(reason(&error.into()), expected, "{name}");
        }
        assert_eq!(reason(&JsValue::from("TypeError")), CameraError::Absent);
    }
}
