//! The negentropy exchange of one node with all its peers.
//!
//! Sealed vectors are cached per scope until the scope changes: a relay answers many tabs about the same boards.

use negentropy::{Id, Negentropy, NegentropyStorageVector};

use super::scope::{events_in, revision, size_of};
use crate::base::{BoxMap, EventId, PeerId, Seconds};
use crate::store::Index;
use crate::wire::Scope;

/// What a finished or continuing reconciliation has shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// The next message, `None` when done.
    pub next: Option<Vec<u8>>,
    /// Events only this side has.
    pub have: Vec<EventId>,
    /// Events only the other side has.
    pub need: Vec<EventId>,
}

/// Why a message cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SyncError {
    /// Not a negentropy message of version 1, or not an answer to what was asked.
    #[error("the reconciliation message cannot be read")]
    Message,
    /// An answer to nothing that was asked.
    #[error("nobody asked for this reconciliation")]
    UnknownCall,
    /// More steps than an honest peer can need.
    #[error("the reconciliation does not end")]
    Endless,
}

/// Steps after which a reconciliation is given up: at 64 KiB a step, more than a million identifiers.
const MAX_STEPS: u32 = 1_024;

/// Large scopes whose sealed vectors are kept.
const CACHED: usize = 16;

/// Scopes of fewer events are gathered anew each time, so that asking for many of them displaces no large one.
const LARGE: usize = 1_024;

struct Call {
    peer: PeerId,
    scope: Scope,
    steps: u32,
}

struct Sealed {
    revision: u64,
    used: u64,
    storage: NegentropyStorageVector,
}

/// Reconciliations under way and the vectors they run on.
pub struct Reconciler {
    message_bytes: u64,
    calls: BoxMap<u64, Call>,
    next_call: u64,
    sealed: BoxMap<Scope, Sealed>,
    /// The last small scope.
    small: NegentropyStorageVector,
    clock: u64,
}

impl Reconciler {
    /// Messages are kept below `message_bytes` (at least 4,096).
    #[must_use]
    pub fn new(message_bytes: u64) -> Self {
        Self {
            message_bytes,
            calls: BoxMap::new(),
            next_call: 1,
            sealed: BoxMap::new(),
            small: NegentropyStorageVector::new(),
            clock: 0,
        }
    }

    /// Begins a reconciliation of `scope` with `peer`: its number and first message.
    pub fn begin(&mut self, index: &Index, peer: PeerId, scope: Scope) -> (u64, Vec<u8>) {
        let call = self.next_call;
        self.next_call += 1;
        self.calls.insert(call, Call { peer, scope, steps: 0 });
        let limit = self.message_bytes;
        let storage = self.sealed(index, scope);
        let mut exchange =
            Negentropy::borrowed(storage, limit).expect("the limit is above the crate's least");
        let message = exchange.initiate().expect("a sealed vector can be read");
        (call, message)
    }

    /// The answer of the side that did not begin. Keeps nothing.
    ///
    /// # Errors
    /// When the message is not one of negentropy's.
    pub fn answer(&mut self, index: &Index, scope: Scope, message: &[u8]) -> Result<Vec<u8>, SyncError> {
        let limit = self.message_bytes;
        let storage = self.sealed(index, scope);
        let mut exchange =
            Negentropy::borrowed(storage, limit).expect("the limit is above the crate's least");
        exchange.reconcile(message).map_err(|_| SyncError::Message)
    }

    /// Goes on with an answer from `peer`. The scope is told beside the difference; when there is no next message
    /// the reconciliation is over and forgotten.
    ///
    /// # Errors
    /// When the answer is to nothing that was asked of this peer, is unreadable, or is one too many. The
    /// reconciliation is then forgotten.
    pub fn resume(
        &mut self,
        index: &Index,
        peer: PeerId,
        call: u64,
        message: &[u8],
    ) -> Result<(Scope, Difference), SyncError> {
        let state =
            self.calls.get_mut(&call).filter(|state| state.peer == peer).ok_or(SyncError::UnknownCall)?;
        state.steps += 1;
        let (scope, steps) = (state.scope, state.steps);
        let result =
            if steps > MAX_STEPS { Err(SyncError::Endless) } else { self.step(index, scope, message) };
        if !matches!(&result, Ok(Difference { next: Some(_), .. })) {
            self.calls.remove(&call);
        }
        result.map(|difference| (scope, difference))
    }

    /// Forgets a reconciliation that got no answer.
    pub fn abandon(&mut self, call: u64) {
        self.calls.remove(&call);
    }

    fn step(&mut self, index: &Index, scope: Scope, message: &[u8]) -> Result<Difference, SyncError> {
        let limit = self.message_bytes;
        let storage = self.sealed(index, scope);
        let mut exchange =
            Negentropy::borrowed(storage, limit).expect("the limit is above the crate's least");
        exchange.set_initiator();
        let (mut have, mut need) = (Vec::new(), Vec::new());
        let next =
            exchange.reconcile_with_ids(message, &mut have, &mut need).map_err(|_| SyncError::Message)?;
        let ids = |ids: Vec<Id>| ids.iter().map(|id| EventId(**id)).collect();
        Ok(Difference { next, have: ids(have), need: ids(need) })
    }

    fn sealed(&mut self, index: &Index, scope: Scope) -> &NegentropyStorageVector {
        if size_of(index, scope) < LARGE {
            self.small = seal(events_in(index, scope).1);
            return &self.small;
        }
        self.clock += 1;
        let stale = self.sealed.get(&scope).is_none_or(|sealed| sealed.revision != revision(index, scope));
        if stale {
            let (revision, events) = events_in(index, scope);
            let storage = seal(events);
            self.sealed.insert(scope, Sealed { revision, used: self.clock, storage });
            if self.sealed.len() > CACHED {
                let oldest =
                    self.sealed.iter().min_by_key(|(_, sealed)| sealed.used).map(|(scope, _)| *scope);
                oldest.map(|scope| self.sealed.remove(&scope));
            }
        }
        let sealed = self.sealed.get_mut(&scope).expect("sealed above");
        sealed.used = self.clock;
        &sealed.storage
    }
}

fn seal(events: Vec<(Seconds, EventId)>) -> NegentropyStorageVector {
    let mut storage = NegentropyStorageVector::with_capacity(events.len());
    for (time, id) in events {
        storage.insert(time.0, Id::from_byte_array(id.0)).expect("the vector is not sealed yet");
    }
    storage.seal().expect("the index has no event twice");
    storage
}

impl core::fmt::Debug for Reconciler {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Reconciler").field("calls", &self.calls.len()).finish_non_exhaustive()
    }
}
