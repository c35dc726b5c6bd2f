//! A root as 24 English words and back, by BIP-39 with 256 bits of entropy. What BIP-39 makes of words beyond that, a
//! seed under a passphrase, is not used: the words are the root itself.
//!
//! Reading is forgiving about everything that paper and copying do to words: case, spaces, line breaks, numbers and
//! punctuation around them, and the forms of Unicode. About the words it is not: none is guessed.

use bip39::{Error, Language, Mnemonic};
use zeroize::{Zeroize as _, Zeroizing};

use crate::normal::nfkc;
use crate::question::{Key, SecretText, WORDS, WordsError};

/// The longest word that is shown again in an error, characters. Those of the list have at most 8.
const SHOWN: usize = 32;

/// How many keys away a word of the list may be from what was typed to be suggested.
const NEAR: usize = 2;

/// The words of a root, separated by single spaces.
///
/// # Panics
/// Never: every 32 bytes have words.
#[must_use]
pub fn words(root: &Key) -> SecretText {
    let mnemonic = Mnemonic::from_entropy_in(Language::English, &root.0).expect("256 bits have words");
    // Of its final length from the beginning, so that nothing of it stays behind where it grew.
    let mut text = String::with_capacity(WORDS * 9);
    for word in mnemonic.words() {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(word);
    }
    SecretText(text)
}

/// The root of words.
///
/// # Errors
/// When they are not those of a root. Their number is looked at first, then each word, then all together.
pub fn root(typed: &str) -> Result<Key, WordsError> {
    let normal = Zeroizing::new(nfkc(typed));
    let lower = Zeroizing::new(normal.to_lowercase());
    // Numbers and punctuation stand between words like spaces; no word has any.
    let words: Vec<&str> =
        lower.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty()).collect();
    if words.len() != WORDS {
        return Err(WordsError::Count(words.len()));
    }
    for (at, word) in words.iter().enumerate() {
        if Language::English.find_word(word).is_none() {
            let word: String = word.chars().take(SHOWN).collect();
            return Err(WordsError::Unknown { place: at + 1, nearest: nearest(&word), word });
        }
    }
    let joined = Zeroizing::new(words.join(" "));
    let mnemonic = match Mnemonic::parse_in_normalized(Language::English, &joined) {
        Ok(mnemonic) => mnemonic,
        Err(Error::InvalidChecksum) => return Err(WordsError::Checksum),
        Err(error) => unreachable!("the number and every word were looked at: {error}"),
    };
    let (mut entropy, _) = mnemonic.to_entropy_array();
    let mut root = Key([0; 32]);
    root.0.copy_from_slice(&entropy[..32]);
    entropy.zeroize();
    Ok(root)
}

/// The word of the list that is nearest, if one is near and nearer than all others.
fn nearest(typed: &str) -> Option<String> {
    let distance = |word: &&str| strsim::osa_distance(typed, word);
    let list = Language::English.word_list();
    let least = list.iter().map(distance).min().filter(|least| *least <= NEAR)?;
    let mut found = list.iter().filter(|word| distance(word) == least);
    match (found.next(), found.next()) {
        (Some(only), None) => Some((*only).to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{nearest, root, words};
    use crate::question::{Key, WordsError};

    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// The vectors of BIP-39 with 256 bits (github.com/trezor/python-mnemonic, vectors.json).
    const VECTORS: [(&str, &str); 8] = [
        (
            "0000000000000000000000000000000000000000000000000000000000000000",
            "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon \
             abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon art",
        ),
        (
            "7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f",
            "legal winner thank year wave sausage worth useful legal winner thank year wave sausage worth useful \
             legal winner thank year wave sausage worth title",
        ),
        (
            "8080808080808080808080808080808080808080808080808080808080808080",
            "letter advice cage absurd amount doctor acoustic avoid letter advice cage absurd amount doctor acoustic \
             avoid letter advice cage absurd amount doctor acoustic bless",
        ),
        (
            "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
            "zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo vote",
        ),
        (
            "68a79eaca2324873eacc50cb9c6eca8cc68ea5d936f98787c60c7ebc74e6ce7c",
            "hamster diagram private dutch cause delay private meat slide toddler razor book happy fancy gospel \
             tennis maple dilemma loan word shrug inflict delay length",
        ),
        (
            "9f6a2878b2520799a44ef18bc7df394e7061a224d2c33cd015b157d746869863",
            "panda eyebrow bullet gorilla call smoke muffin taste mesh discover soft ostrich alcohol speed nation \
             flash devote level hobby quick inner drive ghost inside",
        ),
        (
            "066dca1a2bb7e8a1db2832148ce9933eea0f3ac9548d793112d9a95c9407efad",
            "all hour make first leader extend hole alien behind guard gospel lava path output census museum junior \
             mass reopen famous sing advance salt reform",
        ),
        (
            "f585c11aec520db57dd353c69554b21a89b20fb0650966fa0a9d6f74fd989d8f",
            "void come effort suffer camp survey warrior heavy shoot primary clutch crush open amazing screen patrol \
             group space point ten exist slush involve unfold",
        ),
    ];

    fn key(hexadecimal: &str) -> Key {
        let bytes = data_encoding::HEXLOWER.decode(hexadecimal.as_bytes()).expect("hexadecimal digits");
        Key(bytes.try_into().expect("32 bytes"))
    }

    #[test]
    fn the_vectors_hold_both_ways() {
        for (entropy, phrase) in VECTORS {
            assert_eq!(words(&key(entropy)).0, phrase);
            assert_eq!(root(phrase), Ok(key(entropy)));
        }
    }

    #[test]
    fn what_paper_and_copying_do_to_words_is_forgiven() {
        let (entropy, phrase) = VECTORS[5];
        let each: Vec<&str> = phrase.split(' ').collect();
        let numbered: String = (1..).zip(&each).map(|(n, word)| format!("{n:>2}. {word}\r\n")).collect();
        let glued: String = (1..).zip(&each).map(|(n, word)| format!("{n}){word},")).collect();
        let wide: String = phrase.chars().map(|c| if c == ' ' { '\u{3000}' } else { wide(c) }).collect();
        for typed in [
            phrase.to_uppercase(),
            format!("\n\t {}  \u{a0}", phrase.replace(' ', " \n ")),
            numbered,
            glued,
            wide,
            format!("\u{feff}\"{phrase}.\""),
        ] {
            assert_eq!(root(&typed), Ok(key(entropy)), "{typed}");
        }
    }

    fn wide(letter: char) -> char {
        char::from_u32(letter as u32 + 0xfee0).expect("the full-width letters follow each other")
    }

    #[test]
    fn the_number_of_words_is_looked_at_first() {
        assert_eq!(root(""), Err(WordsError::Count(0)));
        assert_eq!(root("1. 2. 3."), Err(WordsError::Count(0)));
        assert_eq!(root("qwertz"), Err(WordsError::Count(1)));
        let (_, phrase) = VECTORS[4];
        assert_eq!(root(phrase.rsplit_once(' ').expect("words").0), Err(WordsError::Count(23)));
        assert_eq!(root(&format!("{phrase} length")), Err(WordsError::Count(25)));
        assert_eq!(root(&"zoo ".repeat(100_000)), Err(WordsError::Count(100_000)));
    }

    #[test]
    fn a_word_that_is_not_in_the_list_is_named() {
        let (_, phrase) = VECTORS[4];
        let unknown = |from: &str, to: &str| root(&phrase.replacen(from, to, 1));
        let told = |place, word: &str, nearest: Option<&str>| {
            Err(WordsError::Unknown { place, word: word.to_owned(), nearest: nearest.map(str::to_owned) })
        };
        assert_eq!(unknown("hamster", "Hamstr"), told(1, "hamstr", Some("hamster")));
        assert_eq!(unknown("length", "lenght"), told(24, "lenght", Some("length")));
        assert_eq!(unknown("toddler", "pilze"), told(10, "pilze", None));
        let long = "x".repeat(100_000);
        assert_eq!(unknown("toddler", &long), told(10, &long[..32], None));
    }

    #[test]
    fn only_one_nearest_word_is_suggested() {
        assert_eq!(nearest("abandn"), Some("abandon".to_owned()));
        assert_eq!(nearest("caat"), None, "as near to cat as to coat, cart and others");
    }

    #[test]
    fn words_that_do_not_belong_together_are_refused() {
        let (_, phrase) = VECTORS[6];
        assert_eq!(root(&phrase.replacen("hour", "hover", 1)), Err(WordsError::Checksum));
        assert_eq!(root(&phrase.replacen("all hour", "hour all", 1)), Err(WordsError::Checksum));
    }

    #[test]
    fn secrets_are_not_shown() {
        assert_eq!(
            format!("{:?} {:?}", key(VECTORS[0].0), words(&key(VECTORS[0].0))),
            "Key(..) SecretText(..)"
        );
    }
}
