//! What the simulator sees of a frame without decoding it: its name, the events or the ids in it.
//!
//! Every frame of a run is looked at, so this costs a walk over a few heads and no allocation, unless the frame is
//! compressed. Frames are those of [`crate::wire`], plain or deflated DAG-CBOR; what is anything else, as liars send, has no
//! name and nothing in it. Judges nothing: that is the node's business.

use core::fmt;
use std::borrow::Cow;

use miniz_oxide::inflate::decompress_to_vec_with_limit;

use crate::base::Limits;

/// A frame that was looked into.
pub(super) struct Peek<'a> {
    /// The map behind the frame's name, and the name.
    body: Option<(Cow<'a, str>, Cow<'a, [u8]>)>,
}

/// The name of a frame, as much of it as tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name([u8; 12]);

impl Name {
    pub(super) fn of(name: &str) -> Name {
        let mut bytes = [0; 12];
        bytes.iter_mut().zip(name.bytes()).for_each(|(to, from)| *to = from);
        Name(bytes)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().filter(|byte| **byte != 0).try_for_each(|byte| write!(f, "{}", byte.escape_ascii()))
    }
}

/// Names an event by the first half of its signature: cheaper than hashing it, and no two honest events share one.
pub(super) type Mark = u64;

impl<'a> Peek<'a> {
    pub(super) fn at(frame: &'a [u8], limits: &Limits) -> Peek<'a> {
        let body = match frame.split_first() {
            Some((0, plain)) => named(plain).map(|(name, body)| (Cow::Borrowed(name), Cow::Borrowed(body))),
            Some((1, packed)) => {
                decompress_to_vec_with_limit(packed, limits.frame_inflated_bytes).ok().and_then(|plain| {
                    let (name, body) = named(&plain)?;
                    Some((Cow::Owned(name.to_owned()), Cow::Owned(body.to_vec())))
                })
            }
            _ => None,
        };
        Peek { body }
    }

    /// The frame's name; none for what is no frame.
    pub(super) fn name(&self) -> Option<Name> {
        self.body.as_ref().map(|(name, _)| Name::of(name))
    }

    /// Calls `each` with every event of a frame of events, as it is stored.
    pub(super) fn events(&self, mut each: impl FnMut(&[u8])) {
        self.items("events", "events", &mut each);
    }

    /// Calls `each` with every id of a frame of acknowledgements.
    pub(super) fn acks(&self, mut each: impl FnMut([u8; 32])) {
        self.items("ack", "ids", &mut |bytes| {
            if let Ok(id) = bytes.try_into() {
                each(id);
            }
        });
    }

    fn items(&self, frame: &str, key: &str, each: &mut dyn FnMut(&[u8])) {
        let Some((name, body)) = &self.body else { return };
        if name != frame {
            return;
        }
        let Some(mut rest) = field(body, key) else { return };
        let Some((ARRAY, count)) = head(&mut rest) else { return };
        for _ in 0..count {
            let Some(item) = bytes(&mut rest) else { return };
            each(item);
        }
    }
}

/// The mark of an event as it is stored, `[unsigned, signature]`; none for what is too short to be one.
pub(super) fn mark(event: &[u8]) -> Option<Mark> {
    let signature = event.last_chunk::<64>()?;
    signature.first_chunk::<8>().map(|first| u64::from_le_bytes(*first))
}

const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;

/// The one name of a frame, and what stands under it.
fn named(mut frame: &[u8]) -> Option<(&str, &[u8])> {
    (head(&mut frame)? == (MAP, 1)).then_some(())?;
    let name = text(&mut frame)?;
    Some((name, frame))
}

/// What stands under a key of a map.
fn field<'a>(mut map: &'a [u8], key: &str) -> Option<&'a [u8]> {
    let (MAP, count) = head(&mut map)? else { return None };
    for _ in 0..count {
        if text(&mut map)? == key {
            return Some(map);
        }
        skip(&mut map, 8)?;
    }
    None
}

/// The major type and the number at the head of the next item.
fn head(rest: &mut &[u8]) -> Option<(u8, u64)> {
    let (&first, mut after) = rest.split_first()?;
    let (major, low) = (first >> 5, first & 0x1f);
    let width = match low {
        0..=23 => 0,
        24..=27 => 1 << (low - 24),
        _ => return None,
    };
    let mut value = if width == 0 { u64::from(low) } else { 0 };
    let (digits, behind) = after.split_at_checked(width)?;
    digits.iter().for_each(|digit| value = value << 8 | u64::from(*digit));
    after = behind;
    *rest = after;
    Some((major, value))
}

fn string<'a>(rest: &mut &'a [u8], wanted: u8) -> Option<&'a [u8]> {
    let (major, length) = head(rest)?;
    let (item, behind) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    *rest = behind;
    (major == wanted).then_some(item)
}

fn bytes<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    string(rest, BYTES)
}

fn text<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    string(rest, TEXT).and_then(|text| core::str::from_utf8(text).ok())
}

/// Passes over one item, nested at most `depth` deep.
fn skip(rest: &mut &[u8], depth: usize) -> Option<()> {
    let depth = depth.checked_sub(1)?;
    let (major, value) = head(rest)?;
    match major {
        BYTES | TEXT => *rest = rest.split_at_checked(usize::try_from(value).ok()?)?.1,
        ARRAY => (0..value).try_for_each(|_| skip(rest, depth))?,
        MAP => (0..value).try_for_each(|_| skip(rest, depth).and_then(|()| skip(rest, depth)))?,
        _ => {}
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use serde_bytes::ByteBuf;

    use super::*;
    use crate::base::EventId;
    use crate::wire::Frame;

    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn looked(frame: &Frame) -> (Option<String>, Vec<Vec<u8>>, Vec<[u8; 32]>) {
        let limits = Limits::default();
        let bytes = frame.encode(&limits);
        let peek = Peek::at(&bytes, &limits);
        let (mut events, mut acks) = (Vec::new(), Vec::new());
        peek.events(|event| events.push(event.to_vec()));
        peek.acks(|id| acks.push(id));
        (peek.name().map(|name| name.to_string()), events, acks)
    }

    #[test]
    fn sees_what_the_decoder_sees() {
        for size in [70, 300, 3_000] {
            let events = vec![ByteBuf::from(vec![7; size]), ByteBuf::from(vec![8; 64])];
            let (name, found, acks) = looked(&Frame::Events { n: 70_000, events: events.clone() });
            assert_eq!((name.as_deref(), acks.len()), (Some("events"), 0));
            assert_eq!(found, events.into_iter().map(ByteBuf::into_vec).collect::<Vec<_>>());
        }
        let (name, events, acks) = looked(&Frame::Ack { ids: vec![EventId([3; 32]); 60] });
        assert_eq!((name.as_deref(), events.len(), acks), (Some("ack"), 0, vec![[3; 32]; 60]));
        assert_eq!(looked(&Frame::Credit { frames: 7 }).0.as_deref(), Some("credit"));
    }

    #[test]
    fn what_is_no_frame_has_nothing_in_it() {
        let limits = Limits::default();
        let good = Frame::Events { n: 1, events: vec![ByteBuf::from(vec![7; 90])] }.encode(&limits);
        for end in 0..good.len() {
            Peek::at(&good[..end], &limits).events(|_| panic!("a whole event in a part of a frame"));
        }
        for frame in [&[][..], &[0], &[1, 2, 3], &[2, 0xa1], &[0, 0xa1, 0x63, 0xff, 0xff, 0xff, 0xa0]] {
            assert_eq!(Peek::at(frame, &limits).name(), None);
        }
        let endless = [&[0, 0xa1, 0x63], &b"ack"[..], &[0xa1, 0x63], b"ids", &[0x9b], &[0xff; 8]].concat();
        Peek::at(&endless, &limits).acks(|_| panic!("an id that is not there"));
    }
}
