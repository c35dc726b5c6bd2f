//! The colour of a picture before it is there: the average that its ThumbHash begins with.
//!
//! Source: ThumbHash by Evan Wallace, `thumbHashToAverageRGBA` (github.com/evanw/thumbhash). The rest of the hash is not
//! drawn.

/// The average colour, as CSS has it. `None` of something too short to be a ThumbHash.
pub(super) fn average(hash: &[u8]) -> Option<String> {
    let &[a, b, c, _, _, d, ..] = hash else { return None };
    let part = |shift: u32| (u32::from_le_bytes([a, b, c, 0]) >> shift & 63) as f32;
    let (l, p, q) = (part(0) / 63.0, part(6) / 31.5 - 1.0, part(12) / 31.5 - 1.0);
    let alpha = if c & 0x80 == 0 { 15 } else { d & 15 };
    let blue = l - 2.0 / 3.0 * p;
    let red = (3.0 * l - blue + q) / 2.0;
    let green = red - q;
    // A cast keeps within the bounds of the type.
    let [red, green, blue] = [red, green, blue].map(|part| (part * 255.0) as u8);
    Some(format!("rgb({red} {green} {blue} / {}%)", u32::from(alpha) * 100 / 15))
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn gives_the_colour_that_its_inventor_gives() {
        // The first example of evanw.github.io/thumbhash: 1QcSHQRnh493V4dIh4eXh1h4kJUI.
        let sunrise = [0xd5, 0x07, 0x12, 0x1d, 0x04, 0x67, 0x87, 0x8f, 0x77];
        assert_eq!(average(&sunrise), Some("rgb(85 81 87 / 100%)".to_owned()));
        assert_eq!(average(&[0x3f, 0x08, 0x82, 0, 0, 0x0f]), Some("rgb(255 254 252 / 100%)".to_owned()));
        assert_eq!(average(&[1, 2, 3, 4, 5]), None);
    }
}
