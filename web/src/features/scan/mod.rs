//! Reading a QR code: by the camera, or from a picture. Pictures stay in this tab; the annex looks at them.

mod camera;
mod frame;

use std::time::Duration;

use chanterelle_annex::question::ScanError;
use futures_timer::Delay;
use leptos::prelude::*;
use leptos::{ev, html};
use wasm_bindgen_futures::spawn_local;
use web_sys::{File, HtmlInputElement, HtmlVideoElement};

use crate::annex::{self, AnnexError};
use crate::i18n as t;
use crate::kit::{alert_if, live, waiting};
use camera::{Camera, CameraError};
use frame::Frame;

/// Between two looks at what the camera sees, so that the device is not busy with nothing else.
const PAUSE: Duration = Duration::from_millis(100);

/// The longest side of what is looked at, pixels. A camera shows a code large, and again and again; a picture is looked
/// at once.
const CAMERA_SIDE: u32 = 1024;
const PICTURE_SIDE: u32 = 2048;

/// Beyond this a picture is none, but something that would fill the memory, bytes.
const MAX_PICTURE: f64 = 64.0 * 1024.0 * 1024.0;

/// What is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    Nothing,
    /// The browser asks the person, or starts the camera.
    Asking,
    /// The camera is looked through; `seen` when there is a code that cannot be read.
    Watching {
        seen: bool,
    },
    Reading,
}

/// Reading codes, for as long as the view lives. A handle.
#[derive(Clone, Copy)]
struct Scanner {
    work: RwSignal<Work>,
    failed: RwSignal<Option<String>>,
    /// Which attempt this is: whatever belongs to an earlier one has ended.
    attempt: StoredValue<u32>,
    video: NodeRef<html::Video>,
    found: StoredValue<Box<dyn Fn(String)>, LocalStorage>,
}

/// Buttons to read a QR code with. `found` is called with the text of each code that is read; the camera is off by then.
pub(crate) fn scanner(found: impl Fn(String) + 'static) -> AnyView {
    let scanner = Scanner::new(found);
    // The camera itself ends with the attempt, which cannot go on when the view is gone.
    let is_watching = Memo::new(move |_| matches!(scanner.work.get(), Work::Watching { .. }));
    let is_idle = Memo::new(move |_| scanner.work.get() == Work::Nothing);
    let view = move || {
        is_watching.get().then(|| {
            html::video()
                .class("camera")
                .aria_label(t::SCAN_VIEW)
                .attr("playsinline", "")
                .prop("muted", true)
                .node_ref(scanner.video)
        })
    };
    let progress = move || match scanner.work.get() {
        Work::Nothing => None,
        Work::Asking => Some(waiting(t::SCAN_ASKING)),
        Work::Watching { seen: false } => Some(html::p().child(t::SCAN_AIM).into_any()),
        Work::Watching { seen: true } => Some(html::p().child(t::SCAN_CLOSER).into_any()),
        Work::Reading => Some(waiting(t::SCANNING)),
    };
    let camera = move || {
        if is_idle.get() {
            let start = html::button().r#type("button").on(ev::click, move |_| scanner.watch());
            start.child(t::SCAN_CAMERA).into_any()
        } else {
            let stop = html::button().r#type("button").on(ev::click, move |_| scanner.stop());
            stop.child(t::SCAN_STOP).into_any()
        }
    };
    html::div()
        .class("scanner")
        .child((
            live(view),
            html::div().role("status").child(live(progress)),
            alert_if(move || scanner.failed.get()),
            html::div().class("form-foot").child((live(camera), picture_input(scanner))),
        ))
        .into_any()
}

fn picture_input(scanner: Scanner) -> AnyView {
    let chosen = move |event: ev::Event| {
        let input: HtmlInputElement = event_target(&event);
        let picture = input.files().and_then(|files| files.get(0));
        // So that the same picture can be chosen again.
        input.set_value("");
        if let Some(picture) = picture {
            scanner.read(picture);
        }
    };
    html::label()
        .class("check")
        .child((
            html::span().child(t::SCAN_PICTURE),
            html::input().r#type("file").attr("accept", "image/*").on(ev::change, chosen),
        ))
        .into_any()
}

impl Scanner {
    fn new(found: impl Fn(String) + 'static) -> Self {
        Self {
            work: RwSignal::new(Work::Nothing),
            failed: RwSignal::new(None),
            attempt: StoredValue::new(0),
            video: NodeRef::new(),
            found: StoredValue::new_local(Box::new(found)),
        }
    }

    /// Ends what is being done and begins another attempt.
    fn begin(self, work: Work) -> u32 {
        self.attempt.update_value(|attempt| *attempt = attempt.wrapping_add(1));
        self.failed.set(None);
        self.work.set(work);
        self.attempt.get_value()
    }

    fn stop(self) {
        self.begin(Work::Nothing);
    }

    /// Whether the attempt still goes on; not so when the view is gone.
    fn is_current(self, attempt: u32) -> bool {
        self.attempt.try_get_value() == Some(attempt)
    }

    /// Ends an attempt, with the words why it failed or the text that was found.
    fn end(self, attempt: u32, outcome: Result<String, String>) {
        if !self.is_current(attempt) {
            return;
        }
        self.stop();
        match outcome {
            Ok(text) => self.found.with_value(|found| found(text)),
            Err(why) => self.failed.set(Some(why)),
        }
    }

    /// Looks through the camera until a code is read.
    fn watch(self) {
        let attempt = self.begin(Work::Asking);
        // Before the person is asked for a camera that would be of no use.
        let Some(frame) = Frame::new() else { return self.end(attempt, Err(t::NO_CANVAS.to_owned())) };
        spawn_local(async move {
            // Off at the end of this block, whichever end that is.
            let outcome = match Camera::start().await {
                Ok(camera) if self.is_current(attempt) => {
                    self.work.set(Work::Watching { seen: false });
                    self.look_through(&camera, frame, attempt).await
                }
                Ok(_) => None,
                Err(CameraError::Refused) => Some(Err(t::CAMERA_REFUSED.to_owned())),
                Err(CameraError::Absent) => Some(Err(t::CAMERA_ABSENT.to_owned())),
                Err(CameraError::Busy) => Some(Err(t::CAMERA_BUSY.to_owned())),
            };
            if let Some(outcome) = outcome {
                self.end(attempt, outcome);
            }
        });
    }

    /// What came of it; nothing when it was stopped.
    async fn look_through(
        self,
        camera: &Camera,
        mut frame: Frame,
        attempt: u32,
    ) -> Option<Result<String, String>> {
        // What is drawn is drawn before this goes on.
        Delay::new(Duration::ZERO).await;
        let video: Option<HtmlVideoElement> = self.video.try_get_untracked()?;
        let is_shown = match &video {
            Some(video) => camera.show(video).await,
            None => false,
        };
        let Some(video) = video.filter(|_| is_shown) else {
            return Some(Err(t::CAMERA_BUSY.to_owned()));
        };
        while self.is_current(attempt) {
            if let Some(picture) = frame.of_video(&video, CAMERA_SIDE) {
                match annex::scan(&picture).await {
                    Ok(text) => return Some(Ok(text)),
                    Err(AnnexError::Refused(error)) => {
                        let seen = error == ScanError::Unreadable;
                        if self.is_current(attempt) {
                            self.work.set(Work::Watching { seen });
                        }
                    }
                    Err(error) => return Some(Err(t::annex_failed(&error, t::scan_refused))),
                }
            }
            Delay::new(PAUSE).await;
        }
        None
    }

    /// Reads the code in a picture.
    fn read(self, picture: File) {
        let attempt = self.begin(Work::Reading);
        let Some(mut frame) = Frame::new() else { return self.end(attempt, Err(t::NO_CANVAS.to_owned())) };
        spawn_local(async move {
            let picture = if picture.size() > MAX_PICTURE {
                None
            } else {
                frame.of_picture(&picture, PICTURE_SIDE).await
            };
            let outcome = match picture {
                Some(picture) => {
                    annex::scan(&picture).await.map_err(|error| t::annex_failed(&error, t::scan_refused))
                }
                None => Err(t::PICTURE_UNREADABLE.to_owned()),
            };
            self.end(attempt, outcome);
        });
    }
}

#[cfg(all(test, target_arch = "wasm32"))]
mod tests {
    use js_sys::{Array, Function};
    use leptos::prelude::*;
    use wasm_bindgen::JsValue;
    use wasm_bindgen_test::wasm_bindgen_test;
    use web_sys::File;

    use super::{Scanner, Work};
    use crate::i18n as t;

    #[wasm_bindgen_test]
    fn without_a_canvas_there_is_a_refusal_and_nothing_goes_on() {
        let owner = Owner::new();
        owner.set();
        let scanner = Scanner::new(|text| panic!("there is nothing to read {text:?} from"));
        let of_canvas = |script: &str| {
            let script = format!("const canvas = HTMLCanvasElement.prototype; {script}");
            Function::new_no_args(&script).call0(&JsValue::UNDEFINED).expect("a script without faults")
        };
        of_canvas("canvas.kept = canvas.getContext; canvas.getContext = () => null;");
        let picture = File::new_with_str_sequence(&Array::new(), "code.png").expect("an empty file");
        let state = || (scanner.work.get_untracked(), scanner.failed.get_untracked());
        scanner.watch();
        let after_camera = state();
        scanner.read(picture);
        let after_picture = state();
        of_canvas("canvas.getContext = canvas.kept; delete canvas.kept;");
        let refused = (Work::Nothing, Some(t::NO_CANVAS.to_owned()));
        assert_eq!((&after_camera, &after_picture), (&refused, &refused));
    }
}
