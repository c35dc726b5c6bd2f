//! The name of a file as it is shown and saved. It is somebody else's text: nothing in it may look like another name.

/// A name that can be shown in one line and saved under. Characters that break a line, turn the direction of the text or
/// cannot be seen are left out; without anything left it is called after what it is.
pub(crate) fn plain_name(name: Option<&str>, mime: &str) -> String {
    let name: String = name.unwrap_or_default().chars().filter(|&c| !is_trick(c)).collect();
    let name = name.trim();
    if name.is_empty() {
        let of = mime.split_once('/').map_or("", |(_, of)| of);
        let ending = of.rsplit(['+', '.']).next().unwrap_or_default();
        return format!("file.{}", if ending.is_empty() { "bin" } else { ending });
    }
    name.to_owned()
}

/// Cuts a name in its middle, so that its beginning and its ending stay. `most` characters at most, which is at least 3.
pub(crate) fn middle_cut(name: &str, most: usize) -> String {
    let chars: Vec<char> = name.chars().collect();
    if chars.len() <= most {
        return name.to_owned();
    }
    let end = (most - 1) / 2;
    let begin = most - 1 - end;
    let (begin, end) = (&chars[..begin], &chars[chars.len() - end..]);
    let cut: String = begin.iter().chain(&['…']).chain(end).collect();
    cut
}

/// Characters of Unicode that format and do not show: controls, what turns the direction, what has no width.
fn is_trick(c: char) -> bool {
    // Not the joiners, which Persian and emoji are spelt with.
    let hidden = matches!(c, '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}');
    c.is_control() || hidden
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_name_cannot_look_like_another() {
        assert_eq!(plain_name(Some("photo\u{202e}gpj.exe"), "image/jpeg"), "photogpj.exe");
        assert_eq!(plain_name(Some("a\nb\u{0}.png"), "image/png"), "ab.png");
        assert_eq!(plain_name(Some("<b>x</b>.png"), "image/png"), "<b>x</b>.png");
        assert_eq!(plain_name(Some(" \u{200b} "), "image/png"), "file.png");
        assert_eq!(plain_name(None, "image/svg+xml"), "file.xml");
        assert_eq!(plain_name(None, ""), "file.bin");
    }

    #[test]
    fn beginning_and_ending_stay() {
        assert_eq!(middle_cut("short.png", 20), "short.png");
        assert_eq!(middle_cut("0123456789.jpeg", 9), "0123…jpeg");
        assert_eq!(middle_cut("ääääääää.png", 9), "ääää….png");
        for most in 3..20 {
            assert_eq!(middle_cut("a name that is long enough", most).chars().count(), most);
        }
    }
}
