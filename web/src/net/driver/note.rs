//! What reaches the driver beside libp2p's own events.

use std::time::Duration;

use chanterelle_core::base::PeerId as NodeId;
use chanterelle_core::invite::Address;
use chanterelle_core::node::{Relays, SessionInfo};
use chanterelle_webrtc::Connection;
use libp2p::{PeerId, Stream};
use libp2p_stream::OpenStreamError;

use super::MediaNote;
use crate::net::address::Given;
use crate::net::bootstrap::Info;
use crate::net::session::End;

/// What reaches the driver beside libp2p's own events.
pub(in crate::net) enum Note {
    /// The node runs: from now on there should be a session.
    Begin,
    /// The page, which was paused, is shown again.
    Resume,
    /// The node does not run any more.
    End,
    /// Something happened that makes another attempt worth while.
    Retry,
    /// The page goes away, perhaps to come back.
    Pause,
    /// Send a frame.
    Send(NodeId, Vec<u8>),
    /// End a session after what was sent before.
    Close(NodeId, Closing),
    /// Frames of a peer of so much weight have been dealt with.
    Took(NodeId, usize),
    /// Read nothing more of a peer's session for a while.
    Wait(NodeId, Duration),
    /// Something about a stream of media.
    Media(MediaNote),
    /// Connect to a tab directly, asking for it at one of these relays.
    Dial(NodeId, Vec<Address>),
    /// Whether the person wants direct connections.
    Allow(bool),
    /// Connect to an address that the person gave.
    Connect(Given),
    /// There is a connection with a tab, made by hand.
    Prepared(NodeId, Box<Connection>),
    /// Relays worth connecting to.
    Know(Relays),
    /// How the node finds its sessions.
    Judged(Vec<SessionInfo>),
    /// A relay told of itself and of others.
    Told(Info),
    /// A stream was opened, or was not.
    Opened(PeerId, Result<Stream, OpenStreamError>),
    /// The session of that number ended by itself.
    Ended(NodeId, u64, End),
}

/// Why the node has ended a session.
pub(in crate::net) struct Closing {
    /// In words for the person.
    pub(in crate::net) why: String,
    /// Whether it would end the next one too.
    pub(in crate::net) unwanted: bool,
}
