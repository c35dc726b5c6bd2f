//! Without a network: the page opens from what its service worker keeps, and takes posts. With another version of the
//! page: it waits until the person wants it.

use chanterelle_e2e::browser::Browser;
use chanterelle_e2e::elements::Scope;
use chanterelle_e2e::site::{Site, build};
use chanterelle_e2e::stage::play;
use chanterelle_e2e::wait;
use serde_json::{Value, json};

#[test]
fn the_page_opens_and_takes_posts_without_a_network() {
    play("the_page_opens_and_takes_posts_without_a_network", async |stage| {
        let relay = stage.relay().await;
        let a = stage.browser("a").await;
        let [before, meanwhile] = ["before", "meanwhile"].map(|about| stage.word(about));
        a.open(&relay.url("/b/moss?lang=en")).await;
        let thread = a.new_thread("Moss", &before).await;
        let op = a.post_with(&before).await;
        a.post_in_state(&op.id, "sent").await;
        a.kept().await;

        relay.stop().await;
        a.reload().await;
        a.post_with(&before).await;
        a.network(|_, relays| relays == "0").await;
        a.open(&relay.url("/b/moss?lang=en")).await;
        let threads = a.find(Scope::Page, "list", "Threads").await;
        a.find(Scope::In(&threads), "link", "Moss").await;
        // A board that was never opened, by its address and from the list.
        a.open(&relay.url("/b/lichen?lang=en")).await;
        a.find(Scope::Page, "button", "New thread").await;
        a.open(&relay.url("/?lang=en")).await;
        a.open_board("ferns").await;

        a.open(&relay.url(&format!("{thread}?lang=en"))).await;
        a.watch_states().await;
        a.reply(&meanwhile).await;
        let reply = a.post_with(&meanwhile).await;
        a.post_in_state(&reply.id, "saved").await;
        a.reload().await;
        a.post_in_state(&reply.id, "saved").await;
        a.post_with(&before).await;

        relay.start_again().await;
        a.post_in_state(&reply.id, "sent").await;
    });
}

/// Asks the annex for the words of 32 zeros, as the page does, and gives what comes back as a text.
const WORDS: &str = "
    const program = document.querySelector('meta[name=annex]').content;
    const worker = new Worker('/worker.js', {type: 'module'});
    const {port1, port2} = new MessageChannel();
    return new Promise((give, fail) => {
        worker.onerror = event => fail(event.message || 'there is no worker');
        port1.onmessage = ({data}) => {
            if (data.length > 0) {
                worker.terminate();
                return give(new TextDecoder().decode(data));
            }
            // The first kind of question, for the words of 32 bytes (postcard).
            port1.postMessage(new Uint8Array([0, 32, ...new Uint8Array(32)]));
        };
        worker.postMessage({module: program + '_bg.wasm', glue: program + '.js', port: port2}, [port2]);
    });";

#[test]
fn the_annex_runs_with_a_network_and_without() {
    play("the_annex_runs_with_a_network_and_without", async |stage| {
        let relay = stage.relay().await;
        let a = stage.browser("a").await;
        a.open(&relay.url("/?lang=en")).await;
        let words = async || {
            let words = a.script(WORDS, &[]).await.unwrap_or_else(|error| panic!("{error}"));
            words.as_str().expect("the answer is a text").to_owned()
        };
        let answer = words().await;
        let expected = format!("{}art", "abandon ".repeat(23));
        assert!(answer.contains(&expected), "{answer:?}");
        a.kept().await;
        relay.stop().await;
        assert_eq!(words().await, answer);
        a.reload().await;
        assert_eq!(words().await, answer);
        relay.start_again().await;
    });
}

#[test]
fn the_files_of_the_page_are_kept_and_nothing_else() {
    play("the_files_of_the_page_are_kept_and_nothing_else", async |stage| {
        let relay = stage.relay().await;
        let a = stage.browser("a").await;
        a.open(&relay.url("/b/moss?lang=en")).await;
        a.kept().await;
        a.reload().await;
        a.network(|_, relays| relays == "1").await;
        const ASK: &str = "
            const ask = path => fetch(path).then(answer => answer.status, () => 'nobody');
            return Promise.all(['/api/v1/info', '/livez', '/nothing', '/media/x', '/icons/icon.svg', '/sw.js'].map(ask));";
        let ask = async || a.script(ASK, &[]).await.expect("the page may ask its relay");
        stage.do_not_watch();
        assert_eq!(ask().await, json!([200, 200, 404, 404, 200, 200]));
        const KEPT: &str = "
            const names = await caches.keys();
            const kept = await Promise.all(names.map(async name => (await (await caches.open(name)).keys())));
            return [names, kept.flat().map(request => new URL(request.url).pathname).sort()];";
        let build = build(&relay).await;
        let files: Vec<&String> = build["files"].as_object().expect("files by path").keys().collect();
        let name = format!("chanterelle {}", build["name"].as_str().expect("the build has a name"));
        assert_eq!(a.script(KEPT, &[]).await, Ok(json!([[name], files])));
        for path in files {
            let answer = relay.get(path).await;
            let caching = answer.header("cache-control");
            let has_hash =
                ["/chanterelle-annex-", "/chanterelle-media-"].iter().any(|name| path.starts_with(name));
            assert!(
                caching.contains("immutable") || (caching == "no-cache" && !has_hash),
                "{path}: {caching}"
            );
        }
        assert_eq!(relay.get("/sw.js").await.header("cache-control"), "no-cache");
        assert_eq!(relay.get("/").await.header("cache-control"), "no-cache");
        relay.stop().await;
        assert_eq!(ask().await, json!(["nobody", "nobody", "nobody", "nobody", 200, "nobody"]));
        relay.start_again().await;
    });
}

#[test]
fn a_browser_without_service_workers_has_the_page_all_the_same() {
    play("a_browser_without_service_workers_has_the_page_all_the_same", async |stage| {
        let relay = stage.relay().await;
        let a = stage.browser("a").await;
        let without = json!({"source": "delete Navigator.prototype.serviceWorker"});
        a.devtools("Page.addScriptToEvaluateOnNewDocument", without)
            .await
            .expect("the driver runs scripts early");
        let words = stage.word("without");
        a.open(&relay.url("/b/moss?lang=en")).await;
        assert_eq!(a.script("return 'serviceWorker' in navigator", &[]).await, Ok(false.into()));
        a.new_thread("Moss", &words).await;
        let op = a.post_with(&words).await;
        a.post_in_state(&op.id, "sent").await;
        assert_eq!(a.alerts().await, Ok(Vec::new()));
        let severe: Vec<_> = a.console().await.into_iter().filter(|line| line.level == "SEVERE").collect();
        assert!(severe.is_empty(), "{severe:#?}");
    });
}

const NEWER: &str = "A new version is ready.";

/// Whether the page says that there is a newer one.
async fn offers(browser: &Browser) -> Result<bool, String> {
    for status in browser.all(Scope::Page, "status", None).await? {
        if status.text().await.map_err(|error| error.to_string())?.contains(NEWER) {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn offered(browser: &Browser) {
    wait::until("the notice of a new version", async || {
        wait::holds(offers(browser).await?, || "it is not there".to_owned())
    })
    .await;
}

/// Whether the page that is shown is the changed one.
async fn is_second(browser: &Browser) -> Result<bool, String> {
    let found = browser.script("return document.querySelector('meta[name=second]') !== null", &[]).await?;
    Ok(found == true)
}

async fn becomes_second(browser: &Browser) {
    wait::until("the new version", async || {
        wait::holds(is_second(browser).await?, || "it is the old one".to_owned())
    })
    .await;
}

#[test]
fn a_new_version_waits_until_it_is_wanted() {
    play("a_new_version_waits_until_it_is_wanted", async |stage| {
        // The page comes from a server that is no relay.
        stage.do_not_watch();
        let relay = stage.relay().await;
        let site = Site::copy(&relay).await;
        let address = site.serve();
        let home = format!("http://{address}/?lang=en");
        let a = stage.browser("a").await;
        a.open(&home).await;
        a.kept().await;
        let first = a.client().window().await.expect("there is a tab");

        site.change("/", |shell| shell.replace("<title>", "<meta name=\"second\"><title>"));
        site.rename("second");
        a.reload().await;
        assert_eq!(is_second(&a).await, Ok(false), "the old version goes on");
        offered(&a).await;

        // Another tab of the old version, in which something is being typed.
        let second = a.client().new_window(true).await.expect("a second tab can be opened").handle;
        a.client().switch_to_window(second.clone()).await.expect("it can be looked at");
        a.goto(&home).await;
        a.fill(Scope::Page, "Board name", "unfinished").await;
        assert_eq!(is_second(&a).await, Ok(false), "one version for all tabs");

        a.client().switch_to_window(first.clone()).await.expect("the first is still there");
        a.click(Scope::Page, "button", "Reload").await;
        becomes_second(&a).await;

        a.client().switch_to_window(second.clone()).await.expect("the second is still there");
        offered(&a).await;
        assert_eq!(is_second(&a).await, Ok(false), "nobody asked this tab");
        let typed = a.find(Scope::Page, "textbox", "Board name").await.prop("value").await;
        assert_eq!(typed.expect("a textbox has a value").as_deref(), Some("unfinished"));
        a.click(Scope::Page, "button", "Reload").await;
        becomes_second(&a).await;
        a.client().switch_to_window(first).await.expect("the first is still there");
        a.client().close_window().await.expect("a tab can be closed");
        a.client().switch_to_window(second).await.expect("the second is still there");
        // Only one of them could be used at a time.
        a.ready().await;
        const LATEST: &str = "
            const {active, waiting, installing} = await navigator.serviceWorker.getRegistration();
            return active.state === 'activated' && !waiting && !installing;";
        assert_eq!(a.script(LATEST, &[]).await, Ok(true.into()));
        assert_eq!(offers(&a).await, Ok(false), "there is nothing newer");
        let names = a.script("return caches.keys()", &[]).await.expect("the page may look at its caches");
        let names: Vec<&str> = names.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        assert!(matches!(names.as_slice(), [only] if only.starts_with("chanterelle second ")), "{names:?}");
    });
}
