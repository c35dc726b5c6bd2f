//! The identity: backed up as words and as a file, restored in another browser, locked by a passphrase; and what is wrong
//! changes nothing.

use std::path::Path;

use chanterelle_e2e::browser::Browser;
use chanterelle_e2e::elements::Scope;
use chanterelle_e2e::relay::Relay;
use chanterelle_e2e::site::Site;
use chanterelle_e2e::stage::play;
use chanterelle_e2e::wait;
use fantoccini::Locator;
use serde_json::json;

/// Who somebody is, as `/me` shows it.
async fn fingerprint(browser: &Browser, relay: &Relay) -> String {
    browser.open(&relay.url("/me?lang=en")).await;
    wait::until("the fingerprint", async || {
        let shown =
            browser.client().find(Locator::Css(".fingerprint")).await.map_err(|error| error.to_string())?;
        let text = shown.text().await.map_err(|error| error.to_string())?;
        wait::holds(text.len() > 64, || text.clone()).map(|()| text)
    })
    .await
}

async fn alert(browser: &Browser, words: &str) {
    wait::until(&format!("an alert with {words:?}"), async || {
        let alerts = browser.alerts().await?;
        wait::holds(alerts.iter().any(|text| text.contains(words)), || format!("the alerts are {alerts:?}"))
    })
    .await;
}

async fn said(browser: &Browser, words: &str) {
    wait::until(&format!("it says {words:?}"), async || {
        let text = browser.client().find(Locator::Css("main")).await.map_err(|error| error.to_string())?;
        let text = text.text().await.map_err(|error| error.to_string())?;
        wait::holds(text.contains(words), || text)
    })
    .await;
}

/// Types into a field that shows no text, by its id.
async fn fill(browser: &Browser, id: &str, text: &str) {
    let css = format!("#{id}");
    wait::until(&format!("the field {id}"), async || {
        let field = browser.client().find(Locator::Css(&css)).await.map_err(|error| error.to_string())?;
        field.clear().await.map_err(|error| error.to_string())?;
        field.send_keys(text).await.map_err(|error| error.to_string())
    })
    .await;
}

async fn recovery_phrase(browser: &Browser, relay: &Relay) -> String {
    browser.open(&relay.url("/settings?lang=en")).await;
    browser.click(Scope::Page, "button", "Show recovery phrase").await;
    wait::until("the words", async || {
        let field = browser.one(Scope::Page, "textbox", "Recovery phrase").await?;
        let value = field.prop("value").await.map_err(|error| error.to_string())?.unwrap_or_default();
        wait::holds(value.split_whitespace().count() == 24, || value.clone()).map(|()| value)
    })
    .await
}

#[test]
fn words_bring_a_person_to_another_browser() {
    play("words_bring_a_person_to_another_browser", async |stage| {
        let relay = stage.relay().await;
        let [mine, more] = ["mine", "more"].map(|about| stage.word(about));
        let a = stage.browser("a").await;
        a.open(&relay.url("/b/words?lang=en")).await;
        let thread = a.new_thread("Words", &mine).await;
        let op = a.post_with(&mine).await;
        a.post_in_state(&op.id, "sent").await;
        let who = fingerprint(&a, &relay).await;
        let words = recovery_phrase(&a, &relay).await;

        let b = stage.browser("b").await;
        let other = fingerprint(&b, &relay).await;
        assert_ne!(other, who);
        b.open(&relay.url("/settings?lang=en")).await;
        // What is wrong changes nothing.
        let list: Vec<&str> = words.split_whitespace().collect();
        let mut swapped = list.clone();
        swapped.swap(0, 1);
        let wrong = [
            (list[..23].join(" "), "has 24 words"),
            (words.replacen(list[3], "mushroomz", 1), "Word 4"),
            (
                if list[0] == list[1] { "abandon ".repeat(24) } else { swapped.join(" ") },
                "do not belong together",
            ),
        ];
        for (typed, why) in &wrong {
            b.fill(Scope::Page, "Recovery phrase", typed).await;
            b.click(Scope::Page, "button", "Restore").await;
            alert(&b, why).await;
        }
        assert_eq!(fingerprint(&b, &relay).await, other, "who they were before");

        b.open(&relay.url("/settings?lang=en")).await;
        b.fill(Scope::Page, "Recovery phrase", &format!("  {}\n", words.to_uppercase())).await;
        b.click(Scope::Page, "button", "Restore").await;
        said(&b, "Restored").await;
        assert_eq!(fingerprint(&b, &relay).await, who);

        // The thread is theirs here too: known by its key, answered by the same, and it can be withdrawn.
        b.open(&relay.url(&format!("{thread}?lang=en"))).await;
        b.post_with(&mine).await;
        b.reply(&more).await;
        let reply = b.post_with(&more).await;
        b.post_in_state(&reply.id, "sent").await;
        let article = b.article(&op.id).await;
        let text = article.text().await.expect("a post has a text");
        assert!(text.contains("(You)"), "{text}");
        let authors =
            b.script("return [...document.querySelectorAll('article')].map(a => a.dataset.author)", &[]);
        let authors = authors.await.expect("posts have authors");
        assert_eq!(authors[0], authors[1], "{authors}");

        // And back.
        b.open(&relay.url("/settings?lang=en")).await;
        b.click(Scope::Page, "button", "Go back to it").await;
        said(&b, "kept in turn").await;
        // Within one page, what was posted under one identity is not posted again under the other.
        assert_eq!(fingerprint(&b, &relay).await, other);
        assert_eq!(relay.metrics().await["chanterelle_events"], 2.0);
    });
}

#[test]
fn another_identity_publishes_nothing_of_the_one_before() {
    play("another_identity_publishes_nothing_of_the_one_before", async |stage| {
        let relay = stage.relay().await;
        let [first, second] = ["first", "second"].map(|about| stage.word(about));
        let [a, b] = [stage.browser("a").await, stage.browser("b").await];
        let words = recovery_phrase(&b, &relay).await;
        a.open(&relay.url("/b/twice?lang=en")).await;
        a.new_thread("Twice", &first).await;
        let op = a.post_with(&first).await;
        a.post_in_state(&op.id, "sent").await;
        // In the same page, whose worker goes on with another node.
        a.click(Scope::Page, "link", "Settings").await;
        a.fill(Scope::Page, "Recovery phrase", &words).await;
        a.click(Scope::Page, "button", "Restore").await;
        said(&a, "Restored").await;
        a.client().back().await.expect("a browser goes back");
        a.post_with(&first).await;
        a.reply(&second).await;
        let reply = a.post_with(&second).await;
        a.post_in_state(&reply.id, "sent").await;
        assert_ne!(reply.author, op.author);
        assert_eq!(relay.metrics().await["chanterelle_events"], 2.0);
    });
}

#[test]
fn a_file_brings_friends_and_boards_along() {
    play("a_file_brings_friends_and_boards_along", async |stage| {
        let relay = stage.relay().await;
        let downloads = stage.folder().join("downloads");
        // What an earlier run left would be taken for this one's.
        let _ = std::fs::remove_dir_all(&downloads);
        std::fs::create_dir_all(&downloads).expect("the folder of the test is writable");
        let a = stage.browser("a").await;
        let allow = json!({"behavior": "allow", "downloadPath": downloads});
        a.devtools("Browser.setDownloadBehavior", allow).await.expect("Chromium saves files");
        a.open(&relay.url("/b/taken-along?lang=en")).await;
        let who = fingerprint(&a, &relay).await;
        a.name_oneself("Ann").await;
        a.open(&relay.url("/settings?lang=en")).await;
        fill(&a, "file-passphrase", "correct horse battery staple").await;
        a.click(Scope::Page, "button", "Save backup file").await;
        said(&a, "among your downloads").await;
        let file = wait::until("the file", async || {
            let files = std::fs::read_dir(&downloads).map_err(|error| error.to_string())?;
            let mut files = files.flatten().map(|entry| entry.path());
            files.find(|path| path.extension().is_some_and(|end| end == "age")).ok_or("none yet".to_owned())
        })
        .await;

        let b = stage.browser("b").await;
        let other = fingerprint(&b, &relay).await;
        let foreign = downloads.join("picture.age");
        std::fs::write(&foreign, b"\x89PNG and more").expect("the folder is writable");
        let damaged = downloads.join("damaged.age");
        let mut bytes = std::fs::read(&file).expect("the file can be read");
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        std::fs::write(&damaged, bytes).expect("the folder is writable");
        b.open(&relay.url("/settings?lang=en")).await;
        for (path, passphrase, why) in [
            (&foreign, "correct horse battery staple", "no backup"),
            (&damaged, "correct horse battery staple", "damaged"),
            (&file, "incorrect horse", "does not open"),
            (&file, "", "passphrase first"),
        ] {
            open_file(&b, path, passphrase).await;
            alert(&b, why).await;
        }
        assert_eq!(fingerprint(&b, &relay).await, other, "who they were before");

        b.open(&relay.url("/settings?lang=en")).await;
        open_file(&b, &file, "correct horse battery staple").await;
        said(&b, "Restored").await;
        assert_eq!(fingerprint(&b, &relay).await, who);
        said(&b, "Friends will see “Ann”").await;
        b.open(&relay.url("/?lang=en")).await;
        said(&b, "/taken-along/").await;
    });
}

async fn open_file(browser: &Browser, path: &Path, passphrase: &str) {
    let field = browser.client().find(Locator::Css("#restore-file")).await.expect("a field for files");
    field.send_keys(&path.display().to_string()).await.expect("it takes a file");
    fill(browser, "restore-passphrase", passphrase).await;
    browser.click(Scope::Page, "button", "Restore from file").await;
}

#[test]
fn a_passphrase_locks_the_identity_from_the_next_start_on() {
    play("a_passphrase_locks_the_identity_from_the_next_start_on", async |stage| {
        let relay = stage.relay().await;
        let words = stage.word("behind-the-lock");
        let a = stage.browser("a").await;
        a.open(&relay.url("/b/locked?lang=en")).await;
        let thread = a.new_thread("Locked", &words).await;
        let op = a.post_with(&words).await;
        a.post_in_state(&op.id, "sent").await;
        let who = fingerprint(&a, &relay).await;
        a.open(&relay.url("/settings?lang=en")).await;
        fill(&a, "lock-new", "open sesame").await;
        fill(&a, "lock-again", "open sesam").await;
        a.click(Scope::Page, "button", "Set passphrase").await;
        alert(&a, "not the same").await;
        fill(&a, "lock-again", "open sesame").await;
        a.click(Scope::Page, "button", "Set passphrase").await;
        said(&a, "From the next start on").await;

        a.goto(&relay.url(&format!("{thread}?lang=en"))).await;
        a.find(Scope::Page, "form", "Unlock").await;
        assert!(a.posts().await.expect("posts can be looked for").is_empty(), "nothing is shown before");
        fill(&a, "unlock", "open barley").await;
        a.click(Scope::Page, "button", "Unlock").await;
        alert(&a, "not your passphrase").await;
        fill(&a, "unlock", "open sesame").await;
        a.click(Scope::Page, "button", "Unlock").await;
        a.ready().await;
        a.post_with(&words).await;
        // Shown only to whoever knows it, even while it is open. Each page that is opened asks again, being the only one.
        a.goto(&relay.url("/settings?lang=en")).await;
        fill(&a, "unlock", "open sesame").await;
        a.click(Scope::Page, "button", "Unlock").await;
        a.find(Scope::Page, "button", "Remove passphrase").await;
        a.click(Scope::Page, "button", "Show recovery phrase").await;
        alert(&a, "passphrase first").await;
        fill(&a, "lock-current", "open sesame").await;
        a.click(Scope::Page, "button", "Remove passphrase").await;
        said(&a, "No passphrase is asked for").await;
        assert_eq!(fingerprint(&a, &relay).await, who);
    });
}

#[test]
fn who_has_forgotten_the_passphrase_comes_back_by_the_words() {
    play("who_has_forgotten_the_passphrase_comes_back_by_the_words", async |stage| {
        let relay = stage.relay().await;
        let a = stage.browser("a").await;
        let words = recovery_phrase(&a, &relay).await;
        let who = fingerprint(&a, &relay).await;
        a.open(&relay.url("/settings?lang=en")).await;
        fill(&a, "lock-new", "forgotten").await;
        fill(&a, "lock-again", "forgotten").await;
        a.click(Scope::Page, "button", "Set passphrase").await;
        said(&a, "From the next start on").await;

        a.goto(&relay.url("/settings?lang=en")).await;
        a.find(Scope::Page, "form", "Unlock").await;
        a.fill(Scope::Page, "Recovery phrase", "abandon about").await;
        a.click(Scope::Page, "button", "Restore").await;
        alert(&a, "24").await;
        a.fill(Scope::Page, "Recovery phrase", &words).await;
        a.click(Scope::Page, "button", "Restore").await;
        said(&a, "Restored").await;
        a.ready().await;
        assert_eq!(fingerprint(&a, &relay).await, who);
    });
}

#[test]
fn whoever_asks_a_worker_that_stops_is_told() {
    play("whoever_asks_a_worker_that_stops_is_told", async |stage| {
        // It is made to stop, and the page comes from a server that is no relay.
        stage.do_not_watch();
        let relay = stage.relay().await;
        let site = Site::copy(&relay).await;
        const OBEDIENT: &str = "
            const told = new BroadcastChannel('told');
            told.onmessage = ({data}) => {
                if (data === 'stop') throw new Error('it was told to');
                port.onmessage = null;
                told.postMessage('understood');
            };
            program.serve(";
        site.change("/worker.js", |worker| worker.replace("program.serve(", OBEDIENT));
        let address = site.serve();
        let a = stage.browser("a").await;
        a.open(&format!("http://{address}/settings?lang=en")).await;
        // The worker is at work.
        a.network(|_, relays| relays == "1").await;
        const TELL: &str = "
            window.tell = new BroadcastChannel('told');
            return new Promise((understood) => {
                tell.onmessage = () => understood(true);
                tell.postMessage('be deaf');
            });";
        a.script(TELL, &[]).await.expect("the page may talk to its worker");
        a.click(Scope::Page, "button", "Show recovery phrase").await;
        said(&a, "Making the words").await;
        a.script("tell.postMessage('stop')", &[]).await.expect("the page may talk to its worker");
        alert(&a, "No answer came").await;
        // And whoever comes later.
        a.click(Scope::Page, "button", "Show recovery phrase").await;
        alert(&a, "No answer came").await;
    });
}
