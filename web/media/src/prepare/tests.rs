//! What becomes of chosen files, in a real browser.

use chanterelle_core::base::BlobId;
use js_sys::{Array, Uint8Array};
use wasm_bindgen::JsCast as _;
use wasm_bindgen_test::wasm_bindgen_test;
use web_sys::{ImageEncodeOptions, OffscreenCanvas, OffscreenCanvasRenderingContext2d, WorkerGlobalScope};

use super::*;
use crate::messages::{CleanError, MAX_THUMB_SIDE, StoreError, Use};
use crate::store::read_blob;

/// A storage in memory, and who prepares into it.
struct Bench {
    store: Rc<Store>,
    preparer: Preparer,
}

impl Bench {
    fn new() -> Self {
        let store = Store::in_memory(StoreError::Unavailable("a test".to_owned()));
        Bench { preparer: Preparer::new(store.clone()), store }
    }

    async fn prepare(&self, file: &[u8], keep_encoding: bool) -> Result<Prepared, PrepareError> {
        let task = Task::new(|_, _| ());
        self.preparer.prepare(blob(file), None, keep_encoding, &task).await
    }

    async fn bytes(&self, id: &BlobId) -> Vec<u8> {
        bytes(&self.store.blob(id).await.expect("it was stored"))
    }

    async fn decode(&self, id: &BlobId) -> Picture {
        Picture::decode(&self.store.blob(id).await.expect("it was stored")).await.expect("it is a picture")
    }
}

fn blob(bytes: &[u8]) -> Blob {
    Blob::new_with_u8_array_sequence(&Array::of1(&Uint8Array::from(bytes))).expect("bytes make a blob")
}

fn bytes(blob: &Blob) -> Vec<u8> {
    let mut bytes = vec![0; blob.size() as usize];
    read_blob(blob, 0, &mut bytes).expect("it can be read");
    bytes
}

/// A picture: the left half red, the right half blue, and specks that make it no drawing.
async fn draw(width: u32, height: u32, kind: &str, has_specks: bool) -> Vec<u8> {
    let canvas = OffscreenCanvas::new(width, height).expect("it can be made");
    let context = canvas.get_context("2d").expect("it draws").expect("it draws");
    let context: OffscreenCanvasRenderingContext2d = context.unchecked_into();
    let (w, h) = (f64::from(width), f64::from(height));
    for (colour, x) in [("rgb(255 0 0)", 0.0), ("rgb(0 0 255)", w / 2.0)] {
        context.set_fill_style_str(colour);
        context.fill_rect(x, 0.0, w / 2.0, h);
    }
    let specks = if has_specks { 3000 } else { 0 };
    for n in 0..specks {
        context.set_fill_style_str(&format!("rgb({} {} {})", n % 256, n * 7 % 256, n / 16 % 256));
        context.fill_rect(f64::from(n) % w, (f64::from(n) / w).floor() * 3.0 % h, 2.0, 2.0);
    }
    let options = ImageEncodeOptions::new();
    options.set_type(kind);
    // As large as cameras make them.
    options.set_quality(1.0);
    let blob = canvas.convert_to_blob_with_options(&options).expect("it encodes");
    bytes(&JsFuture::from(blob).await.expect("it encodes").unchecked_into())
}

fn has(file: &[u8], part: &[u8]) -> bool {
    file.windows(part.len()).any(|window| window == part)
}

/// EXIF that turns a picture by a quarter and tells a place.
fn with_place(jpeg: &[u8]) -> Vec<u8> {
    let mut tiff = b"Exif\0\0MM\0*\0\0\0\x08\0\x02\x01\x12\0\x03\0\0\0\x01\0\x06\0\0".to_vec();
    tiff.extend(b"\x88\x25\0\x04\0\0\0\x01\0\0\0\x26\0\0\0\0GPS 47.3769 N 8.5417 E");
    let size = (tiff.len() as u16 + 2).to_be_bytes();
    [&jpeg[..2], &[0xff, 0xe1], &size, &tiff, &jpeg[2..]].concat()
}

#[wasm_bindgen_test]
async fn a_jpeg_with_a_place_comes_out_clean_and_turned() {
    let stage = Bench::new();
    let file = with_place(&draw(640, 320, "image/jpeg", true).await);
    for keep_encoding in [true, false] {
        let prepared = stage.prepare(&file, keep_encoding).await.expect("it is a picture");
        assert_eq!((prepared.size, prepared.is_clean), (Some((320, 640)), true));
        assert_eq!(prepared.has_kept_encoding, keep_encoding);
        assert_eq!(prepared.blob.kind, if keep_encoding { "image/jpeg" } else { "image/webp" });
        let kept = stage.bytes(&prepared.blob.id).await;
        assert!(!has(&kept, b"GPS") && kept.len() as u64 == prepared.blob.size);
        assert!(keep_encoding || kept.len() < file.len());
        let thumb = prepared.thumb.expect("pictures have one");
        assert!(!has(&stage.bytes(&thumb.id).await, b"Exif"));
        for (id, width, height) in [(prepared.blob.id, 320, 640), (thumb.id, 125, 250)] {
            let picture = stage.decode(&id).await;
            assert_eq!((picture.width(), picture.height()), (width, height));
            // What was left is above.
            let sample = picture.sample(4).expect("it has rows");
            let (top, low) = (&sample[..4], &sample[width as usize * 4 * 3..][..4]);
            assert!(top[0] > 200 && top[2] < 60 && low[2] > 200 && low[0] < 60, "{top:?} {low:?}");
        }
        let (width, height, _) =
            thumbhash::thumb_hash_to_rgba(&prepared.thumbhash.expect("pictures have one"))
                .map(|(width, height, rgba)| (width, height, rgba.len()))
                .expect("it is one");
        assert!(height > width);
    }
}

#[wasm_bindgen_test]
async fn sixteen_megapixels_are_prepared_with_progress_and_can_be_given_up() {
    let stage = Bench::new();
    let file = draw(4000, 4000, "image/jpeg", true).await;
    let told = Rc::new(RefCell::new(Vec::new()));
    let telling = told.clone();
    let task = Task::new(move |stage, done| telling.borrow_mut().push((stage, done)));
    let prepared = stage.preparer.prepare(blob(&file), None, false, &task).await.expect("it is small enough");
    assert_eq!(prepared.size, Some((4000, 4000)));
    let told = told.take();
    assert!(told.is_sorted_by_key(|(stage, done)| (*stage, (done * 1e6) as u64)), "{told:?}");
    for wanted in [Stage::Reading, Stage::Decoding, Stage::Encoding, Stage::Storing] {
        assert!(told.iter().any(|(stage, _)| *stage == wanted), "{told:?}");
    }
    let thumb = stage.decode(&prepared.thumb.expect("pictures have one").id).await;
    assert_eq!((thumb.width(), thumb.height()), (MAX_THUMB_SIDE, MAX_THUMB_SIDE));

    for wanted in [Stage::Reading, Stage::Decoding, Stage::Encoding, Stage::Storing] {
        let stage = Bench::new();
        let task = Rc::new(RefCell::new(None::<Rc<Task>>));
        let cancelled = task.clone();
        let made = Task::new(move |stage, _| {
            if stage == wanted {
                cancelled.borrow().as_ref().expect("it was made").cancel();
            }
        });
        *task.borrow_mut() = Some(made.clone());
        let outcome = stage.preparer.prepare(blob(&file), None, false, &made).await;
        assert_eq!(outcome, Err(PrepareError::Cancelled), "{wanted:?}");
        assert!(stage.store.held().is_empty());
    }
}

#[wasm_bindgen_test]
async fn what_moves_goes_on_moving() {
    let stage = Bench::new();
    for (file, kind, mark) in [
        (&include_bytes!("../../samples/a.gif")[..], "image/gif", &b"NETSCAPE2.0"[..]),
        (include_bytes!("../../samples/a.png"), "image/apng", b"acTL"),
        (include_bytes!("../../samples/animated.webp"), "image/webp", b"ANMF"),
    ] {
        let prepared = stage.prepare(file, false).await.expect("it is a picture");
        assert_eq!(prepared.blob.kind, kind);
        assert_eq!(stage.store.blob(&prepared.blob.id).await.expect("it was stored").type_(), kind);
        assert!(prepared.has_kept_encoding && has(&stage.bytes(&prepared.blob.id).await, mark));
        assert!(prepared.thumb.is_some() && prepared.thumbhash.is_some());
    }
}

#[wasm_bindgen_test]
async fn a_bomb_is_refused_before_it_is_decoded() {
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\xea\x60\0\0\xea\x60\x08\x06\0\0\0".to_vec();
    png.extend(b"crc.\0\0\0\0IDATcrc.\0\0\0\0IENDcrc.");
    let refused = Err(PrepareError::TooManyPixels { width: 60_000, height: 60_000 });
    assert_eq!(Bench::new().prepare(&png, false).await, refused);
    assert_eq!(Bench::new().prepare(&png, true).await, refused);
    // A frame that is larger than the screen it is drawn on.
    let mut gif = include_bytes!("../../samples/a.gif").to_vec();
    let at = gif.windows(3).position(|part| part == b"\0\x2c\0").expect("it has a frame") + 6;
    gif[at..at + 4].copy_from_slice(b"\x60\xea\x60\xea");
    assert_eq!(Bench::new().prepare(&gif, false).await, refused);
}

#[wasm_bindgen_test]
async fn what_is_damaged_is_refused_and_leaves_nothing() {
    let stage = Bench::new();
    let jpeg = draw(200, 200, "image/jpeg", true).await;
    let png = draw(200, 200, "image/png", true).await;
    for file in
        [&jpeg[..jpeg.len() / 2], &png[..png.len() - 12], &include_bytes!("../../samples/a.mp4")[..2000]]
    {
        for keep_encoding in [true, false] {
            let outcome = stage.prepare(file, keep_encoding).await;
            assert_eq!(outcome, Err(PrepareError::Unclean(CleanError::Truncated)));
        }
    }
    // Whole, but no picture.
    let mut noise = png.clone();
    let at = noise.windows(4).position(|part| part == b"IDAT").expect("it has data") + 4;
    noise[at..at + 40].fill(0x55);
    assert!(matches!(stage.prepare(&noise, false).await, Err(PrepareError::NoPicture(_))));
    assert_eq!(stage.prepare(b"", false).await, Err(PrepareError::Empty));
    for camera in [&b"II*\0\x08\0\0\0"[..], b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"] {
        assert!(matches!(stage.prepare(camera, true).await, Err(PrepareError::NoPicture(_))));
    }
    assert!(stage.store.held().is_empty());
}

#[wasm_bindgen_test]
async fn a_drawing_stays_sharp_and_a_photograph_gets_smaller() {
    let stage = Bench::new();
    let drawing = draw(300, 200, "image/png", false).await;
    let prepared = stage.prepare(&drawing, false).await.expect("it is a picture");
    assert_eq!((prepared.blob.kind.as_str(), prepared.has_kept_encoding), ("image/png", true));
    let photograph = draw(300, 200, "image/png", true).await;
    let prepared = stage.prepare(&photograph, false).await.expect("it is a picture");
    assert_eq!(prepared.blob.kind, "image/webp");
    assert!(prepared.blob.size < photograph.len() as u64);
    // Smaller than a thumbnail it is not made larger.
    let prepared =
        stage.prepare(&draw(60, 40, "image/png", true).await, false).await.expect("it is a picture");
    let thumb = stage.decode(&prepared.thumb.expect("pictures have one").id).await;
    assert_eq!((thumb.width(), thumb.height()), (60, 40));
}

#[wasm_bindgen_test]
async fn sound_film_and_other_files_are_cleaned_or_left() {
    let stage = Bench::new();
    let mp3 = include_bytes!("../../samples/a.mp3");
    let prepared = stage.prepare(mp3, false).await.expect("it is sound");
    assert_eq!((prepared.blob.kind.as_str(), prepared.is_clean), ("audio/mpeg", true));
    assert!(prepared.duration.is_some() && prepared.thumb.is_none());
    assert!(!has(&stage.bytes(&prepared.blob.id).await, b"Secret"));

    let task = Task::new(|_, _| ());
    let worker: WorkerGlobalScope = js_sys::global().unchecked_into();
    let frame = blob(&draw(320, 240, "image/png", true).await);
    let poster = worker.create_image_bitmap_with_blob(&frame).expect("it is a picture");
    let poster: ImageBitmap = JsFuture::from(poster).await.expect("it is a picture").unchecked_into();
    let film = blob(include_bytes!("../../samples/a.mp4"));
    let prepared = stage.preparer.prepare(film, Some(poster), false, &task).await.expect("it is a film");
    assert_eq!((prepared.blob.kind.as_str(), prepared.size), ("video/mp4", Some((320, 240))));
    assert!(prepared.duration.is_some() && prepared.thumbhash.is_some());
    let thumb = stage.decode(&prepared.thumb.expect("it had a poster").id).await;
    assert_eq!((thumb.width(), thumb.height()), (250, 188));

    for text in
        [&b"<!doctype html><script>alert(1)</script>"[..], b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"x"]
    {
        let prepared = stage.prepare(text, false).await.expect("it is a file");
        assert_eq!((prepared.blob.kind.as_str(), prepared.is_clean), ("application/octet-stream", false));
        assert_eq!(stage.bytes(&prepared.blob.id).await, text);
        let blob = stage.store.blob(&prepared.blob.id).await.expect("it was stored");
        assert_eq!(blob.type_(), "application/octet-stream");
    }
}

#[wasm_bindgen_test]
async fn a_picture_that_takes_too_much_memory_is_only_saved() {
    let head = |width: u32, height: u32| {
        let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
        png.extend([width.to_be_bytes(), height.to_be_bytes()].concat());
        png.extend(b"\x01\0\0\0\0\0\0\0\0");
        png
    };
    for (file, of) in [
        (head(100, 100), Use::Show),
        (head(16_384, 16_384), Use::Save),
        (head(0, 100), Use::Save),
        // A frame larger than what it begins with.
        (b"GIF89a\x02\0\x02\0\0\0\0\x2c\0\0\0\0\x40\xff\x40\xff\0\x02\x01\x2c\0\x3b".to_vec(), Use::Save),
        (b"GIF89a\x02\0\x02\0\0\0\0\x2c\0\0\0\0\x02\0\x02\0\0\x02\x01\x2c\0\x3b".to_vec(), Use::Show),
        (b"\xff\xd8\xff\xe0\0\x04..".to_vec(), Use::Save),
        // Browsers would tell what this is, whatever type they are given.
        (b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0".to_vec(), Use::Save),
        (b"fLaC".to_vec(), Use::Show),
    ] {
        assert_eq!(use_of(&blob(&file)), of, "{file:?}");
    }
}
