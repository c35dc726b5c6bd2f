//! The one shape that both protocols' messages have: an enumeration in field 1, bytes or text in field 2 (Protocol
//! Buffers, "Encoding"). Fields that are not known are skipped, and of one that comes twice the last counts, as there.

use std::ops::Range;

/// A varint of 64 bits.
const VARINT_BYTES: usize = 10;

const ENUMERATION: u64 = 1 << 3;
const DATA: u64 = 2 << 3 | 2;

/// Bytes that are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("these bytes are not a Protocol Buffers message")]
pub(crate) struct Malformed;

/// What a message says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) enumeration: Option<u64>,
    /// Where the data are in the bytes that were read.
    pub(crate) data: Option<Range<usize>>,
}

impl Message {
    /// Reads a whole message.
    pub(crate) fn read(bytes: &[u8]) -> Result<Message, Malformed> {
        let mut message = Message::default();
        let mut at = 0;
        while at < bytes.len() {
            match varint(bytes, &mut at)? {
                ENUMERATION => message.enumeration = Some(varint(bytes, &mut at)?),
                DATA => message.data = Some(delimited(bytes, &mut at)?),
                key => skip(key, bytes, &mut at)?,
            }
        }
        Ok(message)
    }
}

/// Writes a message, its length before it.
pub(crate) fn write(enumeration: Option<u64>, data: Option<&[u8]>) -> Vec<u8> {
    let data_bytes = data.map_or(0, |data| 1 + varint_bytes(data.len() as u64) + data.len());
    let enumeration_bytes = enumeration.map_or(0, |value| 1 + varint_bytes(value));
    let length = (enumeration_bytes + data_bytes) as u64;
    let mut bytes = Vec::with_capacity(varint_bytes(length) + enumeration_bytes + data_bytes);
    put_varint(&mut bytes, length);
    if let Some(value) = enumeration {
        put_varint(&mut bytes, ENUMERATION);
        put_varint(&mut bytes, value);
    }
    if let Some(data) = data {
        put_varint(&mut bytes, DATA);
        put_varint(&mut bytes, data.len() as u64);
        bytes.extend_from_slice(data);
    }
    bytes
}

/// A length at the front, as multiformats' unsigned varint has it, once it is there whole.
///
/// # Errors
/// When it is longer than `limit` allows, or is none.
pub(crate) fn length(bytes: &[u8], limit: usize) -> Result<Option<(usize, usize)>, Malformed> {
    let mut at = 0;
    match varint(bytes, &mut at) {
        Ok(length) if length <= limit as u64 => Ok(Some((length as usize, at))),
        Ok(_) => Err(Malformed),
        // A limit never needs as many bytes as a varint may have.
        Err(Malformed) if bytes.len() < varint_bytes(limit as u64) => Ok(None),
        Err(Malformed) => Err(Malformed),
    }
}

fn skip(key: u64, bytes: &[u8], at: &mut usize) -> Result<(), Malformed> {
    if key >> 3 == 0 {
        return Err(Malformed);
    }
    let passed = match key & 7 {
        0 => return varint(bytes, at).map(drop),
        1 => 8,
        2 => return delimited(bytes, at).map(drop),
        5 => 4,
        _ => return Err(Malformed),
    };
    *at += passed;
    if *at > bytes.len() { Err(Malformed) } else { Ok(()) }
}

fn delimited(bytes: &[u8], at: &mut usize) -> Result<Range<usize>, Malformed> {
    let length = varint(bytes, at)?;
    if length > (bytes.len() - *at) as u64 {
        return Err(Malformed);
    }
    let begin = *at;
    *at += length as usize;
    Ok(begin..*at)
}

fn varint(bytes: &[u8], at: &mut usize) -> Result<u64, Malformed> {
    let mut value = 0;
    for (index, byte) in bytes[*at..].iter().take(VARINT_BYTES).enumerate() {
        let bits = u64::from(byte & 0x7f);
        if index == VARINT_BYTES - 1 && bits > 1 {
            return Err(Malformed);
        }
        value |= bits << (7 * index);
        if byte & 0x80 == 0 {
            *at += index + 1;
            return Ok(value);
        }
    }
    Err(Malformed)
}

fn varint_bytes(value: u64) -> usize {
    (64 - value.leading_zeros()).max(1).div_ceil(7) as usize
}

fn put_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Malformed, Message, length, write};

    fn read(bytes: &[u8]) -> Result<(Option<u64>, Option<&[u8]>), Malformed> {
        Message::read(bytes).map(|message| (message.enumeration, message.data.map(|data| &bytes[data])))
    }

    #[test]
    fn what_is_written_is_what_others_write() {
        // protoc --encode of `flag: FIN` and of `flag: FIN_ACK, message: "hi"`, each behind its length.
        assert_eq!(write(Some(0), None), [2, 0x08, 0]);
        assert_eq!(write(Some(3), Some(b"hi")), [6, 0x08, 3, 0x12, 2, b'h', b'i']);
        assert_eq!(write(None, None), [0]);
    }

    #[test]
    fn fields_that_are_not_known_are_skipped() {
        let bytes =
            [0x18, 0x96, 0x01, 0x25, 1, 2, 3, 4, 0x29, 1, 2, 3, 4, 5, 6, 7, 8, 0x32, 1, 9, 0x08, 1, 0x12, 0];
        assert_eq!(read(&bytes), Ok((Some(1), Some(&[][..]))));
        assert_eq!(read(&[0x08, 1, 0x08, 2]), Ok((Some(2), None)), "the last counts");
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for bytes in [
            &[0x08][..],
            &[0x12, 5, 1],
            &[0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
            &[0x13],
            &[0x00, 1],
            &[0x0d, 1, 2],
            &[0x80],
            &[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2],
        ] {
            assert_eq!(read(bytes), Err(Malformed), "{bytes:?}");
        }
    }

    #[test]
    fn a_length_is_refused_before_it_is_all_there() {
        assert_eq!(length(&[], 300), Ok(None));
        assert_eq!(length(&[0xac], 300), Ok(None));
        assert_eq!(length(&[0xac, 2, 9], 300), Ok(Some((300, 2))));
        assert_eq!(length(&[0xad, 2], 300), Err(Malformed));
        assert_eq!(length(&[0xff, 0xff], 300), Err(Malformed));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(value in any::<Option<u64>>(), data in any::<Option<Vec<u8>>>()) {
            let bytes = write(value, data.as_deref());
            let (length, at) = length(&bytes, bytes.len()).expect("a length").expect("it is whole");
            prop_assert_eq!(length, bytes.len() - at);
            prop_assert_eq!(read(&bytes[at..]), Ok((value, data.as_deref())));
        }

        #[test]
        fn no_bytes_do_harm(bytes: Vec<u8>) {
            let _ = Message::read(&bytes);
            let _ = length(&bytes, 16_384);
        }
    }
}
