//! Somebody who has a file for whoever asks: honestly, with one wrong bit, or only until the first question.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use chanterelle_core::base::{BlobId, BoardName, Limits};
use chanterelle_core::event::{Attachment, BlobRef, Content, Draft, FileInfo, Persona};
use chanterelle_core::media::tree::{self, GROUP_BYTES, Hashed, Outboard};
use chanterelle_core::media::{HeldItem, MEDIA_PROTOCOL, MediaFrame};
use chanterelle_core::wire::{Deframer, prefixed};
use futures::{AsyncReadExt as _, AsyncWriteExt as _, StreamExt as _};
use libp2p::{Stream, StreamProtocol};
use libp2p_stream::Control;

/// What is the matter with a holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Nothing.
    Honest,
    /// The last bit of the file is another.
    Lies,
    /// It answers no question, and ends the stream at the first.
    Leaves,
}

/// A file in somebody's hands. A handle.
#[derive(Clone)]
pub(crate) struct Holder(Arc<Inner>);

struct Inner {
    bytes: Vec<u8>,
    hashed: Hashed,
    way: Way,
    asked: Mutex<BTreeSet<u32>>,
    looked_for: Mutex<BTreeSet<BlobId>>,
}

impl Holder {
    pub(crate) fn new(bytes: &[u8], way: Way) -> Holder {
        let mut outboard = Outboard::new();
        outboard.update(bytes);
        let (bytes, hashed) = (bytes.to_vec(), outboard.finish());
        Holder(Arc::new(Inner { bytes, hashed, way, asked: Mutex::default(), looked_for: Mutex::default() }))
    }

    pub(crate) fn id(&self) -> BlobId {
        self.0.hashed.id
    }

    /// A thread with the file, on the board `cats`.
    pub(crate) fn thread(&self, mime: &str) -> Draft {
        let blob = BlobRef { id: self.id(), size: self.0.bytes.len() as u64 };
        let info = FileInfo { name: Some("file".to_owned()), ..FileInfo::new(mime) };
        let content = Content::Thread {
            board: BoardName::new("cats").expect("the test's board name is valid"),
            subject: None,
            comment: "a file".to_owned(),
            files: vec![Attachment { blob, thumb: None, info }],
        };
        Draft { persona: Persona::Pseudonym, content }
    }

    /// The groups it was asked for.
    pub(crate) fn asked(&self) -> BTreeSet<u32> {
        self.0.asked.lock().expect("no test panics here").clone()
    }

    /// The files it was asked about.
    pub(crate) fn looked_for(&self) -> BTreeSet<BlobId> {
        self.0.looked_for.lock().expect("no test panics here").clone()
    }

    /// Answers on every stream that is opened to it.
    pub(crate) fn serve(&self, mut control: Control) {
        let protocol = StreamProtocol::new(MEDIA_PROTOCOL);
        let mut incoming = control.accept(protocol).expect("nobody else accepts the protocol");
        let holder = self.clone();
        tokio::spawn(async move {
            while let Some((_, stream)) = incoming.next().await {
                holder.answer(stream).await;
            }
        });
    }

    /// Answers until the asker is done, or this holder is.
    async fn answer(&self, mut stream: Stream) {
        let limits = Limits::default();
        let mut deframer = Deframer::new(limits.media_frame_bytes);
        let mut chunk = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = stream.read(&mut chunk).await {
            deframer.push(&chunk[..count]);
            while let Some(frame) = deframer.next_frame().expect("the relay sends frames") {
                let frame = MediaFrame::decode(&frame, &limits).expect("the relay sends frames of media");
                if let MediaFrame::Look { ids } = &frame {
                    self.0.looked_for.lock().expect("no test panics here").extend(ids);
                }
                let answer = match frame {
                    MediaFrame::Look { ids } if ids.contains(&self.id()) => self.held(),
                    MediaFrame::Get { call, id, first, count } if id == self.id() => {
                        self.0.asked.lock().expect("no test panics here").extend(first..first + count);
                        if self.0.way == Way::Leaves {
                            return;
                        }
                        self.slice(call, first, count)
                    }
                    _ => continue,
                };
                // Whoever has heard enough of a liar listens no longer.
                if stream.write_all(&prefixed(&answer.encode())).await.is_err()
                    || stream.flush().await.is_err()
                {
                    return;
                }
            }
        }
    }

    fn held(&self) -> MediaFrame {
        let item = HeldItem { id: self.id(), size: self.0.bytes.len() as u64, groups: None };
        MediaFrame::Held { items: vec![item] }
    }

    fn slice(&self, call: u64, first: u32, count: u32) -> MediaFrame {
        let Inner { bytes, hashed, way, .. } = &*self.0;
        let at = |group: u32| (group as usize * GROUP_BYTES as usize).min(bytes.len());
        let parent = |node: tree::Node| {
            let offset = usize::try_from(node.offset()).expect("a small tree");
            hashed.outboard[offset..offset + 64].try_into().expect("64 bytes")
        };
        let content = &bytes[at(first)..at(first + count)];
        let slice = tree::slice(bytes.len() as u64, first, count, parent, content);
        let mut slice = slice.expect("the relay asks for groups that there are");
        if *way == Way::Lies && at(first + count) == bytes.len() {
            *slice.last_mut().expect("no slice is empty") ^= 1;
        }
        MediaFrame::Slice { call, bytes: slice }
    }
}
