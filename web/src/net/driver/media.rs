//! Streams of media beside a session: one that was opened here, to ask, and one that the peer opened, to be answered on.
//! They end with the session. Frames pass through unread.

use std::rc::Rc;

use chanterelle_core::base::{Limits, PeerId as NodeId};
use chanterelle_core::media::MEDIA_PROTOCOL;
use chanterelle_core::media::exchange::MediaStream;
use libp2p::{PeerId, Stream, StreamProtocol};
use wasm_bindgen_futures::spawn_local;

use super::{Driver, Note};
use crate::net::session::{Hears, Session};
use crate::net::swarm::node_id;
use crate::net::{MediaEvent, NetEvent};

pub(in crate::net) const MEDIA: StreamProtocol = StreamProtocol::new(MEDIA_PROTOCOL);

/// What reaches the driver of streams of media.
pub(in crate::net) enum MediaNote {
    /// Open one.
    Open(NodeId),
    /// One was opened for the session of that number, or was not.
    Opened(NodeId, u64, Option<Stream>),
    /// Send a frame.
    Send(NodeId, MediaStream, Vec<u8>),
    /// Frames of so much weight have been dealt with.
    Took(NodeId, MediaStream, usize),
    /// Break one off.
    Close(NodeId, MediaStream),
    /// The one of that number has ended by itself.
    Ended(NodeId, MediaStream, u64),
}

/// A peer's streams of media, each with its number.
#[derive(Default)]
pub(super) struct MediaSeats {
    ours: Option<(u64, Session)>,
    /// Whether ours is being opened.
    is_opening: bool,
    theirs: Option<(u64, Session)>,
}

impl MediaSeats {
    fn of(&mut self, stream: MediaStream) -> &mut Option<(u64, Session)> {
        match stream {
            MediaStream::Ours => &mut self.ours,
            MediaStream::Theirs => &mut self.theirs,
        }
    }
}

impl Driver {
    pub(super) fn on_media(&mut self, note: MediaNote) {
        match note {
            MediaNote::Open(node) => self.open_media(node),
            MediaNote::Opened(node, number, stream) => {
                // Of a connection that is no more: the exchange was told that it is over.
                let Some(seat) = self.seats.get_mut(&node).filter(|seat| seat.number == number) else {
                    return;
                };
                seat.media.is_opening = false;
                match stream {
                    Some(stream) => {
                        self.tell_media(MediaEvent::Opened(node));
                        self.seat_media(node, MediaStream::Ours, stream);
                    }
                    None => self.tell_media(MediaEvent::Unopened(node)),
                }
            }
            MediaNote::Send(node, stream, frame) => {
                if let Some(Some((_, session))) = self.media(node, stream) {
                    session.send(frame);
                }
            }
            MediaNote::Took(node, stream, weight) => {
                if let Some(Some((_, session))) = self.media(node, stream) {
                    session.took(weight);
                }
            }
            MediaNote::Close(node, stream) => drop(self.media(node, stream).and_then(Option::take)),
            MediaNote::Ended(node, stream, number) => {
                let media = self.media(node, stream);
                if media.and_then(|media| media.take_if(|(of, _)| *of == number)).is_some() {
                    self.tell_media(MediaEvent::Closed(node, stream));
                }
            }
        }
    }

    /// Takes a stream that a peer has opened, if there is a session with it.
    pub(super) fn on_media_stream(&mut self, peer: PeerId, stream: Stream) {
        let Some(node) = node_id(peer).filter(|node| self.seats.contains_key(node)) else { return };
        self.tell_media(MediaEvent::Accepted(node));
        self.seat_media(node, MediaStream::Theirs, stream);
    }

    fn open_media(&mut self, node: NodeId) {
        let Some(seat) = self.seats.get_mut(&node).filter(|seat| seat.closing.is_none()) else {
            return self.tell_media(MediaEvent::Unopened(node));
        };
        // It was asked for on a connection that has ended meanwhile, and then on this one: a second would end the first.
        if seat.media.ours.is_some() {
            return self.tell_media(MediaEvent::Opened(node));
        }
        if std::mem::replace(&mut seat.media.is_opening, true) {
            return;
        }
        let (number, peer) = (seat.number, seat.peer);
        let (mut control, note) = (self.control.clone(), self.note.clone());
        spawn_local(async move {
            let opened = control.open_stream(peer, MEDIA).await.ok();
            // The driver runs for as long as the page.
            let _ = note.unbounded_send(Note::Media(MediaNote::Opened(node, number, opened)));
        });
    }

    /// One that was there before in its place is broken off.
    fn seat_media(&mut self, node: NodeId, which: MediaStream, stream: Stream) {
        let number = self.next_number;
        self.next_number += 1;
        let tell = |on: Rc<dyn Fn(NetEvent)>| move |event| on(NetEvent::Media(event));
        let (received, sent, note) = (tell(self.on.clone()), tell(self.on.clone()), self.note.clone());
        let ended = Note::Media(MediaNote::Ended(node, which, number));
        let hears = Hears {
            on_frame: Box::new(move |frame| received(MediaEvent::Received(node, which, frame))),
            on_sent: Box::new(move |bytes| sent(MediaEvent::Flushed(node, which, bytes))),
            // The driver runs for as long as the page.
            on_end: Box::new(move |_| drop(note.unbounded_send(ended))),
        };
        let session = Session::start(stream, Limits::default().media_frame_bytes, hears);
        if let Some(seat) = self.seats.get_mut(&node) {
            *seat.media.of(which) = Some((number, session));
        }
    }

    fn media(&mut self, node: NodeId, stream: MediaStream) -> Option<&mut Option<(u64, Session)>> {
        self.seats.get_mut(&node).map(|seat| seat.media.of(stream))
    }

    fn tell_media(&self, event: MediaEvent) {
        (self.on)(NetEvent::Media(event));
    }
}
