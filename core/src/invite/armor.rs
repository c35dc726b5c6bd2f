//! Signed bytes as text that people pass on: bech32m (BIP 350) over the pair of unsigned bytes and signature that events
//! are, too. So nothing is encoded again to verify, and nothing can stand in a code that its signature does not cover.

use bech32::primitives::decode::CheckedHrpstring;
use bech32::{Bech32m, Hrp};
use serde::{Deserialize, Serialize};
use serde_bytes::{ByteArray, Bytes};

use crate::event::check_canonical;

/// The longest code, bytes before they are made text. Their text is below the 1,023 characters up to which bech32m
/// finds damage, and fits into a QR code that a phone can read.
pub const CODE_BYTES: usize = 600;

/// Why a text holds no signed bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ArmorError {
    /// It begins otherwise.
    Foreign,
    /// Longer than any code.
    TooLong,
    /// Its checksum does not fit.
    Damaged,
    /// Whole, but no pair of unsigned bytes and signature.
    Form,
}

#[derive(Serialize, Deserialize)]
struct Pair<'a>(#[serde(borrow)] &'a Bytes, ByteArray<64>);

/// The text; `None` when there are more bytes than [`CODE_BYTES`].
pub(super) fn encode(prefix: &str, unsigned: &[u8], signature: [u8; 64]) -> Option<String> {
    let pair = Pair(Bytes::new(unsigned), ByteArray::new(signature));
    let bytes = serde_ipld_dagcbor::to_vec(&pair).expect("two byte strings encode");
    let prefix = Hrp::parse(prefix).expect("prefixes are plain letters");
    let text = || bech32::encode::<Bech32m>(prefix, &bytes).expect("few enough bytes");
    (bytes.len() <= CODE_BYTES).then(text)
}

/// The unsigned bytes and the signature, in lower or upper case. White space around the text is not looked at. What is
/// given back is neither verified nor looked into.
pub(super) fn decode(prefix: &str, text: &str) -> Result<(Vec<u8>, [u8; 64]), ArmorError> {
    let text = text.trim();
    let rest = text.get(..prefix.len()).filter(|start| start.eq_ignore_ascii_case(prefix));
    if rest.is_none() || text.as_bytes().get(prefix.len()) != Some(&b'1') {
        return Err(ArmorError::Foreign);
    }
    // Five bits a character, and six characters of checksum.
    if text.len() > prefix.len() + 1 + (CODE_BYTES * 8).div_ceil(5) + 6 {
        return Err(ArmorError::TooLong);
    }
    let data = CheckedHrpstring::new::<Bech32m>(text).map_err(|_| ArmorError::Damaged)?;
    // The last 1 is the one that separates: another prefix may begin as ours does and hold one.
    if !data.hrp().as_str().eq_ignore_ascii_case(prefix) {
        return Err(ArmorError::Foreign);
    }
    data.validate_segwit_padding().map_err(|_| ArmorError::Form)?;
    let bytes: Vec<u8> = data.byte_iter().collect();
    if bytes.len() > CODE_BYTES {
        return Err(ArmorError::TooLong);
    }
    check_canonical(&bytes, 1, 1).map_err(|_| ArmorError::Form)?;
    let Pair(unsigned, signature) = serde_ipld_dagcbor::from_slice(&bytes).map_err(|_| ArmorError::Form)?;
    Ok((unsigned.to_vec(), signature.into_array()))
}
