//! Makes of a chosen file what can be published: its kind by its first bytes, the file without what tells of its maker, or a
//! picture made anew, a thumbnail, a thumbhash, sizes. Stores what comes of it.
//!
//! A still picture is decoded and encoded by the browser, unless its own encoding is to be kept or is the smaller one. What
//! moves or sounds is cleaned, never encoded. Everything large goes one file after the other, so that ten pictures chosen at
//! once need the memory of one.

mod choose;
mod picture;
mod received;
mod source;
#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use chanterelle_core::base::{BlobId, Limits};
use chanterelle_core::media::{KIND_BYTES, MediaClass, MediaKind};
use futures::lock::Mutex;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, ImageBitmap};

use crate::clean::{self, Cleaned, Facts, Format, Plan, Source};
use crate::messages::{MAX_PIXELS, PrepareError, Prepared, Stage, Stored, UNKNOWN};
use crate::store::{Store, Writer};
use picture::{Encoded, Picture};
pub(crate) use received::use_of;
use source::BlobSource;

/// What is read and stored at once, bytes: well below what a person notices, and so much that the two milliseconds of each read
/// are little.
const PORTION: usize = 1024 * 1024;

/// How long it goes on without looking whether it was given up, milliseconds.
const TURN: f64 = 30.0;

/// Prepares files, one at a time.
pub(crate) struct Preparer {
    store: Rc<Store>,
    turn: Mutex<()>,
}

/// One file being prepared, as whoever asked sees it.
pub(crate) struct Task {
    is_cancelled: Cell<bool>,
    report: Box<dyn Fn(Stage, f32)>,
    told: Cell<(Option<Stage>, f64)>,
    yielded: Cell<f64>,
}

impl Task {
    /// A task that reports how far it is, at each stage and a few times a second.
    pub(crate) fn new(report: impl Fn(Stage, f32) + 'static) -> Rc<Self> {
        Rc::new(Task {
            is_cancelled: Cell::new(false),
            report: Box::new(report),
            told: Cell::new((None, 0.0)),
            yielded: Cell::new(js_sys::Date::now()),
        })
    }

    /// Gives it up.
    pub(crate) fn cancel(&self) {
        self.is_cancelled.set(true);
    }

    /// Says how far it is, and lets others have their turn.
    async fn at(&self, stage: Stage, done: f64) -> Result<(), PrepareError> {
        let now = js_sys::Date::now();
        let (before, when) = self.told.get();
        if before != Some(stage) || now - when > 100.0 {
            self.told.set((Some(stage), now));
            (self.report)(stage, done as f32);
        }
        if before != Some(stage) || now - self.yielded.get() > TURN {
            futures_timer::Delay::new(std::time::Duration::ZERO).await;
            self.yielded.set(js_sys::Date::now());
        }
        self.check()
    }

    fn check(&self) -> Result<(), PrepareError> {
        if self.is_cancelled.get() { Err(PrepareError::Cancelled) } else { Ok(()) }
    }
}

/// A file as it was chosen, and what is known of it.
struct File {
    source: BlobSource,
    kind: Option<MediaKind>,
    /// How it is cleaned, if it can be.
    clean: Option<(Plan, Facts)>,
    format: Option<Format>,
}

impl Preparer {
    pub(crate) fn new(store: Rc<Store>) -> Self {
        Preparer { store, turn: Mutex::new(()) }
    }

    /// Prepares a file. Of a film `poster` is one frame, if the page has one.
    ///
    /// # Errors
    /// When it is no file that can be published, there is no room, or it was given up. Nothing of it is left then.
    pub(crate) async fn prepare(
        &self,
        file: Blob,
        poster: Option<ImageBitmap>,
        keep_encoding: bool,
        task: &Task,
    ) -> Result<Prepared, PrepareError> {
        let poster = poster.map(Picture::new);
        task.at(Stage::Waiting, 0.0).await?;
        let _turn = self.turn.lock().await;
        task.at(Stage::Reading, 0.02).await?;
        let file = look(file)?;
        // What was stored for it.
        let fresh = RefCell::new(Vec::new());
        let outcome = match file.kind {
            Some(kind) if kind.class == MediaClass::Image => {
                self.picture(&file, kind, keep_encoding, task, &fresh).await
            }
            _ => self.other(&file, poster, task, &fresh).await,
        };
        let outcome = outcome.and_then(|prepared| task.check().map(|()| prepared));
        if outcome.is_err() {
            for id in fresh.into_inner() {
                self.store.remove_draft(&id).await?;
            }
        }
        outcome
    }

    async fn picture(
        &self,
        file: &File,
        kind: MediaKind,
        keep_encoding: bool,
        task: &Task,
        fresh: &RefCell<Vec<BlobId>>,
    ) -> Result<Prepared, PrepareError> {
        task.at(Stage::Decoding, 0.05).await?;
        let picture = Picture::decode(file.source.blob()).await?;
        may_have(picture.width(), picture.height())?;
        let is_animated = file.facts().is_some_and(|facts| facts.animated);
        // Without its profile it would have other colours.
        let can_keep = file.facts().is_some_and(|facts| is_animated || !facts.had_profile);
        let stays = is_animated || (keep_encoding && can_keep);
        let mut made = None;
        if !stays {
            task.at(Stage::Encoding, 0.2).await?;
            let most = if can_keep { Some(file.clean_size()) } else { None };
            made = choose::encode(&picture, file.format, most).await?;
        }
        task.at(Stage::Encoding, 0.6).await?;
        let size = (picture.width() as u16, picture.height() as u16);
        let (thumb, thumbhash) = miniatures(&picture).await?;
        drop(picture);
        let has_kept_encoding = made.is_none();
        let blob = match made {
            Some(Encoded { blob, kind }) => self.store_blob(&blob, &kind, (0.7, 0.95), task, fresh).await?,
            None => self.store_clean(file, kind.mime, (0.7, 0.95), task, fresh).await?,
        };
        let thumb = self.store_blob(&thumb.blob, &thumb.kind, (0.95, 1.0), task, fresh).await?;
        Ok(Prepared {
            blob,
            size: Some(size),
            duration: None,
            thumbhash: Some(thumbhash),
            thumb: Some(thumb),
            is_clean: true,
            has_kept_encoding,
        })
    }

    async fn other(
        &self,
        file: &File,
        poster: Option<Picture>,
        task: &Task,
        fresh: &RefCell<Vec<BlobId>>,
    ) -> Result<Prepared, PrepareError> {
        let is_film = file.kind.is_some_and(|kind| kind.class == MediaClass::Video);
        let mime = file.kind.map_or(UNKNOWN, |kind| kind.mime);
        let blob = self.store_clean(file, mime, (0.05, 0.95), task, fresh).await?;
        let facts = file.facts();
        let fits =
            |(width, height): (u32, u32)| Some((u16::try_from(width).ok()?, u16::try_from(height).ok()?));
        let size = facts.filter(|_| is_film).and_then(|facts| facts.size).and_then(fits);
        let mut prepared = Prepared {
            blob,
            size,
            duration: facts.and_then(|facts| facts.duration),
            thumbhash: None,
            thumb: None,
            is_clean: file.clean.is_some(),
            has_kept_encoding: true,
        };
        if let Some(poster) = poster.filter(|_| is_film) {
            // The page saw it as it is shown.
            prepared.size = fits((poster.width(), poster.height())).or(size);
            let (thumb, thumbhash) = miniatures(&poster).await?;
            prepared.thumb = Some(self.store_blob(&thumb.blob, &thumb.kind, (0.95, 1.0), task, fresh).await?);
            prepared.thumbhash = Some(thumbhash);
        }
        Ok(prepared)
    }

    /// Stores a file without what tells of its maker.
    async fn store_clean(
        &self,
        file: &File,
        kind: &str,
        span: (f64, f64),
        task: &Task,
        fresh: &RefCell<Vec<BlobId>>,
    ) -> Result<Stored, PrepareError> {
        let untouched = Plan::new(file.source.size());
        let plan = file.clean.as_ref().map_or(&untouched, |(plan, _)| plan);
        self.store(&file.source, plan, kind, span, task, fresh).await
    }

    /// Stores a picture that was made here, without the profile that browsers write into each: it is sRGB's.
    async fn store_blob(
        &self,
        blob: &Blob,
        kind: &str,
        span: (f64, f64),
        task: &Task,
        fresh: &RefCell<Vec<BlobId>>,
    ) -> Result<Stored, PrepareError> {
        let source = BlobSource::new(blob.clone());
        let mut head = vec![0; 16.min(source.size() as usize)];
        source.read_at(0, &mut head)?;
        let plan = match Format::of(&head) {
            Some(format) => clean::clean(format, &source)?.0,
            None => Plan::new(source.size()),
        };
        self.store(&source, &plan, kind, span, task, fresh).await
    }

    async fn store(
        &self,
        source: &BlobSource,
        plan: &Plan,
        kind: &str,
        (begin, end): (f64, f64),
        task: &Task,
        fresh: &RefCell<Vec<BlobId>>,
    ) -> Result<Stored, PrepareError> {
        let total = plan.new_size();
        if total == 0 {
            return Err(PrepareError::Empty);
        }
        task.at(Stage::Storing, begin).await?;
        let mut writer = Writer::new(&self.store).await?;
        let mut cleaned = Cleaned::new(source, plan);
        let mut portion = vec![0; PORTION];
        let mut done = 0_u64;
        loop {
            let size = cleaned.read(&mut portion)?;
            writer.write(&portion[..size])?;
            done += size as u64;
            if size < portion.len() {
                break;
            }
            task.at(Stage::Storing, begin + (end - begin) * (done as f64 / total as f64)).await?;
        }
        let (id, size, _) = writer.finish().await?;
        fresh.borrow_mut().push(id);
        Ok(Stored { id, size, kind: kind.to_owned() })
    }
}

impl File {
    fn facts(&self) -> Option<&Facts> {
        self.clean.as_ref().map(|(_, facts)| facts)
    }

    fn clean_size(&self) -> u64 {
        self.clean.as_ref().map_or(self.source.size(), |(plan, _)| plan.new_size())
    }
}

/// Looks at a file without decoding anything.
fn look(file: Blob) -> Result<File, PrepareError> {
    let source = BlobSource::new(file);
    let size = source.size();
    if size == 0 {
        return Err(PrepareError::Empty);
    }
    let most = Limits::default().blob_bytes;
    if size > most {
        return Err(PrepareError::TooLarge { size, most });
    }
    let mut head = vec![0; KIND_BYTES.min(size as usize)];
    source.read_at(0, &mut head)?;
    let kind = MediaKind::of(&head);
    let format = Format::of(&head);
    if kind.is_none() && choose::is_picture_nobody_shows(&head) {
        return Err(PrepareError::NoPicture("a kind of picture that browsers do not show".to_owned()));
    }
    let said = kind.and_then(|kind| kind.dimensions);
    if let Some(said) = said {
        may_have(said.width, said.height)?;
    }
    let clean = match format {
        // What only begins like something that can be cleaned is a file like any other; what is shown has to be whole.
        Some(format) => match clean::clean(format, &source) {
            Ok(clean) => Some(clean),
            Err(error) if kind.is_some() || error_matters(format) => return Err(error.into()),
            Err(_) => None,
        },
        None => None,
    };
    if kind.is_some_and(|kind| kind.class == MediaClass::Image) {
        match clean.as_ref().and_then(|(_, facts)| facts.size) {
            Some((width, height)) => may_have(width, height)?,
            None if said.is_some() => {}
            None => return Err(PrepareError::NoPicture("it does not say how large it is".to_owned())),
        }
    }
    Ok(File { source, kind, clean, format })
}

/// Whether a file that begins like this format has places and names to hide even where no browser shows it.
fn error_matters(format: Format) -> bool {
    !matches!(format, Format::Mp3)
}

/// Refuses a picture that has too many pixels, or sides that an event cannot tell.
fn may_have(width: u32, height: u32) -> Result<(), PrepareError> {
    if is_small(width, height) && width.max(height) <= u16::MAX.into() {
        Ok(())
    } else {
        Err(PrepareError::TooManyPixels { width, height })
    }
}

/// Whether a decoded picture takes no more memory than it may.
fn is_small(width: u32, height: u32) -> bool {
    u64::from(width) * u64::from(height) <= MAX_PIXELS
}

/// A thumbnail, and what stands for it before it is there.
async fn miniatures(picture: &Picture) -> Result<(Encoded, Vec<u8>), PrepareError> {
    Ok((picture.thumb().await?, picture.thumbhash()?))
}

/// Waits for a promise of the browser's about a picture.
async fn promised(promise: js_sys::Promise) -> Result<JsValue, PrepareError> {
    JsFuture::from(promise).await.map_err(|error| no_picture(&error))
}

fn no_picture(error: &JsValue) -> PrepareError {
    PrepareError::NoPicture(crate::store::words(error))
}
