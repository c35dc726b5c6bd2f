//! A decoded picture, and what the browser makes of it: encoded anew, made small. Closed when it is dropped, because the
//! memory of it is large and not ours.

use js_sys::{Reflect, Uint8Array};
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::{
    Blob, ImageBitmap, ImageBitmapOptions, ImageEncodeOptions, ImageOrientation, OffscreenCanvas,
    OffscreenCanvasRenderingContext2d, WorkerGlobalScope,
};

use super::{no_picture, promised};
use crate::messages::{MAX_THUMB_SIDE, PrepareError};

/// The longest side of what a thumbhash is made of (the crate's limit).
const MAX_HASH_SIDE: u32 = 100;

/// How good a thumbnail is, of 1.
const THUMB_QUALITY: f64 = 0.75;

/// A picture in an encoding.
pub(super) struct Encoded {
    pub(super) blob: Blob,
    /// MIME type.
    pub(super) kind: String,
}

/// A decoded picture.
pub(super) struct Picture(ImageBitmap);

impl Drop for Picture {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// A canvas, emptied when it is dropped.
struct Canvas {
    canvas: OffscreenCanvas,
    context: OffscreenCanvasRenderingContext2d,
}

impl Drop for Canvas {
    fn drop(&mut self) {
        self.canvas.set_width(0);
        self.canvas.set_height(0);
    }
}

impl Picture {
    pub(super) fn new(bitmap: ImageBitmap) -> Self {
        Picture(bitmap)
    }

    /// Decodes a picture, the first frame of one that moves, turned as it says.
    pub(super) async fn decode(blob: &Blob) -> Result<Self, PrepareError> {
        let worker: WorkerGlobalScope = js_sys::global().unchecked_into();
        let options = ImageBitmapOptions::new();
        options.set_image_orientation(ImageOrientation::FromImage);
        let bitmap = worker.create_image_bitmap_with_blob_and_image_bitmap_options(blob, &options);
        Ok(Picture(promised(bitmap.map_err(|error| no_picture(&error))?).await?.unchecked_into()))
    }

    pub(super) fn width(&self) -> u32 {
        self.0.width()
    }

    pub(super) fn height(&self) -> u32 {
        self.0.height()
    }

    /// The picture in this encoding, and in none if the browser does not write it.
    pub(super) async fn encode(&self, kind: &str, quality: f64) -> Result<Option<Encoded>, PrepareError> {
        self.draw(self.width(), self.height())?.encode(kind, quality).await
    }

    /// A picture of at most [`MAX_THUMB_SIDE`], as WebP or what there is instead. One that is small is not made larger.
    pub(super) async fn thumb(&self) -> Result<Encoded, PrepareError> {
        let (width, height) = self.within(MAX_THUMB_SIDE);
        let canvas = self.draw(width, height)?;
        if let Some(thumb) = canvas.encode("image/webp", THUMB_QUALITY).await? {
            return Ok(thumb);
        }
        let kind = if canvas.is_opaque()? { "image/jpeg" } else { "image/png" };
        let thumb = canvas.encode(kind, THUMB_QUALITY).await?;
        thumb.ok_or_else(|| PrepareError::NoPicture("the browser writes no pictures".to_owned()))
    }

    /// What stands for the picture, 5 to 25 bytes.
    pub(super) fn thumbhash(&self) -> Result<Vec<u8>, PrepareError> {
        let (width, height) = self.within(MAX_HASH_SIDE);
        let canvas = self.draw(width, height)?;
        let rgba = canvas.rows(0, height)?;
        Ok(thumbhash::rgba_to_thumb_hash(width as usize, height as usize, &rgba))
    }

    /// Some of its pixels, red, green, blue and opacity: whole rows, at most `rows`, evenly over the picture, as they are.
    pub(super) fn sample(&self, rows: u32) -> Result<Vec<u8>, PrepareError> {
        let rows = rows.min(self.height());
        let canvas = Canvas::new(self.width(), 1)?;
        let mut sample = Vec::new();
        for row in 0..rows {
            let y = u64::from(row) * u64::from(self.height()) / u64::from(rows);
            canvas.context.clear_rect(0.0, 0.0, self.width().into(), 1.0);
            let drawn = canvas.context.draw_image_with_image_bitmap(&self.0, 0.0, -(y as f64));
            drawn.map_err(|error| no_picture(&error))?;
            sample.extend(canvas.rows(0, 1)?);
        }
        Ok(sample)
    }

    /// The size within a square, never larger than it is, never nothing.
    fn within(&self, side: u32) -> (u32, u32) {
        super::choose::within(self.width(), self.height(), side)
    }

    fn draw(&self, width: u32, height: u32) -> Result<Canvas, PrepareError> {
        let canvas = Canvas::new(width, height)?;
        // Else four pixels make one, whatever lies between.
        let _ = Reflect::set(&canvas.context, &"imageSmoothingQuality".into(), &"high".into());
        let (dw, dh) = (f64::from(width), f64::from(height));
        let drawn = canvas.context.draw_image_with_image_bitmap_and_dw_and_dh(&self.0, 0.0, 0.0, dw, dh);
        drawn.map_err(|error| no_picture(&error))?;
        Ok(canvas)
    }
}

impl Canvas {
    fn new(width: u32, height: u32) -> Result<Self, PrepareError> {
        let canvas = OffscreenCanvas::new(width, height).map_err(|error| no_picture(&error))?;
        let options = js_sys::Object::new();
        // Pixels are read back, never shown.
        Reflect::set(&options, &"willReadFrequently".into(), &JsValue::TRUE)
            .expect("a plain object takes any property");
        let context = canvas.get_context_with_context_options("2d", &options);
        let context = context.map_err(|error| no_picture(&error))?;
        let context =
            context.ok_or_else(|| PrepareError::NoPicture("the browser draws nothing here".to_owned()))?;
        Ok(Canvas { canvas, context: context.unchecked_into() })
    }

    async fn encode(&self, kind: &str, quality: f64) -> Result<Option<Encoded>, PrepareError> {
        let options = ImageEncodeOptions::new();
        options.set_type(kind);
        options.set_quality(quality);
        let blob = self.canvas.convert_to_blob_with_options(&options).map_err(|error| no_picture(&error))?;
        let blob: Blob = promised(blob).await?.unchecked_into();
        // What a browser does not write it writes as PNG.
        Ok((blob.type_() == kind).then(|| Encoded { blob, kind: kind.to_owned() }))
    }

    fn rows(&self, first: u32, count: u32) -> Result<Vec<u8>, PrepareError> {
        let (y, width, height) = (f64::from(first), f64::from(self.canvas.width()), f64::from(count));
        let data = self.context.get_image_data(0.0, y, width, height);
        // By hand: web-sys copies it byte by byte.
        let data = data.map_err(|error| no_picture(&error))?;
        let data = Reflect::get(&data, &"data".into());
        Ok(Uint8Array::new(&data.map_err(|error| no_picture(&error))?).to_vec())
    }

    fn is_opaque(&self) -> Result<bool, PrepareError> {
        let rgba = self.rows(0, self.canvas.height())?;
        Ok(rgba.chunks_exact(4).all(|pixel| pixel[3] == 255))
    }
}
