//! Which spans of which scopes are being reconciled with whom, so that what is missing in them is fetched from one
//! peer.
//!
//! A claim ends by time, or when whoever made it is done: a peer that brings nothing holds up others no longer than
//! that.

use super::span::Span;
use crate::base::{BoxMap, Instant, PeerId};
use crate::wire::Scope;

/// Claims there are at a time. What finds no room is not claimed, and may be fetched twice.
const MAX_CLAIMS: usize = 4_096;

#[derive(Clone, Copy, Debug)]
struct Claim {
    span: Span,
    peer: PeerId,
    until: Instant,
}

/// The claims of one node.
#[derive(Debug, Default)]
pub struct Claims {
    scopes: BoxMap<Scope, Vec<Claim>>,
    count: usize,
}

impl Claims {
    /// Without any.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether nobody but `peer` is asked for what is in this span.
    #[must_use]
    pub fn is_free(&self, scope: &Scope, span: &Span, peer: &PeerId, now: Instant) -> bool {
        let is_taken = |claim: &Claim| claim.peer != *peer && claim.until > now && claim.span.meets(span);
        !self.scopes.get(scope).is_some_and(|claims| claims.iter().any(is_taken))
    }

    /// Claims these spans for `peer` instead of those it had of this scope.
    pub fn claim(&mut self, scope: Scope, spans: &[Span], peer: PeerId, until: Instant) {
        self.release(&scope, &peer);
        let spans = &spans[..spans.len().min(MAX_CLAIMS - self.count)];
        if !spans.is_empty() {
            self.count += spans.len();
            let claims = spans.iter().map(|span| Claim { span: *span, peer, until });
            self.scopes.get_or_insert_with(scope, Vec::new).extend(claims);
        }
    }

    /// Ends the claims of `peer` in a scope.
    pub fn release(&mut self, scope: &Scope, peer: &PeerId) {
        if let Some(claims) = self.scopes.get_mut(scope) {
            let before = claims.len();
            claims.retain(|claim| claim.peer != *peer);
            self.count -= before - claims.len();
            if claims.is_empty() {
                self.scopes.remove(scope);
            }
        }
    }

    /// Ends all claims of a peer that is gone, and all whose time is over.
    pub fn forget(&mut self, peer: Option<&PeerId>, now: Instant) {
        let mut count = 0;
        self.scopes.retain(|_, claims| {
            claims.retain(|claim| Some(&claim.peer) != peer && claim.until > now);
            count += claims.len();
            !claims.is_empty()
        });
        self.count = count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{BoardId, Day};
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const A: PeerId = PeerId([1; 32]);
    const B: PeerId = PeerId([2; 32]);

    fn scope(n: u8) -> Scope {
        Scope::Board(BoardId([n; 32]))
    }

    fn span(from: u32, to: u32) -> Span {
        Span { from: Day(from), to: Day(to) }
    }

    #[test]
    fn a_span_is_left_to_one_peer_until_it_is_done_or_late() {
        let mut claims = Claims::new();
        claims.claim(scope(1), &[span(0, 15), span(16, 16)], A, Instant(100));
        let free = |claims: &Claims, peer, span, now| claims.is_free(&scope(1), &span, peer, Instant(now));
        assert!(!free(&claims, &B, span(16, 16), 99));
        assert!(!free(&claims, &B, span(15, 40), 99), "spans are cut anew each day");
        assert!(free(&claims, &B, span(17, 17), 99) && free(&claims, &A, span(16, 16), 99));
        assert!(claims.is_free(&scope(2), &span(16, 16), &B, Instant(99)), "another scope");
        assert!(free(&claims, &B, span(16, 16), 100), "its time is over");
        claims.claim(scope(1), &[span(16, 16)], A, Instant(100));
        assert!(free(&claims, &B, span(0, 15), 50), "claimed no longer");
        claims.release(&scope(1), &A);
        assert!(free(&claims, &B, span(16, 16), 50));
        assert_eq!(claims.count, 0);
    }

    #[test]
    fn who_is_gone_holds_up_nobody() {
        let mut claims = Claims::new();
        claims.claim(scope(1), &[span(1, 1)], A, Instant(100));
        claims.claim(scope(1), &[span(2, 2)], B, Instant(50));
        claims.claim(scope(2), &[span(1, 1)], B, Instant(100));
        claims.forget(Some(&A), Instant(0));
        assert_eq!(claims.count, 2);
        claims.forget(None, Instant(50));
        assert_eq!((claims.count, claims.scopes.len()), (1, 1));
    }

    #[test]
    fn claims_are_bounded() {
        let mut claims = Claims::new();
        let spans: Vec<Span> = (0..100).map(|day| span(day, day)).collect();
        for n in 0..100 {
            claims.claim(scope(n), &spans, A, Instant(100));
        }
        assert_eq!(claims.count, MAX_CLAIMS);
        assert!(claims.is_free(&scope(99), &spans[0], &B, Instant(0)), "there was no room");
        claims.forget(Some(&A), Instant(0));
        assert_eq!(claims.count, 0);
    }
}
