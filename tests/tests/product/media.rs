//! Files: what is attached goes from tab to tab and to the relay, and only where somebody asked for it.

use std::path::Path;
use std::rc::Rc;

use chanterelle_e2e::attach::{number, saved};
use chanterelle_e2e::browser::Browser;
use chanterelle_e2e::elements::Scope;
use chanterelle_e2e::files;
use chanterelle_e2e::relay::Relay;
use chanterelle_e2e::stage::{Stage, play};
use chanterelle_e2e::wait;
use serde_json::json;
use tempfile::TempDir;

use crate::direct::{KEEP, answer, browser, direct};

/// What is said of the photograph.
const ALT: &str = "A mill between red and blue";

/// The photograph's pixels once it stands upright, and those of its thumbnail.
const UPRIGHT: (u32, u32) = (files::STORED.1, files::STORED.0);
const SMALL: (u32, u32) = (167, 250);

fn folder() -> TempDir {
    TempDir::new().expect("the system has room for a temporary folder")
}

/// A relay that fetches no files of posts, and takes none of those here.
async fn relay_without_files(stage: &Stage, from: &Path) -> Rc<Relay> {
    let settings = files::write(from, "relay.toml", b"media_boards = []\nmax_blob_mib = 1\n");
    let settings = ["--config", settings.to_str().expect("the path is text")];
    stage.relay_on(folder(), &settings).await
}

/// The names of the files that the relay has whole.
fn names(relay: &Relay) -> Vec<String> {
    let mut names = Vec::new();
    for folder in std::fs::read_dir(relay.data().join("media/blobs")).into_iter().flatten().flatten() {
        let entries = std::fs::read_dir(folder.path()).into_iter().flatten().flatten();
        names.extend(entries.filter_map(|entry| entry.file_name().into_string().ok()));
    }
    names.retain(|name| name.len() == 64);
    names
}

/// The files that the relay has whole, by name, once there are so many.
async fn stored(relay: &Relay, count: usize) -> Vec<String> {
    wait::until(&format!("the relay to have {count} files"), async || {
        let names = names(relay);
        // A file is there before the relay says so.
        let known = relay.metrics().await["chanterelle_blobs"] as usize;
        wait::holds(names.len() == count && known == count, || format!("it has {known} of {names:?}"))?;
        Ok(names)
    })
    .await
}

async fn is_untroubled(browser: &Browser) {
    let complaints = browser.complaints().await;
    assert!(complaints.is_empty(), "the console of {} has {complaints:#?}", browser.name());
}

/// Nothing of any file is here.
async fn has_nothing(browser: &Browser) {
    assert_eq!((browser.files_kept().await, browser.pictures_drawn().await), (0, 0), "in {}", browser.name());
}

/// The relay gives a file as what it is, for ever, and to be laid out by nobody; its bytes.
async fn served(relay: &Relay, id: &str) -> Vec<u8> {
    let answer = relay.get(&format!("/media/{id}")).await;
    assert_eq!(answer.status, 200);
    assert!(answer.header("content-type").starts_with("image/"), "{:?}", answer.headers);
    assert!(answer.header("cache-control").contains("immutable"), "{:?}", answer.headers);
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert!(answer.header("content-security-policy").contains("sandbox"), "{:?}", answer.headers);
    assert_eq!(files::id(&answer.body), id, "it is what it is called");
    answer.body.to_vec()
}

#[test]
fn a_picture_goes_round_and_outlives_its_author() {
    play("a_picture_goes_round_and_outlives_its_author", async |stage| {
        let relay = stage.relay().await;
        let (from, into) = (folder(), folder());
        let photo = files::write(from.path(), "by the mill.jpg", &files::photograph());
        let [opening, again] = ["opening", "again"].map(|about| stage.word(about));
        let (ann, ben) = (stage.browser("ann").await, stage.browser("ben").await);
        let board = relay.url("/b/pictures?lang=en");
        ann.open(&board).await;
        let path = ann.new_thread_with("Mill", &opening, &[photo], Some(ALT)).await;
        let post = ann.post_with(&opening).await;
        ann.post_in_state(&post.id, "sent").await;
        // One's own comes by itself.
        ann.picture(Scope::Page, ALT, SMALL).await;

        let ids = stored(&relay, 2).await;
        let mut sizes = Vec::new();
        for id in &ids {
            let bytes = served(&relay, id).await;
            for words in files::GIVEAWAYS {
                assert!(!files::contains(&bytes, words), "{id} says {:?}", String::from_utf8_lossy(words));
            }
            let image = image::load_from_memory(&bytes).expect("it is a picture");
            sizes.push((image.width(), image.height()));
        }
        sizes.sort_unstable();
        assert_eq!(sizes, [SMALL, UPRIGHT]);

        let thread = relay.url(&format!("{path}?lang=en"));
        ben.saves_into(into.path()).await;
        ben.open(&thread).await;
        let article = ben.article(&post.id).await;
        // The program that keeps files runs by then, and has heard of the relay's.
        ben.says(&article, "held by 1").await;
        has_nothing(&ben).await;
        ben.click(Scope::In(&article), "button", "Show picture").await;
        ben.picture(Scope::In(&article), ALT, SMALL).await;
        ben.click(Scope::In(&article), "button", ALT).await;
        let picture = ben.picture(Scope::In(&article), ALT, UPRIGHT).await;
        let [above, below] = [picture.above, picture.below];
        assert!(above[0] > 150 && above[2] < 90 && below[2] > 150 && below[0] < 90, "{picture:?}");

        let link = ben.find(Scope::In(&article), "link", "Download").await;
        link.click().await.expect("a link can be clicked");
        let name = link.attr("download").await.expect("the page is quiet").expect("it is to be saved");
        assert_eq!(name, "by the mill.jpg");
        // Chromium gives it the ending of what it is.
        wait::until("the picture to be saved", async || {
            let mut seen = Vec::new();
            for entry in std::fs::read_dir(into.path()).into_iter().flatten().flatten() {
                let bytes = std::fs::read(entry.path()).map_err(|error| error.to_string())?;
                if entry.path().file_stem() == Some("by the mill".as_ref())
                    && ids.contains(&files::id(&bytes))
                {
                    return Ok(());
                }
                seen.push((entry.file_name(), bytes.len()));
            }
            Err(format!("there are {seen:?}"))
        })
        .await;
        as_it_is(&ann, &relay, &again, from.path()).await;
        for browser in [&ann, &ben] {
            is_untroubled(browser).await;
            stage.close(browser).await;
        }

        // Both are gone; the relay is not.
        let dora = stage.browser("dora").await;
        dora.open(&board).await;
        let threads = dora.find(Scope::Page, "list", "Threads").await;
        dora.says(&threads, "Mill").await;
        has_nothing(&dora).await;
        dora.click(Scope::Page, "switch", "Show pictures on this board").await;
        let threads = dora.find(Scope::Page, "list", "Threads").await;
        dora.picture(Scope::In(&threads), ALT, SMALL).await;
        assert_eq!(dora.files_kept().await, 1, "the small one alone");
        dora.open(&thread).await;
        let article = dora.article(&post.id).await;
        dora.picture(Scope::In(&article), ALT, SMALL).await;
        dora.click(Scope::In(&article), "button", ALT).await;
        assert_eq!(dora.picture(Scope::In(&article), ALT, UPRIGHT).await, picture);

        // What she blocks is gone until she takes that back, and comes anew then.
        dora.click(Scope::In(&article), "button", "More for this file").await;
        dora.click(Scope::In(&article), "button", "Block this file").await;
        dora.says(&article, "Blocked: this file is not shown").await;
        wait::until("nothing of it to be here", async || {
            let here = (dora.files_kept().await, dora.pictures_drawn().await);
            wait::holds(here == (0, 0), || format!("{here:?}"))
        })
        .await;
        dora.open(&relay.url("/settings?lang=en")).await;
        dora.click(Scope::Page, "button", "Unblock all").await;
        let focused = "return document.activeElement !== document.body
            && document.activeElement.textContent.includes('Files in this browser')";
        wait::until("the focus to stay beside", async || {
            wait::holds(dora.script(focused, &[]).await? == true, || "it is elsewhere".to_owned())
        })
        .await;
        dora.open(&thread).await;
        let article = dora.article(&post.id).await;
        dora.picture(Scope::In(&article), ALT, SMALL).await;
        is_untroubled(&dora).await;
    });
}

/// Posts the photograph with its own encoding: that of the file, without what it says.
async fn as_it_is(browser: &Browser, relay: &Relay, comment: &str, from: &Path) {
    let before = names(relay);
    let form = browser.find(Scope::Page, "form", "Reply").await;
    browser.attach(&form, &[files::write(from, "as it is.jpg", &files::photograph())]).await;
    browser.click(Scope::In(&form), "switch", "Keep the original encoding").await;
    browser.fill(Scope::In(&form), "Comment", comment).await;
    browser.click(Scope::In(&form), "button", "Post").await;
    let jpeg = wait::until("the JPEG at the relay", async || {
        for id in names(relay).into_iter().filter(|name| !before.contains(name)) {
            let answer = relay.get(&format!("/media/{id}")).await;
            if answer.header("content-type") == "image/jpeg" {
                return Ok(answer.body);
            }
        }
        Err("it is not there".to_owned())
    });
    let jpeg = jpeg.await;
    // How it is to be turned is still said, and that in this form.
    for words in files::GIVEAWAYS.into_iter().filter(|words| *words != b"Exif") {
        assert!(!files::contains(&jpeg, words), "it says {:?}", String::from_utf8_lossy(words));
    }
    let image = image::load_from_memory(&jpeg).expect("it is a picture");
    assert_eq!((image.width(), image.height()), files::STORED);
}

/// Bytes of a file that takes a moment to cross.
const LARGE: usize = 30 * 1024 * 1024;

/// Loads the page again in the very moment that more than an eighth of a file is here, and not all of it; how much that is
/// stays to be read.
const RELOAD_IN_THE_MIDDLE: &str = "
    const look = () => {
        const bar = document.querySelector('article progress');
        if (bar === null || bar.value < bar.max / 8 || bar.value >= bar.max || 'middle' in sessionStorage) return;
        sessionStorage.middle = bar.value;
        location.reload();
    };
    new MutationObserver(look).observe(document, {subtree: true, childList: true, attributes: true});";

/// How much had come by then.
const MIDDLE: &str = "return Number(sessionStorage.middle ?? NaN)";

/// Bytes that came through data channels, by connection, the most first.
const CAME: &str = "
    const came = [];
    for (const connection of window.connections) {
        if (connection.connectionState !== 'connected') continue;
        let bytes = 0;
        for (const stat of (await connection.getStats()).values()) {
            if (stat.type === 'data-channel') bytes += stat.bytesReceived;
        }
        came.push(bytes);
    }
    return came.sort((one, other) => other - one);";

async fn came(browser: &Browser) -> Vec<usize> {
    let came = browser.script(CAME, &[]).await.expect("the browser tells");
    serde_json::from_value(came).expect("counts")
}

/// Saves the only file of a post, whose name and bytes are these.
async fn save(browser: &Browser, post: &str, into: &Path, name: &str, bytes: &[u8]) {
    let article = browser.article(post).await;
    browser.click(Scope::In(&article), "button", "Download").await;
    assert!(saved(into, name, bytes.len()).await == bytes, "{name} in {} is another", browser.name());
}

#[test]
fn a_file_crosses_without_a_relay_and_goes_on_after_a_reload() {
    play("a_file_crosses_without_a_relay_and_goes_on_after_a_reload", async |stage| {
        let (from, of_ben, of_cleo) = (folder(), folder(), folder());
        let relay = relay_without_files(stage, from.path()).await;
        let bytes = files::noise(3, LARGE);
        let file = files::write(from.path(), "noise.bin", &bytes);
        let opening = stage.word("opening");
        let (ann, ben, cleo) = (
            browser(stage, "ann", KEEP).await,
            browser(stage, "ben", KEEP).await,
            browser(stage, "cleo", KEEP).await,
        );
        ann.open(&relay.url("/b/large?lang=en")).await;
        answer(&ann, "Connect directly").await;
        let path = ann.new_thread_with("Large", &opening, &[file], None).await;
        let post = ann.post_with(&opening).await;
        ann.post_in_state(&post.id, "sent").await;
        for (browser, into) in [(&ben, &of_ben), (&cleo, &of_cleo)] {
            browser.saves_into(into.path()).await;
            browser.open(&relay.url(&format!("{path}?lang=en"))).await;
            answer(browser, "Connect directly").await;
        }
        for browser in [&ann, &ben, &cleo] {
            direct(browser, "2").await;
        }

        let article = ben.article(&post.id).await;
        ben.says(&article, "held by 1").await;
        has_nothing(&ben).await;
        ben.script(RELOAD_IN_THE_MIDDLE, &[]).await.expect("the page runs scripts of the driver");
        ben.click(Scope::In(&article), "button", "Download").await;
        let middle = wait::until("the middle of the file", async || {
            let middle = number(&ben, MIDDLE).await?;
            wait::holds(middle > 0.0, || "not yet".to_owned()).map(|()| middle as usize)
        });
        let middle = middle.await;
        assert!((LARGE / 8..LARGE).contains(&middle), "{middle} bytes");
        ben.ready().await;
        direct(&ben, "2").await;
        relay.stop().await;
        ben.network(|direct, relays| (direct, relays) == ("2", "0")).await;

        save(&ben, &post.id, of_ben.path(), "noise.bin", &bytes).await;
        let since: usize = came(&ben).await.into_iter().sum();
        // What belongs to the frames and proves the groups is less than a hundredth.
        assert!(since < LARGE - middle + LARGE / 50, "{since} bytes came after the first {middle}");

        cleo.network(|direct, relays| (direct, relays) == ("2", "0")).await;
        let article = cleo.article(&post.id).await;
        cleo.says(&article, "held by 2").await;
        save(&cleo, &post.id, of_cleo.path(), "noise.bin", &bytes).await;
        let by_holder = came(&cleo).await;
        assert!(by_holder.len() == 2 && by_holder[1] > LARGE / 20, "it came from both: {by_holder:?}");
        for browser in [&ann, &ben, &cleo] {
            is_untroubled(browser).await;
        }
        relay.start_again().await;
    });
}

/// Changes a bit in every group of the files of this size that the page keeps, as a liar would; how many such files there are.
const LIE: &str = "
    const [size] = arguments;
    const spoil = async (folder) => {
        let spoilt = 0;
        for await (const entry of folder.values()) {
            if (entry.kind === 'directory') {
                spoilt += await spoil(entry);
                continue;
            }
            const file = await entry.getFile();
            if (file.size !== size) continue;
            const bytes = new Uint8Array(await file.arrayBuffer());
            for (let at = 0; at < size; at += 16384) bytes[at] ^= 1;
            const writable = await entry.createWritable();
            await writable.write(bytes);
            await writable.close();
            spoilt += 1;
        }
        return spoilt;
    };
    return spoil(await navigator.storage.getDirectory());";

/// How much of the file that comes is here.
const HERE: &str = "return document.querySelector('article progress')?.value ?? 0";

#[test]
fn what_a_liar_gives_is_not_taken_and_what_one_leaves_open_another_gives() {
    play("what_a_liar_gives_is_not_taken_and_what_one_leaves_open_another_gives", async |stage| {
        let (from, of_cleo, of_dora) = (folder(), folder(), folder());
        let relay = relay_without_files(stage, from.path()).await;
        let bytes = files::noise(6, LARGE);
        let file = files::write(from.path(), "noise.bin", &bytes);
        let opening = stage.word("opening");
        let (ann, ben, cleo, dora) = (
            browser(stage, "ann", KEEP).await,
            browser(stage, "ben", KEEP).await,
            browser(stage, "cleo", KEEP).await,
            browser(stage, "dora", KEEP).await,
        );
        ann.open(&relay.url("/b/liars?lang=en")).await;
        answer(&ann, "Connect directly").await;
        let path = ann.new_thread_with("Large", &opening, &[file], None).await;
        let thread = relay.url(&format!("{path}?lang=en"));
        let post = ann.post_with(&opening).await;
        ann.post_in_state(&post.id, "sent").await;
        for (browser, count) in [(&ben, "1"), (&cleo, "2")] {
            browser.saves_into(of_cleo.path()).await;
            browser.open(&thread).await;
            answer(browser, "Connect directly").await;
            direct(browser, count).await;
            save(browser, &post.id, of_cleo.path(), "noise.bin", &bytes).await;
            std::fs::remove_file(of_cleo.path().join("noise.bin")).expect("it was saved");
        }
        assert_eq!(cleo.script(LIE, &[LARGE.into()]).await, Ok(1.into()));
        // What her program has read of it is forgotten.
        cleo.open(&thread).await;

        dora.saves_into(of_dora.path()).await;
        dora.open(&thread).await;
        answer(&dora, "Connect directly").await;
        direct(&dora, "3").await;
        let article = dora.article(&post.id).await;
        dora.says(&article, "held by 3").await;
        dora.click(Scope::In(&article), "button", "Download").await;
        wait::until("an eighth of the file", async || {
            let here = number(&dora, HERE).await?;
            wait::holds(here >= (LARGE / 8) as f64, || format!("{here} bytes"))
        })
        .await;
        stage.close(&ann).await;
        assert!(saved(of_dora.path(), "noise.bin", LARGE).await == bytes, "it is another");
        // One has left, and one is asked for nothing any more.
        dora.says(&article, "held by 1").await;
        for browser in [&ben, &cleo, &dora] {
            is_untroubled(browser).await;
        }
    });
}

/// Gives a file to an element as if a person had dropped it there, or pasted it; whether the page takes it.
const GIVE: &str = "
    const [target, how, name, type, bytes] = arguments;
    const transfer = new DataTransfer();
    transfer.items.add(new File([new Uint8Array(bytes)], name, {type}));
    const common = {bubbles: true, cancelable: true};
    const given = how === 'drop'
        ? new DragEvent('drop', {...common, dataTransfer: transfer})
        : new ClipboardEvent('paste', {...common, clipboardData: transfer});
    target.dispatchEvent(given);
    return given.defaultPrevented;";

/// Whether the page takes the place of a mouse to be a finger.
const COARSE: &str = "return matchMedia('(pointer: coarse)').matches";

#[test]
fn what_is_dropped_pasted_or_taken_is_attached_and_can_be_given_up() {
    play("what_is_dropped_pasted_or_taken_is_attached_and_can_be_given_up", async |stage| {
        let relay = stage.relay().await;
        let from = folder();
        let ann = stage.browser("ann").await;
        let touch = json!({"enabled": true});
        ann.devtools("Emulation.setTouchEmulationEnabled", touch).await.expect("Chromium emulates fingers");
        ann.open(&relay.url("/b/given?lang=en")).await;
        ann.click(Scope::Page, "button", "New thread").await;
        let form = ann.find(Scope::Page, "form", "New thread").await;
        let comment = ann.find(Scope::In(&form), "textbox", "Comment").await;
        let png = files::png();
        for (target, how, name) in [(&form, "drop", "dropped.png"), (&comment, "paste", "pasted.png")] {
            let given = [json!(target), how.into(), name.into(), "image/png".into(), json!(png)];
            assert_eq!(ann.script(GIVE, &given).await, Ok(true.into()), "{how}");
        }
        assert_eq!(ann.script(COARSE, &[]).await, Ok(true.into()));
        let taken = files::write(from.path(), "taken.jpg", &files::photograph());
        ann.choose(&form, "Take a picture", &[taken]).await;
        let attached = async |fits: &dyn Fn(&[String]) -> bool| {
            wait::until("the files of the post", async || {
                let files = ann.attached(&form).await?;
                wait::holds(fits(&files), || format!("{files:?}"))
            })
            .await;
        };
        attached(&|files| {
            let names = ["dropped.png", "pasted.png", "taken.jpg"];
            files.len() == 3 && names.iter().zip(files).all(|(name, file)| file.contains(name))
        })
        .await;
        // A text stays one, though it is pasted where files would be taken.
        let text = "
            const transfer = new DataTransfer();
            transfer.setData('text/plain', 'words');
            const pasted = new ClipboardEvent('paste', {clipboardData: transfer, bubbles: true, cancelable: true});
            arguments[0].dispatchEvent(pasted);
            return pasted.defaultPrevented;";
        assert_eq!(ann.script(text, &[json!(comment)]).await, Ok(false.into()));

        // What takes long can be given up, and nothing of it is posted.
        let large = files::write(from.path(), "large.bin", &files::noise(7, 200_000_000));
        ann.attach(&form, &[large]).await;
        ann.click(Scope::In(&form), "button", "Cancel: large.bin").await;
        attached(&|files| !files.iter().any(|file| file.contains("large.bin"))).await;
        for name in ["dropped.png", "pasted.png"] {
            ann.click(Scope::In(&form), "button", &format!("Remove: {name}")).await;
        }
        let words = stage.word("words");
        ann.fill(Scope::In(&form), "Comment", &words).await;
        ann.click(Scope::In(&form), "button", "Post").await;
        ann.path_that("the new thread", |path| path.contains("/t/")).await;
        let post = ann.post_with(&words).await;
        let article = ann.article(&post.id).await;
        ann.says(&article, "taken.jpg").await;
        let text = article.text().await.expect("the page is quiet");
        assert!(!["large.bin", "dropped.png", "pasted.png"].iter().any(|name| text.contains(name)), "{text}");
        is_untroubled(&ann).await;
    });
}

/// A name that is markup.
const MARKUP: &str = "<img src=x onerror=window.pwned=1>.png";

/// What would run if anybody let it.
const SVG: &[u8] = b"<svg xmlns='http://www.w3.org/2000/svg'><script>window.top.pwned = 1</script></svg>";
const HTML: &[u8] = b"<!doctype html><script>window.top.pwned = 1; alert(1)</script>";

/// Whether anything has run that came with a file, or was laid out.
const HARM: &str = "return window.pwned !== undefined
    || document.querySelectorAll('main :is(script, iframe, object, embed, svg image, [onerror])').length > 0
    || [...document.images].some(image => image.getAttribute('src') === 'x')";

/// Waits for an alert with these words.
async fn alert(browser: &Browser, words: &str) {
    wait::until(&format!("an alert with {words:?}"), async || {
        let alerts = browser.alerts().await?;
        wait::holds(alerts.iter().any(|alert| alert.contains(words)), || format!("{alerts:?}"))
    })
    .await;
}

#[test]
fn what_cannot_be_attached_is_said_and_what_must_not_be_shown_is_saved() {
    play("what_cannot_be_attached_is_said_and_what_must_not_be_shown_is_saved", async |stage| {
        let relay = stage.relay().await;
        let (from, into) = (folder(), folder());
        let write = |name: &str, bytes: &[u8]| files::write(from.path(), name, bytes);
        let opening = stage.word("opening");
        let (ann, ben) = (stage.browser("ann").await, stage.browser("ben").await);
        let blocked = files::noise(4, 50_000);
        std::fs::write(relay.data().join("blocked"), format!("{} # by order\n", files::id(&blocked)))
            .expect("the folder can be written");

        ann.open(&relay.url("/b/wrong?lang=en")).await;
        ann.click(Scope::Page, "button", "New thread").await;
        let form = ann.find(Scope::Page, "form", "New thread").await;
        ann.fill(Scope::In(&form), "Comment", &opening).await;
        let nine: Vec<_> = (1..=9).map(|number| write(&format!("{number}.txt"), b"text")).collect();
        ann.attach(&form, &nine).await;
        alert(&ann, "One file was not attached: a post carries at most 8").await;
        assert_eq!(ann.attached(&form).await.map(|files| files.len()), Ok(8));
        for number in 1..=8 {
            ann.click(Scope::In(&form), "button", &format!("Remove: {number}.txt")).await;
        }
        ann.attach(&form, &[write("empty.txt", b"")]).await;
        alert(&ann, "“empty.txt” is empty").await;
        assert_eq!(ann.attached(&form).await, Ok(Vec::new()));

        // What was taken out of the list may still be there for a while.
        let kept = ann.files_kept().await;
        let photo = files::photograph();
        for (name, bytes, words) in [
            ("bomb.png", files::png_bomb(60_000), "60000 × 60000 pixels"),
            ("torn.jpg", photo[..photo.len() / 2].to_vec(), "Save it anew"),
            ("begun.png", files::png()[..20].to_vec(), "Save it anew"),
        ] {
            ann.attach(&form, &[write(name, &bytes)]).await;
            alert(&ann, words).await;
            ann.click(Scope::In(&form), "button", "Post").await;
            alert(&ann, "Nothing was posted: a file could not be attached").await;
            ann.click(Scope::In(&form), "button", &format!("Remove: {name}")).await;
        }
        assert_eq!(ann.path().await, "/b/wrong");
        assert_eq!((ann.files_kept().await, relay.metrics().await["chanterelle_events"]), (kept, 0.0));

        let png = files::png();
        let both = [png.clone(), HTML.to_vec()].concat();
        let all = [
            write("drawing.svg", SVG),
            write("page.png", HTML),
            write(MARKUP, &both),
            write("blocked.bin", &blocked),
        ];
        ann.attach(&form, &all).await;
        ann.click(Scope::In(&form), "button", "Post").await;
        let path = ann.path_that("the new thread", |path| path.contains("/t/")).await;
        let post = ann.post_with(&opening).await;
        ann.post_in_state(&post.id, "sent").await;
        for bytes in [SVG, HTML] {
            let path = format!("/media/{}", files::id(bytes));
            let answer = wait::until("the relay to have it", async || {
                let answer = relay.get(&path).await;
                wait::holds(answer.status == 200, || answer.status.to_string()).map(|()| answer)
            });
            let answer = answer.await;
            assert_eq!(answer.body, bytes);
            assert_eq!(answer.header("content-type"), "application/octet-stream");
            assert_eq!(answer.header("content-disposition"), "attachment");
            assert_eq!(answer.header("x-content-type-options"), "nosniff");
        }
        for path in ["media", "api/v1/content"] {
            let answer = relay.get(&format!("/{path}/{}", files::id(&blocked))).await;
            assert_eq!((answer.status, &answer.json()["error"]["code"]), (451, &"blocked".into()));
        }
        for name in names(&relay) {
            let answer = relay.get(&format!("/media/{name}")).await;
            let is_picture = answer.header("content-type").starts_with("image/");
            assert!(!(is_picture && files::contains(&answer.body, b"<script")), "{name} is both");
            assert_ne!(name, files::id(&blocked));
        }
        let begun = std::fs::read_dir(relay.data().join("media/partial")).expect("there is such a folder");
        let begun = begun.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        assert!(begun.into_iter().all(|name| !name.starts_with(&files::id(&blocked))), "it is fetched");

        ben.saves_into(into.path()).await;
        ben.open(&relay.url(&format!("{path}?lang=en"))).await;
        ben.click(Scope::Page, "switch", "Show pictures on this board").await;
        for browser in [&ann, &ben] {
            let article = browser.article(&post.id).await;
            browser.picture(Scope::In(&article), MARKUP, (40, 30)).await;
            assert_eq!(browser.pictures_drawn().await, 1, "in {}", browser.name());
        }
        let article = ben.article(&post.id).await;
        for (name, bytes) in [("drawing.svg", SVG), ("page.png", HTML)] {
            let figure = ben.file(&article, name).await;
            ben.says(&figure, "held by 1").await;
            ben.click(Scope::In(&figure), "button", "Download").await;
            assert_eq!(saved(into.path(), name, bytes.len()).await, bytes);
        }
        let figure = ben.file(&article, "blocked.bin").await;
        ben.click(Scope::In(&figure), "button", "Download").await;
        ben.says(&figure, "Looking for somebody who has it").await;
        ben.says(&figure, "nobody connected has it").await;
        for browser in [&ann, &ben] {
            assert_eq!(browser.script(HARM, &[]).await, Ok(false.into()), "in {}", browser.name());
            is_untroubled(browser).await;
            assert_eq!(browser.client().windows().await.map(|windows| windows.len()).ok(), Some(1));
        }
    });
}
