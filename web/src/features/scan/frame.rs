//! Pictures by their pixels, made smaller on the way: browsers give them through a canvas.

use js_sys::{Object, Reflect};
use leptos::prelude::{document, window};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, CanvasRenderingContext2d, HtmlCanvasElement, HtmlVideoElement, ImageBitmap, ImageData};

/// A canvas that is not shown, used for one picture after the other.
pub(super) struct Frame {
    canvas: HtmlCanvasElement,
    context: CanvasRenderingContext2d,
}

impl Frame {
    /// None in a browser that gives no canvas.
    pub(super) fn new() -> Option<Self> {
        let canvas: HtmlCanvasElement = document().create_element("canvas").ok()?.dyn_into().ok()?;
        let options = Object::new();
        // The pixels are all that is wanted, so they are better not kept by the graphics card.
        Reflect::set(&options, &"willReadFrequently".into(), &JsValue::TRUE).ok()?;
        let context = canvas.get_context_with_context_options("2d", &options).ok()??;
        Some(Self { canvas, context: context.dyn_into().ok()? })
    }

    /// What a video shows now, its longer side at most so many pixels; nothing before it shows anything.
    pub(super) fn of_video(&mut self, video: &HtmlVideoElement, side: u32) -> Option<ImageData> {
        self.draw(video.video_width(), video.video_height(), side, |context, width, height| {
            context.draw_image_with_html_video_element_and_dw_and_dh(video, 0.0, 0.0, width, height)
        })
    }

    /// The picture in a file, its longer side at most so many pixels; nothing when the browser cannot show it.
    pub(super) async fn of_picture(&mut self, file: &Blob, side: u32) -> Option<ImageData> {
        let bitmap = JsFuture::from(window().create_image_bitmap_with_blob(file).ok()?).await.ok()?;
        let bitmap: ImageBitmap = bitmap.dyn_into().ok()?;
        let pixels = self.draw(bitmap.width(), bitmap.height(), side, |context, width, height| {
            // What is transparent has no brightness; codes are on white.
            context.set_fill_style_str("#fff");
            context.fill_rect(0.0, 0.0, width, height);
            context.draw_image_with_image_bitmap_and_dw_and_dh(&bitmap, 0.0, 0.0, width, height)
        });
        // It may be large; the collector would not hurry.
        bitmap.close();
        pixels
    }

    fn draw(
        &mut self,
        width: u32,
        height: u32,
        side: u32,
        draw: impl FnOnce(&CanvasRenderingContext2d, f64, f64) -> Result<(), JsValue>,
    ) -> Option<ImageData> {
        let (width, height) = fit(width, height, side)?;
        if (self.canvas.width(), self.canvas.height()) != (width, height) {
            self.canvas.set_width(width);
            self.canvas.set_height(height);
        }
        let (width, height) = (f64::from(width), f64::from(height));
        draw(&self.context, width, height).ok()?;
        self.context.get_image_data(0.0, 0.0, width, height).ok()
    }
}

/// The size of a picture whose longer side is at most so many pixels. Nothing for a picture without pixels.
fn fit(width: u32, height: u32, side: u32) -> Option<(u32, u32)> {
    let longer = width.max(height);
    if width == 0 || height == 0 {
        return None;
    }
    if longer <= side {
        return Some((width, height));
    }
    let scaled = |length: u32| {
        // At most `side`, because no length is longer than the longer one.
        let scaled = u64::from(length) * u64::from(side) / u64::from(longer);
        u32::try_from(scaled).unwrap_or(side).max(1)
    };
    Some((scaled(width), scaled(height)))
}

#[cfg(all(test, target_arch = "wasm32"))]
mod tests {
    use chanterelle_annex::question::MAX_PIXELS;
    use js_sys::{Array, Uint8Array};
    use wasm_bindgen_test::wasm_bindgen_test;
    use web_sys::Blob;

    use super::super::PICTURE_SIDE;
    use super::{Frame, fit};

    #[wasm_bindgen_test]
    fn the_longer_side_is_bounded_and_the_shape_stays() {
        assert_eq!(fit(640, 480, 1024), Some((640, 480)));
        assert_eq!(fit(4000, 3000, 2048), Some((2048, 1536)));
        assert_eq!(fit(3000, 4000, 2048), Some((1536, 2048)));
        assert_eq!(fit(u32::MAX, 1, 2048), Some((2048, 1)));
        assert_eq!(fit(0, 100, 2048), None);
        let (width, height) = fit(9000, 9000, PICTURE_SIDE).expect("it has pixels");
        assert!(width as usize * height as usize <= MAX_PIXELS);
    }

    fn file(bytes: &[u8]) -> Blob {
        let parts = Array::of1(&Uint8Array::from(bytes));
        Blob::new_with_u8_array_sequence(&parts).expect("bytes make a blob")
    }

    /// A GIF of 2 by 1 pixels, the left one red, the right one transparent.
    const GIF: [u8; 43] = [
        0x47, 0x49, 0x46, 0x38, 0x39, 0x61, 2, 0, 1, 0, 0x80, 0, 0, 0xff, 0, 0, 0, 0, 0xff, 0x21, 0xf9, 4, 1,
        0, 0, 1, 0, 0x2c, 0, 0, 0, 0, 2, 0, 1, 0, 0, 2, 2, 0x44, 0x0a, 0, 0x3b,
    ];

    #[wasm_bindgen_test]
    async fn a_picture_is_read_by_its_pixels_on_white() {
        let mut frame = Frame::new().expect("browsers have canvases");
        let picture = frame.of_picture(&file(&GIF), 100).await.expect("it is a picture");
        assert_eq!((picture.width(), picture.height()), (2, 1));
        assert_eq!(picture.data().0, [255, 0, 0, 255, 255, 255, 255, 255]);
        let smaller = frame.of_picture(&file(&GIF), 1).await.expect("it is a picture");
        assert_eq!((smaller.width(), smaller.height()), (1, 1));
    }

    #[wasm_bindgen_test]
    async fn what_is_no_picture_is_none() {
        let mut frame = Frame::new().expect("browsers have canvases");
        assert!(frame.of_picture(&file(b"not a picture"), 100).await.is_none());
        assert!(frame.of_picture(&file(b""), 100).await.is_none());
    }
}
