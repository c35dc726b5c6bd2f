//! Short names for what a program of the page and its JavaScript call in each other.
//!
//! wasm-bindgen calls each by what it is and a hash, once in either file. Nobody reads them, and no compression makes hashes
//! smaller: they are 10 KB of the page's program alone.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};

/// What every module begins with (WebAssembly Core Specification, 5.5.16): the magic and the version.
const HEADER: usize = 8;

/// The sections of what a module imports and exports (the same, 5.5.2).
const IMPORTS: u8 = 2;
const EXPORTS: u8 = 7;

/// An imported function (the same, 5.5.5).
const FUNCTION: u8 = 0;

/// Renames what wasm-bindgen has named, in both files alike.
///
/// # Errors
/// If the module is none, or the JavaScript does not have a name of it.
pub(super) fn shorten(wasm: &[u8], js: &str) -> Result<(Vec<u8>, String)> {
    let mut names = BTreeMap::new();
    let wasm = module(wasm, &mut names).context("this is no module as wasm-bindgen makes them")?;
    let mut used = 0;
    let (mut out, mut rest) = (String::with_capacity(js.len()), js);
    while let Some(begin) = rest.find(is_of_name) {
        let end = rest[begin..].find(|c| !is_of_name(c)).map_or(rest.len(), |length| begin + length);
        let word = &rest[begin..end];
        out.push_str(&rest[..begin]);
        match names.get_mut(word) {
            Some((short, found)) => {
                used += usize::from(!std::mem::replace(found, true));
                out.push_str(short);
            }
            None => out.push_str(word),
        }
        rest = &rest[end..];
    }
    out.push_str(rest);
    ensure!(used == names.len(), "the JavaScript has {used} of the {} names in its module", names.len());
    Ok((wasm, out))
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '$'
}

/// Each name with a short one, and whether it was found in the JavaScript.
type Names = BTreeMap<String, (String, bool)>;

/// The module with short names, which are noted in `names`.
fn module(wasm: &[u8], names: &mut Names) -> Result<Vec<u8>> {
    let (header, mut rest) = wasm.split_at_checked(HEADER).context("it ends too soon")?;
    ensure!(header.starts_with(b"\0asm"), "it does not begin like one");
    let mut out = header.to_vec();
    while let [id, behind @ ..] = rest {
        rest = behind;
        let section = bytes(&mut rest)?;
        let section = match *id {
            IMPORTS => imports(section, names)?,
            EXPORTS => exports(section, names)?,
            _ => section.to_vec(),
        };
        out.push(*id);
        put(&mut out, &section);
    }
    Ok(out)
}

fn imports(mut section: &[u8], names: &mut Names) -> Result<Vec<u8>> {
    let count = number(&mut section)?;
    let mut out = encoded(count);
    for _ in 0..count {
        put(&mut out, bytes(&mut section)?);
        let name = std::str::from_utf8(bytes(&mut section)?)?;
        let is_made = name.starts_with("__wbg_") || name.starts_with("__wbindgen_");
        put(&mut out, renamed(name, is_made, "$", names).as_bytes());
        let [FUNCTION, behind @ ..] = section else { bail!("{name} is no function") };
        section = behind;
        out.push(FUNCTION);
        out.extend(encoded(number(&mut section)?));
    }
    Ok(out)
}

/// What is made of closures, whose names tell their types. Others are called by the page under their names.
fn exports(mut section: &[u8], names: &mut Names) -> Result<Vec<u8>> {
    let count = number(&mut section)?;
    let mut out = encoded(count);
    for _ in 0..count {
        let name = std::str::from_utf8(bytes(&mut section)?)?;
        put(&mut out, renamed(name, name.starts_with("wasm_bindgen_"), "w_", names).as_bytes());
        let (kind, behind) = section.split_first().context("it ends too soon")?;
        section = behind;
        out.push(*kind);
        out.extend(encoded(number(&mut section)?));
    }
    Ok(out)
}

fn renamed<'a>(name: &'a str, is_made: bool, prefix: &str, names: &'a mut Names) -> &'a str {
    if !is_made {
        return name;
    }
    let short = format!("{prefix}{:x}", names.len());
    &names.entry(name.to_owned()).or_insert((short, false)).0
}

/// Takes a number from the front, LEB128 as in 5.2.2.
fn number(from: &mut &[u8]) -> Result<u32> {
    let mut value = 0_u64;
    for shift in (0..35).step_by(7) {
        let (byte, behind) = from.split_first().context("it ends too soon")?;
        *from = behind;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(u32::try_from(value)?);
        }
    }
    bail!("a number in it is too long")
}

/// Takes bytes with their count before them from the front.
fn bytes<'a>(from: &mut &'a [u8]) -> Result<&'a [u8]> {
    let length = number(from)? as usize;
    let (bytes, behind) = from.split_at_checked(length).context("it ends too soon")?;
    *from = behind;
    Ok(bytes)
}

fn encoded(mut number: u32) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        // Its lowest seven bits.
        let byte = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            out.push(byte);
            return out;
        }
        out.push(byte | 0x80);
    }
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    // No part of a page has 4 GB.
    out.extend(encoded(u32::try_from(bytes.len()).expect("it is small")));
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A module that imports and exports functions by these names.
    fn program(imported: &[&str], exported: &[&str]) -> Vec<u8> {
        let mut module = b"\0asm\x01\0\0\0".to_vec();
        let mut section = encoded(imported.len() as u32);
        for name in imported {
            put(&mut section, b"./page_bg.js");
            put(&mut section, name.as_bytes());
            section.extend([FUNCTION, 0x85, 0x01]);
        }
        module.push(IMPORTS);
        put(&mut module, &section);
        let mut section = encoded(exported.len() as u32);
        for name in exported {
            put(&mut section, name.as_bytes());
            section.extend([FUNCTION, 3]);
        }
        module.push(EXPORTS);
        put(&mut module, &section);
        module.push(0);
        put(&mut module, b"\x04namewasm_bindgen_x");
        module
    }

    #[test]
    fn both_files_have_the_same_short_names() {
        let wasm = program(
            &["__wbg_new_0f", "other", "__wbindgen_throw"],
            &["main", "wasm_bindgen_call_h1", "memory"],
        );
        let js =
            "imports.wbg.__wbg_new_0f=()=>__wbg_new_0f2;\nother(__wbindgen_throw,wasm.wasm_bindgen_call_h1)";
        let (short, js) = shorten(&wasm, js).unwrap();
        assert_eq!(js, "imports.wbg.$0=()=>__wbg_new_0f2;\nother($1,wasm.w_2)");
        assert_eq!(short, program(&["$0", "other", "$1"], &["main", "w_2", "memory"]));
        let same = shorten(&short, &js).unwrap();
        assert_eq!(same, (short, js), "there is nothing left to do");
    }

    #[test]
    fn what_does_not_belong_together_is_an_error() {
        let wasm = program(&["__wbg_new_0f"], &[]);
        assert!(shorten(&wasm, "imports.wbg.__wbg_new_0e").unwrap_err().to_string().contains("0 of the 1"));
        for length in [0, 3, 9, 12, 20, wasm.len() - 1] {
            assert!(shorten(&wasm[..length], "__wbg_new_0f").is_err(), "{length}");
        }
        let mut memory = wasm.clone();
        let kind = memory.windows(2).position(|pair| pair == [FUNCTION, 0x85]).unwrap();
        memory[kind] = 2;
        assert!(shorten(&memory, "__wbg_new_0f").is_err());
    }
}
