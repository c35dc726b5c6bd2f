//! The body of a request on its way to the end of an upload, and what is said when it does not get there.

use axum::http::StatusCode;

use super::super::MAX_BODY;
use super::super::error::ApiError;
use super::body::{Broken, Bytewise};
use super::{Call, beyond_length};
use crate::media::MediaError;
use crate::media::uploads::{Append, Appended, Checksum};
use crate::metrics::count;
use crate::storage::{Upload, UploadId};

impl Call {
    /// Writes the body to the end of an upload, in a task of its own: the server drops a request whose client has gone,
    /// and what came of it counts.
    pub(super) async fn write(
        &self,
        id: &UploadId,
        offset: u64,
        checksum: Option<Checksum>,
        body: &mut Option<Bytewise>,
    ) -> Result<Upload, ApiError> {
        let refused = |error| self.refused(error);
        if let Some(announced) = body.as_ref().and_then(Bytewise::announced) {
            self.app.media.check_room(announced).map_err(refused)?;
        }
        let append = self.app.media.append(id, checksum).await.map_err(refused)?;
        self.check_offset(append.upload(), offset)?;
        let Some(taken) = body.take() else { return Err(ApiError::internal()) };
        let work = copy(taken, append);
        let (appended, rest, broken) = self.app.media.unhurried(work).await.map_err(refused)?;
        *body = Some(rest);
        match (appended, broken) {
            (Err(error), _) => Err(refused(error)),
            (Ok(_), Some(Stop::Body(Broken::TooLarge))) => Err(self.too_large(ApiError::too_large(MAX_BODY))),
            (Ok(_), Some(Stop::Length)) => Err(self.too_large(beyond_length())),
            (Ok(_), Some(Stop::Body(Broken::Slow))) => Err(ApiError::refused(
                StatusCode::REQUEST_TIMEOUT,
                "too_slow",
                "the body comes at less than 1 KiB a second; ask by HEAD how much of it is here, and go on from there",
            )),
            (Ok(_), Some(Stop::Body(Broken::Stopping))) => {
                Err(ApiError::unavailable("the relay is stopping"))
            }
            (Ok(_), Some(Stop::Body(Broken::Gone))) => Err(ApiError::bad_request("the body broke off")),
            (Ok(Appended::Mismatch), None) => {
                count(&self.app.metrics.media_refused, "checksum");
                let status = StatusCode::from_u16(460).expect("three digits are a status");
                let line = "the bytes do not have the checksum; nothing of them counts, send them again";
                Err(ApiError::refused(status, "checksum_mismatch", line))
            }
            (Ok(Appended::Yes(upload)), None) => Ok(upload),
        }
    }
}

/// Why a body was not read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    Body(Broken),
    /// It is longer than the upload.
    Length,
}

/// What came of an append, what is left of the body, and why it was not read to its end.
type Copied = (Result<Appended, MediaError>, Bytewise, Option<Stop>);

async fn copy(mut body: Bytewise, mut append: Append) -> Copied {
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
                        return (Err(error), body, None);
                    }
                }
            }
            Ok(None) => {}
            Err(broken) => stop = Some(Stop::Body(broken)),
        }
        break;
    }
    (append.finish(stop.is_none()).await, body, stop)
}
