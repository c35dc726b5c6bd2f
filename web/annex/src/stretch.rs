//! A key from a passphrase: Argon2id version 1.3 (RFC 9106) over the passphrase in UTF-8 and NFKC, with 16 bytes of
//! salt, no secret and no associated data, 32 bytes long.

use argon2::{Algorithm, Argon2, Error, Params, Version};
use zeroize::Zeroizing;

use crate::normal::nfkc;
use crate::question::{Cost, Key, StretchError};

/// Makes the key.
///
/// # Errors
/// When the passphrase is empty, the cost is none that this program would have stored, or memory is short.
pub fn stretch(passphrase: &str, salt: &[u8; 16], cost: &Cost) -> Result<Key, StretchError> {
    if passphrase.is_empty() {
        return Err(StretchError::EmptyPassphrase);
    }
    if !cost.is_bearable() {
        return Err(StretchError::Cost(*cost));
    }
    let mut key = Key([0; 32]);
    let parameters = Params::new(cost.memory, cost.passes, cost.lanes, Some(key.0.len()))
        .expect("what is bearable is within the bounds of Argon2");
    let passphrase = Zeroizing::new(nfkc(passphrase));
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters);
    match argon2.hash_password_into(passphrase.as_bytes(), salt, &mut key.0) {
        Ok(()) => Ok(key),
        Err(Error::OutOfMemory) => Err(StretchError::NoMemory),
        Err(error) => unreachable!("all lengths are those that Argon2 takes: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use argon2::{Algorithm, Argon2, AssociatedData, ParamsBuilder, Version};
    use data_encoding::HEXLOWER;

    use super::stretch;
    use crate::question::{Cost, StretchError};

    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const SALT: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

    fn hexadecimal(passphrase: &str, salt: &[u8; 16], memory: u32, passes: u32, lanes: u32) -> String {
        let key = stretch(passphrase, salt, &Cost { memory, passes, lanes });
        HEXLOWER.encode(&key.expect("the cost is bearable").0)
    }

    /// Computed by the reference implementation in C, through argon2-cffi:
    /// `hash_secret_raw(passphrase, salt, passes, memory, lanes, 32, Type.ID)`.
    #[test]
    fn keys_are_those_of_the_reference_implementation() {
        let Cost { memory, passes, lanes } = Cost::DEFAULT;
        assert_eq!(
            hexadecimal("password", &SALT, memory, passes, lanes),
            "def6fd068289b9a0cf1114f8e978a2c4dab6faef377d895b9c2d59fc93fc5653"
        );
        assert_eq!(
            hexadecimal("correct horse battery staple", &SALT, 8_192, 1, 1),
            "9aeef75313e585f492c33c5e12d82e9ad253b7dd78632d537e899cd4eddd789c"
        );
        assert_eq!(
            hexadecimal("password", &[255; 16], 8_192, 1, 4),
            "571d6ecca37384d72fb5e6f9397ff9bf75964d2775ef02d5d2ee33481b0416a7"
        );
    }

    #[test]
    fn a_passphrase_is_the_same_on_every_keyboard() {
        let composed = "709449a701ea8e94f6426a4b69462c8526b5daa45c58dfc864e9331e5d4dafc1";
        for typed in ["\u{e9}tude 12", "e\u{301}tude 12", "\u{e9}tude \u{ff11}\u{ff12}"] {
            assert_eq!(hexadecimal(typed, &SALT, 8_192, 2, 1), composed, "{typed}");
        }
        assert_ne!(hexadecimal("\u{c9}tude 12", &SALT, 8_192, 2, 1), composed, "case counts");
        assert_ne!(hexadecimal(" \u{e9}tude 12", &SALT, 8_192, 2, 1), composed, "spaces count");
    }

    /// RFC 9106, section 5.3. It has a secret and associated data, which we have not, so it is the library's.
    #[test]
    fn the_vector_of_the_standard_holds() {
        let mut parameters = ParamsBuilder::new();
        let data = AssociatedData::new(&[4; 12]).expect("a short text");
        parameters.m_cost(32).t_cost(3).p_cost(4).data(data);
        let parameters = parameters.build().expect("the parameters of the standard");
        let argon2 = Argon2::new_with_secret(&[3; 8], Algorithm::Argon2id, Version::V0x13, parameters);
        let mut tag = [0; 32];
        let hashed = argon2.expect("a short secret").hash_password_into(&[1; 32], &[2; 16], &mut tag);
        hashed.expect("lengths of the standard");
        assert_eq!(HEXLOWER.encode(&tag), "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659");
    }

    #[test]
    fn what_was_never_stored_is_refused() {
        let most = Cost::MOST;
        for cost in [
            Cost { memory: most.memory + 1, ..Cost::DEFAULT },
            Cost { passes: most.passes + 1, ..Cost::DEFAULT },
            Cost { lanes: most.lanes + 1, ..Cost::DEFAULT },
            Cost { memory: Cost::LEAST.memory - 1, ..Cost::DEFAULT },
            Cost { memory: 0, passes: 0, lanes: 0 },
            Cost { memory: u32::MAX, passes: u32::MAX, lanes: u32::MAX },
        ] {
            assert_eq!(stretch("password", &SALT, &cost), Err(StretchError::Cost(cost)));
        }
        assert!(Cost::DEFAULT.is_bearable() && Cost::LEAST.is_bearable() && Cost::MOST.is_bearable());
    }

    #[test]
    fn nothing_is_no_passphrase() {
        assert_eq!(stretch("", &SALT, &Cost::DEFAULT), Err(StretchError::EmptyPassphrase));
    }
}
