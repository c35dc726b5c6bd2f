//! Every limit the protocol enforces, in one place, each with its reason.
//!
//! Limits on an event's bytes decide validity, so all peers must hold the same; the others are a peer's own.

use core::time::Duration;

/// Limits. [`Limits::default`] is what the network runs with.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Encoded event with its signature, bytes. Fits a data-channel message and a page of text many times over.
    pub event_bytes: usize,
    /// Encoded event of a kind this version does not know, bytes: room for what comes, too small to hide files in.
    pub unknown_event_bytes: usize,
    /// Characters of a comment, as imageboards have them.
    pub comment_chars: usize,
    /// Characters of a subject: one line on a phone, twice.
    pub subject_chars: usize,
    /// Characters of a profile's name.
    pub name_chars: usize,
    /// Characters of a profile's description.
    pub about_chars: usize,
    /// References of one event.
    pub refs: usize,
    /// Attachments of one event; each may have a thumbnail beside.
    pub blobs: usize,
    /// Characters of a file's name.
    pub file_name_chars: usize,
    /// Characters of the words that stand for a picture: twice what screen readers are told to bear.
    pub alt_chars: usize,
    /// Nesting of maps and lists in an event or frame; the known kinds need four.
    pub depth: usize,
    /// Maps and lists of one event: three times what the known kinds need, and few enough to hold in memory.
    pub containers: usize,
    /// How far ahead of the local clock an event may claim to be, seconds: clocks of phones are off by minutes.
    pub future_seconds: u64,
    /// Events kept aside because they claim to come from the future; more are left to a later reconciliation.
    pub deferred: usize,
    /// Bytes of them: a tab has little memory, and it never gives any back.
    pub deferred_bytes: usize,
    /// Replies that bump a thread; what 4chan-like boards use.
    pub bump_limit: usize,
    /// Replies shown under a card in a catalog are not sent: only this many characters of the opening comment.
    pub excerpt_chars: usize,

    /// One frame on the wire after its length prefix, bytes: a batch of events, or one of the largest.
    pub frame_bytes: usize,
    /// One frame after decompression, bytes. Bounds what a small hostile frame can make us allocate.
    pub frame_inflated_bytes: usize,
    /// Payloads above this are compressed, bytes; below, the header costs more than it saves.
    pub compress_above: usize,
    /// Events in one frame. One batch verification; more gains little and holds up live posts.
    pub frame_events: usize,
    /// Identifiers in one frame of acknowledgements, wants or refusals.
    pub frame_ids: usize,
    /// Boards in one frame of interest or directory.
    pub frame_boards: usize,
    /// Slots and reach records in one frame: each record costs a signature check.
    pub frame_slots: usize,
    /// Peer records in one frame: each costs a signature check.
    pub frame_peers: usize,
    /// Event-carrying frames a peer may send before it is granted more.
    pub window_frames: u64,

    /// Points a peer may lose before it is disconnected; `trust::Fault` has the prices.
    pub budget_points: u32,
    /// Points regained a second: a peer that errs now and then stays.
    pub budget_refill: u32,
    /// Frames a second a peer may sustain before back-pressure.
    pub frames_per_second: u32,
    /// Bytes of frames a second, those of events apart, which credit bounds: of ids it is 30,000.
    pub bytes_per_second: u64,
    /// Microseconds a second that a peer's frames may take beyond being read, as estimated for a slow phone: a tenth of its time
    /// for each peer.
    pub work_per_second: u64,
    /// How long a peer has to say hello.
    pub hello_timeout: Duration,
    /// How long a reconciliation may go without progress.
    pub reconcile_timeout: Duration,
    /// Between two reconciliations of one scope with one peer: what broadcast missed is found within this.
    pub reconcile_every: Duration,
    /// How long a wanted event is waited for before another peer is asked.
    pub want_timeout: Duration,
    /// Events wanted from one peer at a time.
    pub wants: usize,
    /// A negentropy message, bytes.
    pub reconcile_bytes: u64,
    /// Between two attempts to store after a failure.
    pub persist_retry: Duration,
    /// Events in one storage transaction.
    pub persist_events: usize,
    /// Reach records kept for others, by a relay; the one made longest ago goes first. 12 MiB. One peer that calls itself
    /// a relay fills at most a quarter.
    pub reach_records: usize,
    /// Slots one tab may put records into in one session: one a day, and one for each time it renews its code.
    pub reach_slots: usize,
    /// Relays whose renditions are believed, the last met: those a person comes by in weeks.
    pub producers: usize,
    /// Friends remembered.
    pub friends: usize,
    /// Between two reach records of one's own.
    pub reach_every: Duration,
    /// How long an own event may wait for the acknowledgement of a peer it was queued for, before that peer is no longer
    /// counted on; also when the peer grants no credit to send it.
    pub ack_timeout: Duration,
    /// Direct neighbours of a tab, at most.
    pub neighbours: usize,
    /// Direct neighbours that a tab looks for; the rest of the places is for those who come, so that newcomers find room.
    pub neighbours_wanted: usize,
    /// How long an event that a peer has is waited for, from whoever brings it by itself, before it is asked for: at
    /// least and at most. Longer than links of one length differ by.
    pub have_patience: (Duration, Duration),
    /// For how much longer, when another peer was asked for it, or a relay has it that a direct neighbour said it has, too.
    pub neighbour_patience: Duration,
    /// Events that count on one day of one board, the same for all peers, or they would never agree on a day that is full:
    /// more than one each two seconds, which few boards anywhere have. A flood of one day costs whoever keeps its board
    /// 6 MB of memory at most.
    pub day_events: usize,
    /// Between two updates of a view while events stream in; a person cannot read faster.
    pub update_every: Duration,

    /// One blob, bytes: the largest video somebody posts, and its numbers of groups fit 18 bits.
    pub blob_bytes: u64,
    /// One frame of the media protocol after its length prefix, bytes: 16 groups with the parents that prove them, or a
    /// few bitmaps of the largest blobs.
    pub media_frame_bytes: usize,
    /// Blobs one peer is asked to look for: what a screen shows many times over.
    pub media_look: usize,
    /// Blobs in one frame that says what is held.
    pub media_held: usize,
    /// Groups of 16 KiB in one request: 256 KiB, which a fast connection carries in the time it takes to ask.
    pub media_get_groups: u32,
    /// Requests for groups that one peer may have unanswered: 8 MiB, a second of the fastest connections.
    pub media_gets: usize,
    /// Between two words to one peer about what is held of one blob; at once, the first time.
    pub media_held_every: Duration,
    /// Between two times that a peer's word what it looks for is followed: each may be answered with many bitmaps.
    pub media_look_every: Duration,
    /// Bytes handed out for one peer that its connection has not taken yet: they are in memory, and what comes behind
    /// them waits.
    pub media_unflushed_bytes: u64,
    /// The same for all peers together. Beyond that a peer has one answer or word at a time: many that do not read are not to
    /// fill the memory, nor to keep others from being served.
    pub media_unflushed_total: u64,
    /// Reads of the storage under way for all peers together.
    pub media_reads: usize,
    /// Bytes that are asked for, or read from the network and not stored yet, of all peers together.
    pub media_fetching_bytes: u64,
    /// Bitmaps kept of one peer, bytes; what it holds beyond that in part counts as not held.
    pub media_bitmap_bytes: usize,
    /// Peers that are all asked for every blob; of more, a few at a time.
    pub media_ask_all: usize,
    /// Peers asked at a time, of more than that, beside those that probably hold a blob.
    pub media_ask_some: usize,
    /// How long they are, before others are asked.
    pub media_ask_every: Duration,
    /// How long a peer that was asked for groups may give none at all, before they are asked of others.
    pub media_stall: Duration,
    /// How long after a stream broke or could not be opened it is tried again; doubled each time, to 32 times as long.
    pub media_reopen: Duration,
    /// How long a stream on which nothing is looked for is kept.
    pub media_idle: Duration,
    /// How long a blob is left alone that could not be stored: the disk is full or going away.
    pub media_write_retry: Duration,
    /// Between two words about progress; a person cannot read faster.
    pub media_progress_every: Duration,
    /// Peers remembered because they lied or broke the protocol; the first one is forgotten for more.
    pub media_banned: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            event_bytes: 64 * 1024,
            unknown_event_bytes: 4 * 1024,
            comment_chars: 10_000,
            subject_chars: 100,
            name_chars: 40,
            about_chars: 1_000,
            refs: 64,
            blobs: 8,
            file_name_chars: 120,
            alt_chars: 1_000,
            depth: 16,
            containers: 256,
            future_seconds: 15 * 60,
            deferred: 1_000,
            deferred_bytes: 4 * 1024 * 1024,
            bump_limit: 300,
            excerpt_chars: 300,
            frame_bytes: 160 * 1024,
            frame_inflated_bytes: 256 * 1024,
            compress_above: 1024,
            frame_events: 256,
            frame_ids: 1_024,
            frame_boards: 256,
            frame_slots: 32,
            frame_peers: 8,
            window_frames: 32,
            budget_points: 100,
            budget_refill: 1,
            frames_per_second: 100,
            bytes_per_second: 1024 * 1024,
            work_per_second: 100_000,
            hello_timeout: Duration::from_secs(15),
            reconcile_timeout: Duration::from_secs(30),
            reconcile_every: Duration::from_secs(60),
            want_timeout: Duration::from_secs(20),
            wants: 4_096,
            reconcile_bytes: 64 * 1024,
            persist_retry: Duration::from_secs(5),
            persist_events: 1_024,
            reach_records: 16_384,
            reach_slots: 8,
            producers: 32,
            friends: 256,
            reach_every: Duration::from_secs(10 * 60),
            ack_timeout: Duration::from_secs(15),
            neighbours: 8,
            neighbours_wanted: 5,
            have_patience: (Duration::from_millis(50), Duration::from_millis(150)),
            neighbour_patience: Duration::from_secs(2),
            day_events: 50_000,
            update_every: Duration::from_millis(50),
            blob_bytes: 4 * 1024 * 1024 * 1024,
            media_frame_bytes: 320 * 1024,
            media_look: 256,
            media_held: 64,
            media_get_groups: 16,
            media_gets: 32,
            media_held_every: Duration::from_secs(1),
            media_look_every: Duration::from_millis(100),
            media_unflushed_bytes: 1024 * 1024,
            media_unflushed_total: 64 * 1024 * 1024,
            media_reads: 16,
            media_fetching_bytes: 32 * 1024 * 1024,
            media_bitmap_bytes: 1024 * 1024,
            media_ask_all: 16,
            media_ask_some: 8,
            media_ask_every: Duration::from_secs(10),
            media_stall: Duration::from_secs(20),
            media_reopen: Duration::from_secs(5),
            media_idle: Duration::from_secs(30),
            media_write_retry: Duration::from_secs(15),
            media_progress_every: Duration::from_millis(100),
            media_banned: 1_024,
        }
    }
}
