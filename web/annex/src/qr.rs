//! A text as a QR code (ISO/IEC 18004), as small as it goes, because a phone has to read it from a screen.
//!
//! A friend code is the fragment of a URL, in bech32, which may be written in capitals as well (BIP-350). Capitals take
//! 5.5 bits in a QR code and small letters 8; so the fragment is put in capitals and the rest of the URL, where case
//! counts, stays as it is, in a segment of its own. A code of 600 bytes has then 101 modules to a side instead of
//! 121.

use qrcode::bits::Bits;
use qrcode::{Color, EcLevel, QrCode, Version};

use crate::question::{DrawError, Matrix};

/// From the best that is wanted down to what fits: a seventh of the code may be dirty or covered, or a fourteenth. More
/// would make the modules smaller, which costs a camera more than a reflection does.
const LEVELS: [EcLevel; 2] = [EcLevel::M, EcLevel::L];

/// Draws the text.
///
/// # Errors
/// When it is longer than any code has room for: 2,953 bytes, or about 4,200 characters of bech32.
pub fn draw(text: &str) -> Result<Matrix, DrawError> {
    let code = LEVELS.iter().find_map(|level| match split(text) {
        Some((url, code)) => in_two_segments(url, &code.to_ascii_uppercase(), *level),
        None => QrCode::with_error_correction_level(text, *level).ok(),
    });
    let code = code.ok_or(DrawError::TooLong)?;
    let side = u8::try_from(code.width()).expect("a code has at most 177 modules to a side");
    let modules = code.to_colors().into_iter().map(|color| u8::from(color == Color::Dark)).collect();
    Ok(Matrix { side, modules })
}

/// The smallest code for the two, if there is one. The library's own division into segments has no room for long ones.
fn in_two_segments(url: &str, code: &str, level: EcLevel) -> Option<QrCode> {
    (1..=40).find_map(|version| {
        let mut bits = Bits::new(Version::Normal(version));
        bits.push_byte_data(url.as_bytes()).ok()?;
        bits.push_alphanumeric_data(code.as_bytes()).ok()?;
        bits.push_terminator(level).ok()?;
        QrCode::with_bits(bits, level).ok()
    })
}

/// The text up to and with its `#`, and the bech32 behind that, if there is such.
fn split(text: &str) -> Option<(&str, &str)> {
    let (url, code) = text.split_at(text.find('#')? + 1);
    is_bech32(code).then_some((url, code))
}

/// Whether this looks like bech32 (BIP-173): a name, a `1`, and characters that all have capitals or are digits. Whether its
/// checksum holds does not matter here.
fn is_bech32(text: &str) -> bool {
    text.split_once('1').is_some_and(|(name, data)| {
        !name.is_empty()
            && data.len() >= 6
            && name.bytes().all(|byte| byte.is_ascii_lowercase())
            && data.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use qrcode::{EcLevel, QrCode};

    use super::{draw, split};
    use crate::question::DrawError;
    use crate::scan::tests::{Scene, read};

    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// 966 characters are 600 bytes and the checksum.
    fn friend_code(length: usize) -> String {
        let letters = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
        let code: String = letters.chars().cycle().step_by(7).take(length).collect();
        format!("https://relay.example.org/f#chan1{code}")
    }

    #[test]
    fn what_is_drawn_is_read() {
        for text in ["https://relay.example/b/mushrooms", "1", "Grüße an alle\n\u{1f344}", &"x".repeat(1_100)]
        {
            let code = draw(text).expect("the text is short");
            assert_eq!(read(&Scene::of(&code, 4)).as_deref(), Ok(text));
        }
    }

    #[test]
    fn the_fragment_alone_is_put_in_capitals() {
        let code = draw("https://a.example/f#chan1qpzry9x8").expect("the text is short");
        assert_eq!(read(&Scene::of(&code, 4)).as_deref(), Ok("https://a.example/f#CHAN1QPZRY9X8"));
        for text in [
            "https://a.example/f#Chan1qpzry9x8",
            "https://a.example/f#top",
            "https://a.example/f#p1234-567",
            "https://a.example/chan1qpzry9x8",
            "#1qpzry9x8",
            "",
        ] {
            assert_eq!(split(text), None, "{text}");
        }
    }

    #[test]
    fn a_friend_code_is_as_small_as_it_goes() {
        let text = friend_code(966);
        let code = draw(&text).expect("the text is short");
        let (url, fragment) = split(&text).expect("it is a friend code");
        assert_eq!(read(&Scene::of(&code, 4)), Ok(format!("{url}{}", fragment.to_ascii_uppercase())));
        let plain = QrCode::with_error_correction_level(&text, EcLevel::M).expect("the text is short");
        assert_eq!((code.side, plain.width()), (101, 121));
    }

    #[test]
    fn less_is_corrected_before_nothing_is_drawn() {
        let text = "x".repeat(2_600);
        let code = draw(&text).expect("level L has room for 2,953 bytes");
        assert_eq!(code.side, 169);
        assert_eq!(read(&Scene::of(&code, 4)), Ok(text));
        assert_eq!(draw(&"x".repeat(2_954)), Err(DrawError::TooLong));
        assert!(draw(&friend_code(4_100)).is_ok(), "capitals take less");
    }

    #[test]
    fn beyond_its_sides_everything_is_light() {
        let code = draw("1").expect("the text is short");
        assert_eq!(code.side, 21);
        assert!(
            code.is_dark(0, 0) && !code.is_dark(21, 0) && !code.is_dark(0, 21) && !code.is_dark(255, 255)
        );
    }
}
