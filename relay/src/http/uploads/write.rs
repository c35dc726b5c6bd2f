//! The body of a request on its way to the end of an upload, and what is said when it does not get there.

use axum::http::StatusCode;

use super::super::MAX_BODY;
use super::super::error::ApiError;
use super::body::{Broken, Bytewise};
use super::{Call, beyond_length};
use crate::media::MediaError;
use crate::media::uploads::{Append, Appended, Checksum, Held};
use crate::metrics::count;
use crate::storage::Upload;

impl Call {
    /// Writes the body to the end of an upload. The server drops this when the client has gone; what was handed over by then
    /// counts.
    pub(super) async fn write(
        &self,
        held: Held,
        checksum: Option<Checksum>,
        body: &mut Bytewise,
    ) -> Result<Upload, ApiError> {
        let refused = |error| self.refused(error);
        if let Some(announced) = body.announced() {
            self.app.media.check_room(announced).map_err(refused)?;
        }
        let append = held.append(checksum).await.map_err(refused)?;
        let (appended, stop) = copy(body, append).await;
        match (appended, stop) {
            (Err(error), _) => Err(refused(error)),
            (Ok(_), Some(stop)) => Err(self.stopped(stop)),
            (Ok(Appended::Mismatch), None) => Err(self.mismatch()),
            (Ok(Appended::Yes(upload)), None) => Ok(upload),
        }
    }

    /// Sees to it that the body for an upload that is at its end is empty.
    pub(super) async fn nothing_more(
        &self,
        checksum: Option<Checksum>,
        body: &mut Bytewise,
    ) -> Result<(), ApiError> {
        match body.next().await {
            Ok(None) => {}
            Ok(Some(_)) => return Err(self.stopped(Stop::Length)),
            Err(broken) => return Err(self.stopped(Stop::Body(broken))),
        }
        if checksum.is_some_and(|checksum| !checksum.holds()) {
            return Err(self.mismatch());
        }
        Ok(())
    }

    fn stopped(&self, stop: Stop) -> ApiError {
        match stop {
            Stop::Length => self.too_large(beyond_length()),
            Stop::Body(Broken::TooLarge) => self.too_large(ApiError::too_large(MAX_BODY)),
            Stop::Body(Broken::Slow) => ApiError::refused(
                StatusCode::REQUEST_TIMEOUT,
                "too_slow",
                "the body comes at less than 1 KiB a second; ask by HEAD how much of it is here, and go on from there",
            ),
            Stop::Body(Broken::Stopping) => ApiError::unavailable("the relay is stopping"),
            Stop::Body(Broken::Gone) => ApiError::bad_request("the body broke off"),
        }
    }

    fn mismatch(&self) -> ApiError {
        count(&self.app.metrics.media_refused, "checksum");
        let status = StatusCode::from_u16(460).expect("three digits are a status");
        let line = "the bytes do not have the checksum; nothing of them counts, send them again";
        ApiError::refused(status, "checksum_mismatch", line)
    }
}

/// Why a body was not read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    Body(Broken),
    /// It is longer than the upload.
    Length,
}

/// What came of an append, and why the body was not read to its end.
async fn copy(body: &mut Bytewise, mut append: Append) -> (Result<Appended, MediaError>, Option<Stop>) {
    let mut left = append.upload().length - append.upload().offset;
    let mut stop = None;
    loop {
        match body.next().await {
            Ok(Some(bytes)) if bytes.len() as u64 > left => stop = Some(Stop::Length),
            Ok(Some(bytes)) => {
                left -= bytes.len() as u64;
                match append.push(&bytes).await {
                    Ok(()) => continue,
                    // What was written before counts, if the disk keeps that.
                    Err(error) => {
                        let _ = append.finish(false).await;
                        return (Err(error), None);
                    }
                }
            }
            Ok(None) => {}
            Err(broken) => stop = Some(Stop::Body(broken)),
        }
        break;
    }
    (append.finish(stop.is_none()).await, stop)
}
