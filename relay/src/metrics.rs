//! Figures for operators, in the OpenMetrics text format at `/metrics`.
//!
//! Labels come from small fixed sets; nothing here names a peer, an author or an address.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// A counter told apart by one reason.
pub type ByReason = Family<Reason, Counter>;

/// Why something was refused, ended or failed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Reason {
    /// One of a few words.
    pub reason: &'static str,
}

/// Which way something went.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Direction {
    /// `in` or `out`.
    pub direction: &'static str,
}

/// How a rendition stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct State {
    /// One of a few words.
    pub state: &'static str,
}

/// An answered request.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Answer {
    /// The route's pattern, `asset` or `unknown`.
    pub route: String,
    /// The status.
    pub status: u16,
}

/// Everything that is counted.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Open TCP connections.
    pub connections: Gauge,
    /// Connections refused before anything was read.
    pub connections_refused: ByReason,
    /// Requests answered.
    pub http_requests: Family<Answer, Counter>,
    /// Seconds from a request's head to its answer's head.
    pub http_seconds: Histogram,
    /// Established libp2p connections.
    pub peers: Gauge,
    /// Open session streams.
    pub sessions: Gauge,
    /// Other relays with a session.
    pub relays: Gauge,
    /// Sessions ended from this side.
    pub sessions_ended: ByReason,
    /// Frames on sessions.
    pub frames: Family<Direction, Counter>,
    /// Bytes of frames on sessions, length prefixes left out.
    pub frame_bytes: Family<Direction, Counter>,
    /// Events held.
    pub events: Gauge,
    /// Events stored durably since the start.
    pub events_stored: Counter,
    /// Events refused, by reason.
    pub events_rejected: ByReason,
    /// Transactions committed.
    pub commits: Counter,
    /// Seconds a transaction took.
    pub commit_seconds: Histogram,
    /// Seconds from the arrival of the first event of a transaction to its durability: the longest a sender waited.
    pub ack_seconds: Histogram,
    /// Transactions and reads that failed.
    pub storage_errors: ByReason,
    /// Circuit relay reservations held.
    pub reservations: Gauge,
    /// Circuits open.
    pub circuits: Gauge,
    /// Circuits opened since the start.
    pub circuits_opened: Counter,
    /// Reservations and circuits denied.
    pub circuits_denied: ByReason,
    /// STUN requests answered.
    pub stun_answered: Counter,
    /// Datagrams to the STUN server that got no answer: `malformed`, `address` (too many of one), `unsent`.
    pub stun_dropped: ByReason,
    /// When the TLS certificate in use ends, seconds since 1970; zero while there is none.
    pub certificate_expiry: Gauge,
    /// Files in the media store.
    pub blobs: Gauge,
    /// Their bytes.
    pub blob_bytes: Gauge,
    /// Uploads `created`, `completed`, `terminated` and `expired`.
    pub uploads: ByReason,
    /// Bytes of uploads taken.
    pub upload_bytes: Counter,
    /// Files and uploads refused: `blocked`, `full`, `quota`, `too_large`, `checksum`, `authorization`, `liar`
    /// (a peer gave other bytes than the file's).
    pub media_refused: ByReason,
    /// Bytes of files that were asked for.
    pub media_served_bytes: Counter,
    /// Renditions of files, by how they stand: `queued`, `running`, `done`, `unneeded`, `failed`, `unavailable`.
    pub renditions: Family<State, Gauge>,
    /// Bytes free on the disk of the data folder.
    pub media_disk_free: Gauge,
}

/// From 1 ms to 16 s: a commit takes a few milliseconds, a person notices a second.
fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.0, 15))
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Metrics {
            registry: Registry::with_prefix("chanterelle"),
            connections: Gauge::default(),
            connections_refused: ByReason::default(),
            http_requests: Family::default(),
            http_seconds: seconds(),
            peers: Gauge::default(),
            sessions: Gauge::default(),
            relays: Gauge::default(),
            sessions_ended: ByReason::default(),
            frames: Family::default(),
            frame_bytes: Family::default(),
            events: Gauge::default(),
            events_stored: Counter::default(),
            events_rejected: ByReason::default(),
            commits: Counter::default(),
            commit_seconds: seconds(),
            ack_seconds: seconds(),
            storage_errors: ByReason::default(),
            reservations: Gauge::default(),
            circuits: Gauge::default(),
            circuits_opened: Counter::default(),
            circuits_denied: ByReason::default(),
            stun_answered: Counter::default(),
            stun_dropped: ByReason::default(),
            certificate_expiry: Gauge::default(),
            blobs: Gauge::default(),
            blob_bytes: Gauge::default(),
            uploads: ByReason::default(),
            upload_bytes: Counter::default(),
            media_refused: ByReason::default(),
            media_served_bytes: Counter::default(),
            renditions: Family::default(),
            media_disk_free: Gauge::default(),
        };
        metrics.register();
        metrics.register_media();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("connections", "Open TCP connections", self.connections.clone());
        registry.register(
            "connections_refused",
            "Connections refused before anything was read",
            self.connections_refused.clone(),
        );
        registry.register("http_requests", "HTTP requests answered", self.http_requests.clone());
        registry.register("http_request_seconds", "Time to answer", self.http_seconds.clone());
        registry.register("peers", "Established libp2p connections", self.peers.clone());
        registry.register("sessions", "Open session streams", self.sessions.clone());
        registry.register("relays", "Other relays with a session", self.relays.clone());
        registry.register("sessions_ended", "Sessions ended from this side", self.sessions_ended.clone());
        registry.register("frames", "Frames on sessions", self.frames.clone());
        registry.register("frame_bytes", "Bytes of frames on sessions", self.frame_bytes.clone());
        registry.register("events", "Events held", self.events.clone());
        registry.register("events_stored", "Events stored durably", self.events_stored.clone());
        registry.register("events_rejected", "Events refused", self.events_rejected.clone());
        registry.register("commits", "Transactions committed", self.commits.clone());
        registry.register("commit_seconds", "Time a transaction took", self.commit_seconds.clone());
        registry.register(
            "ack_seconds",
            "Time from the first event of a transaction to its durability",
            self.ack_seconds.clone(),
        );
        registry.register("storage_errors", "Storage operations that failed", self.storage_errors.clone());
        registry.register("reservations", "Circuit relay reservations held", self.reservations.clone());
        registry.register("circuits", "Circuits open", self.circuits.clone());
        registry.register("circuits_opened", "Circuits opened", self.circuits_opened.clone());
        registry.register(
            "circuits_denied",
            "Reservations and circuits denied",
            self.circuits_denied.clone(),
        );
        registry.register("stun_answered", "STUN requests answered", self.stun_answered.clone());
        registry.register(
            "stun_dropped",
            "Datagrams to the STUN server that got no answer",
            self.stun_dropped.clone(),
        );
        registry.register(
            "certificate_expiry_seconds",
            "When the TLS certificate in use ends, since 1970; zero while there is none",
            self.certificate_expiry.clone(),
        );
    }

    fn register_media(&mut self) {
        let registry = &mut self.registry;
        registry.register("blobs", "Files in the media store", self.blobs.clone());
        registry.register("blob_bytes", "Bytes of the files in the media store", self.blob_bytes.clone());
        registry.register("uploads", "Uploads, by what became of them", self.uploads.clone());
        registry.register("upload_bytes", "Bytes of uploads taken", self.upload_bytes.clone());
        registry.register("media_refused", "Files and uploads refused", self.media_refused.clone());
        registry.register(
            "media_served_bytes",
            "Bytes of files that were asked for",
            self.media_served_bytes.clone(),
        );
        registry.register("renditions", "Renditions of files, by how they stand", self.renditions.clone());
        registry.register(
            "disk_free_bytes",
            "Bytes free on the disk of the data folder",
            self.media_disk_free.clone(),
        );
    }

    /// Counts one frame of `bytes` bytes, `in` or `out`.
    pub fn frame(&self, direction: &'static str, bytes: usize) {
        let direction = Direction { direction };
        self.frames.get_or_create(&direction).inc();
        self.frame_bytes.get_or_create(&direction).inc_by(bytes as u64);
    }

    /// Takes over the node's totals of refused events.
    pub fn rejections(&self, totals: &BTreeMap<&'static str, u64>) {
        for (&reason, &total) in totals {
            let counter = self.events_rejected.get_or_create(&Reason { reason });
            let inner: &AtomicU64 = counter.inner();
            inner.store(total, Ordering::Relaxed);
        }
    }

    /// The text of `/metrics`.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)
            .expect("a string takes whatever is written");
        text
    }
}

/// Adds one to a counter told apart by reason.
pub fn count(counter: &ByReason, reason: &'static str) {
    counter.get_or_create(&Reason { reason }).inc();
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Metrics, count};

    #[test]
    fn what_is_counted_is_shown() {
        let metrics = Metrics::default();
        metrics.frame("in", 7);
        metrics.rejections(&BTreeMap::from([("signature", 3)]));
        metrics.rejections(&BTreeMap::from([("signature", 4)]));
        count(&metrics.connections_refused, "address");
        let text = metrics.encode();
        for line in [
            "chanterelle_frame_bytes_total{direction=\"in\"} 7",
            "chanterelle_events_rejected_total{reason=\"signature\"} 4",
            "chanterelle_connections_refused_total{reason=\"address\"} 1",
            "chanterelle_sessions 0",
        ] {
            assert!(text.contains(line), "{line} is missing from\n{text}");
        }
    }
}
