//! What Trunk leaves undone: short names between the programs and their JavaScript, a hash in the names of the annex and of the
//! media program, and the service worker with the list of all files.
//!
//! The same page gives the same bytes, and any other page another service worker, by which browsers notice it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use data_encoding::{BASE64, HEXLOWER};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::names;

const INDEX: &str = "index.html";
const SERVICE_WORKER: &str = "sw.js";

/// How the names of the page's own program and of its JavaScript begin; Trunk's hash follows.
const PAGE: &str = "chanterelle-web-";

/// The programs beside the page's own, by the names of the `<meta>` elements in which the page reads what they are called.
/// Trunk gives workers names without a hash, which would have to be asked for again each time.
const PROGRAMS: [&str; 2] = ["annex", "media"];

/// Where the service worker has its build.
const BUILD: &str = "const BUILD = { name: \"\", files: {} };";

/// Hexadecimal digits of a hash in a name: as many as Trunk puts into its own, by which the relay knows them.
const DIGITS: usize = 16;

/// Finishes the page in `dist`; `sources` is the folder that has the service worker, and `private` begins the paths of
/// this machine.
///
/// # Errors
/// If a file is missing, has no place for what belongs there, or tells a path of this machine.
pub(super) fn finish(dist: &Path, sources: &Path, private: &[PathBuf]) -> Result<()> {
    let page = stem(dist)?;
    rename(dist, &page, PAGE)?;
    for program in PROGRAMS {
        let plain = format!("chanterelle-{program}");
        rename(dist, &plain, &format!("{plain}-"))?;
    }
    let mut files = BTreeMap::new();
    list(dist, "", &mut files)?;
    for path in files.keys() {
        tells_nothing_of(private, path, &bytes(&dist.join(&path[1..]))?)?;
    }
    // The shell is what the relay answers at every address of the page.
    let shell = files.remove(&format!("/{INDEX}")).with_context(|| format!("there is no {INDEX}"))?;
    files.insert("/".to_owned(), shell);
    let name = digits(&Sha256::digest(serde_json::to_vec(&files)?));
    let build = serde_json::to_string_pretty(&json!({"name": name, "files": files}))?;
    let worker = read(&sources.join(SERVICE_WORKER))?;
    write(&dist.join(SERVICE_WORKER), &replace(&worker, BUILD, &format!("const BUILD = {build};"))?)
}

/// What the page's own files are called, without their endings.
fn stem(dist: &Path) -> Result<String> {
    for entry in fs::read_dir(dist).with_context(|| format!("cannot read {}", dist.display()))? {
        let name = entry?.file_name().into_string().unwrap_or_default();
        if let Some(stem) = name.strip_suffix(".js").filter(|stem| stem.starts_with(PAGE)) {
            return Ok(stem.to_owned());
        }
    }
    bail!("there is no {PAGE}….js")
}

/// Shortens what a program and its JavaScript call each other by, and puts a hash of what comes of that into their name,
/// behind `prefix`, wherever the shell has it.
fn rename(dist: &Path, stem: &str, prefix: &str) -> Result<()> {
    let [js, wasm] = [".js", "_bg.wasm"].map(|ending| dist.join(format!("{stem}{ending}")));
    let (module, script) =
        names::shorten(&bytes(&wasm)?, &read(&js)?).with_context(|| format!("{stem} has no short names"))?;
    let hash = Sha256::new().chain_update(&script).chain_update(&module).finalize();
    let hashed = format!("{prefix}{}", digits(&hash));
    for (old, ending, content) in [(&js, ".js", script.as_bytes()), (&wasm, "_bg.wasm", module.as_slice())] {
        fs::remove_file(old).with_context(|| format!("cannot remove {}", old.display()))?;
        let new = dist.join(format!("{hashed}{ending}"));
        fs::write(&new, content).with_context(|| format!("cannot write {}", new.display()))?;
    }
    let index = dist.join(INDEX);
    let shell = read(&index)?;
    if !shell.contains(stem) {
        bail!("{INDEX} has no place for {stem}");
    }
    write(&index, &shell.replace(stem, &hashed))
}

/// Collects the files below a folder by their paths, each with its hash as Subresource Integrity writes it.
fn list(folder: &Path, path: &str, files: &mut BTreeMap<String, String>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_str().with_context(|| format!("{} is no name for a URL", name.display()))?;
        let path = format!("{path}/{name}");
        if entry.file_type()?.is_dir() {
            list(&entry.path(), &path, files)?;
        } else {
            let hash = BASE64.encode(&Sha256::digest(bytes(&entry.path())?));
            files.insert(path, format!("sha256-{hash}"));
        }
    }
    Ok(())
}

fn tells_nothing_of(private: &[PathBuf], file: &str, content: &[u8]) -> Result<()> {
    for path in private {
        let path = format!("{}/", path.display());
        if content.windows(path.len()).any(|part| part == path.as_bytes()) {
            bail!(
                "{file} of the page tells {path} of this machine; .cargo/rustc.sh keeps such paths out of it, unless \
                 RUSTC_WRAPPER puts something else in its place. For what was built before it was there: cargo clean"
            );
        }
    }
    Ok(())
}

fn digits(hash: &[u8]) -> String {
    HEXLOWER.encode(hash)[..DIGITS].to_owned()
}

fn replace(text: &str, from: &str, to: &str) -> Result<String> {
    if text.matches(from).count() != 1 {
        bail!("`{from}` has to be there once");
    }
    Ok(text.replace(from, to))
}

fn bytes(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program with nothing in it but these words.
    fn program(words: &str) -> String {
        let section = u8::try_from(words.len() + 1).expect("they are few");
        format!("\0asm\u{1}\0\0\0\0{}{}{words}", char::from(section), char::from(section - 1))
    }

    /// A page as Trunk leaves it. Removed when dropped.
    struct Page(PathBuf);

    impl Page {
        fn new(name: &str) -> Self {
            let page = Page(std::env::temp_dir().join(format!("xtask-{name}-{}", std::process::id())));
            for (path, content) in [
                (
                    "dist/index.html",
                    shell("chanterelle-web-0", "chanterelle-annex", "chanterelle-media").as_str(),
                ),
                ("dist/chanterelle-web-0.js", "js of the page"),
                ("dist/chanterelle-web-0_bg.wasm", program("page").as_str()),
                ("dist/chanterelle-annex.js", "js"),
                ("dist/chanterelle-annex_bg.wasm", program("annex").as_str()),
                ("dist/chanterelle-media.js", "js of another"),
                ("dist/chanterelle-media_bg.wasm", program("media").as_str()),
                ("dist/icons/icon.svg", "<svg/>"),
                ("www/sw.js", &format!("first\n{BUILD}\nlast\n")),
            ] {
                page.put(path, content);
            }
            page
        }

        fn put(&self, path: &str, content: &str) {
            let path = self.0.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }

        fn finish(&self) -> Result<String> {
            finish(&self.0.join("dist"), &self.0.join("www"), &["/u/ann".into()])?;
            read(&self.0.join("dist/sw.js"))
        }
    }

    /// The element from which the page reads how a program is called, as `www/index.html` has it.
    fn element(program: &str, name: &str) -> String {
        format!("<meta name=\"{program}\" content=\"/{name}\">")
    }

    fn shell(page: &str, annex: &str, media: &str) -> String {
        let page = format!("<link href=\"/{page}.js\"><link href=\"/{page}_bg.wasm\">");
        format!("<head>{page}{}{}</head>", element("annex", annex), element("media", media))
    }

    impl Drop for Page {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn the_service_worker_lists_every_file_with_its_hash() {
        let page = Page::new("list");
        let worker = page.finish().unwrap();
        let (before, after) = worker.split_once("const BUILD = ").unwrap();
        let (build, after) = after.split_once(";\n").unwrap();
        assert_eq!((before, after), ("first\n", "last\n"));
        let build: serde_json::Value = serde_json::from_str(build).unwrap();
        let files = build["files"].as_object().unwrap();
        // printf 'js\0asm\1\0\0\0\0\6\5annex' | sha256sum
        let annex = "chanterelle-annex-a189d7586b70ecdb";
        // printf 'js of another\0asm\1\0\0\0\0\6\5media' | sha256sum
        let media = "chanterelle-media-b8d87e8216d457d1";
        // printf 'js of the page\0asm\1\0\0\0\0\5\4page' | sha256sum
        let web = "chanterelle-web-878ae9f53746ae7d";
        let paths: Vec<&str> = files.keys().map(String::as_str).collect();
        let programs = [annex, media, web].map(|name| [format!("/{name}.js"), format!("/{name}_bg.wasm")]);
        let mut all: Vec<&str> = programs.as_flattened().iter().map(String::as_str).collect();
        all.insert(0, "/");
        all.push("/icons/icon.svg");
        assert_eq!(paths, all);
        // printf '<svg/>' | openssl dgst -sha256 -binary | base64
        assert_eq!(files["/icons/icon.svg"], "sha256-1NxWZpFDA08xqjCWNdQRPZrXagKxc52iLJZe0gSb6eY=");
        let index = read(&page.0.join("dist/index.html")).unwrap();
        assert_eq!(index, shell(web, annex, media));
        assert_eq!(build["name"].as_str().unwrap().len(), DIGITS);
    }

    #[test]
    fn the_same_page_has_the_same_service_worker_and_another_page_another() {
        let [one, same, other] = ["one", "same", "other"].map(Page::new);
        other.put("dist/icons/icon.svg", "<svg />");
        let [one, same, other] = [one, same, other].map(|page| page.finish().unwrap());
        assert_eq!(one, same);
        assert_ne!(one, other);
    }

    #[test]
    fn a_page_that_tells_where_it_was_built_is_an_error() {
        let page = Page::new("private");
        page.put("dist/chanterelle-annex_bg.wasm", &program("panicked at /u/ann/.cargo/registry/src/a.rs"));
        let error = page.finish().unwrap_err().to_string();
        assert!(error.contains("_bg.wasm of the page tells /u/ann/ of"), "{error}");
        let page = Page::new("public");
        page.put(
            "dist/chanterelle-annex_bg.wasm",
            &program("panicked at cargo/registry/src/a.rs, /u/anna/b.rs"),
        );
        page.finish().unwrap();
    }

    #[test]
    fn what_has_no_place_is_an_error() {
        for (path, content) in [
            ("www/sw.js", "nothing"),
            ("dist/index.html", "<head></head>"),
            ("www/sw.js", &format!("{BUILD}{BUILD}")),
        ] {
            let page = Page::new("place");
            page.put(path, content);
            assert!(page.finish().is_err(), "{path}: {content}");
        }
        let page = Page::new("missing");
        fs::remove_file(page.0.join("dist/chanterelle-media.js")).unwrap();
        assert!(page.finish().is_err());
    }
}
