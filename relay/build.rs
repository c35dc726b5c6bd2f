//! Copies the built page into the build folder, with compressed variants beside it, to be embedded by `http::assets`.
//!
//! The page is what Trunk left in `dist` in the target folder. When there is none, a page takes its place that says
//! so; nothing is built or downloaded from here. Compression is done once here, not at every start: the strongest
//! setting takes seconds.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

const NOT_BUILT: &str = "<!doctype html>
<html lang=\"en\">
<head><meta charset=\"utf-8\"><title>Chanterelle relay</title></head>
<body>
<h1>This relay was built without the page</h1>
<p>It relays and stores all the same. To build both together, run <code>cargo xtask run</code>.</p>
</body>
</html>
";

/// Formats that are compressed already gain nothing.
const COMPRESSIBLE: [&str; 9] = ["css", "html", "ico", "js", "json", "svg", "txt", "wasm", "webmanifest"];

/// A variant must save at least 1/16, or its entry is not worth its room.
const WORTH: usize = 16;

fn main() -> io::Result<()> {
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let dist = dist(&out);
    // An absent folder would be looked at as changed by every build.
    fs::create_dir_all(&dist)?;
    println!("cargo:rerun-if-changed={}", dist.display());
    println!("cargo:rerun-if-changed=build.rs");

    let page = out.join("page");
    if page.exists() {
        fs::remove_dir_all(&page)?;
    }
    for folder in ["identity", "br", "gzip"] {
        fs::create_dir_all(page.join(folder))?;
    }
    let mut files = Vec::new();
    walk(&dist, &mut files)?;
    for file in &files {
        let name = file.strip_prefix(&dist).expect("the walk stays in the folder");
        embed(&page, name, &fs::read(file)?)?;
    }
    if !dist.join("index.html").exists() {
        embed(&page, Path::new("index.html"), NOT_BUILT.as_bytes())?;
    }
    Ok(())
}

/// `dist` in the target folder, which is the ancestor of `OUT_DIR` that cargo tagged as a cache.
fn dist(out: &Path) -> PathBuf {
    let target = out.ancestors().find(|folder| folder.join("CACHEDIR.TAG").exists());
    target.unwrap_or(Path::new("../target")).join("dist")
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { walk(&path, files)? } else { files.push(path) }
    }
    Ok(())
}

fn embed(page: &Path, name: &Path, bytes: &[u8]) -> io::Result<()> {
    write(&page.join("identity").join(name), bytes)?;
    let extension = name.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    if !COMPRESSIBLE.contains(&extension) {
        return Ok(());
    }
    for (folder, packed) in [("br", brotli(bytes)?), ("gzip", gzip(bytes)?)] {
        if packed.len() + packed.len() / WORTH < bytes.len() {
            write(&page.join(folder).join(name), &packed)?;
        }
    }
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::create_dir_all(path.parent().expect("files lie in a folder"))?;
    fs::write(path, bytes)
}

fn brotli(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut packed = Vec::new();
    // The largest window that every browser takes: 16 MiB.
    let params = brotli::enc::BrotliEncoderParams { quality: 11, lgwin: 24, ..Default::default() };
    brotli::BrotliCompress(&mut &*bytes, &mut packed, &params)?;
    Ok(packed)
}

fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}
