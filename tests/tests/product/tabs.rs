//! Several tabs of one profile: one node, every tab a live view on it, and another takes over when the one that runs it
//! is closed or frozen.

use std::rc::Rc;

use chanterelle_e2e::browser::Browser;
use chanterelle_e2e::elements::Scope;
use chanterelle_e2e::stage::play;
use chanterelle_e2e::wait;
use fantoccini::wd::WindowHandle;
use rustix::process::{Signal, kill_process};
use serde_json::json;

/// A tab of a browser, to be looked at in turn with the others.
struct Tab {
    browser: Rc<Browser>,
    window: WindowHandle,
}

impl Tab {
    /// The first of a browser.
    async fn first(browser: &Rc<Browser>) -> Tab {
        let window = browser.client().window().await.expect("there is a tab");
        Tab { browser: browser.clone(), window }
    }

    /// Another one, which shows `url` and can be used.
    async fn open(browser: &Rc<Browser>, url: &str) -> Tab {
        let window = browser.client().new_window(true).await.expect("another tab can be opened").handle;
        let tab = Tab { browser: browser.clone(), window };
        tab.shown().await.open(url).await;
        tab
    }

    /// The browser with this tab in front.
    async fn shown(&self) -> &Browser {
        self.browser.client().switch_to_window(self.window.clone()).await.expect("the tab is there");
        &self.browser
    }

    async fn close(self) {
        self.shown().await.client().close_window().await.expect("a tab can be closed");
    }
}

async fn network(tab: &Tab) -> String {
    let status = tab.shown().await.find(Scope::Page, "status", "Network").await;
    status.text().await.expect("the status has a text")
}

#[test]
fn every_tab_is_live_and_the_next_takes_over() {
    play("every_tab_is_live_and_the_next_takes_over", async |stage| {
        let relay = stage.relay().await;
        let browser = stage.browser("a").await;
        let first = Tab::first(&browser).await;
        let [opening, from_second, from_first, after] =
            ["opening", "from-second", "from-first", "after"].map(|about| stage.word(about));
        browser.open(&relay.url("/b/tabs?lang=en")).await;
        let thread = relay.url(&format!("{}?lang=en", browser.new_thread("Tabs", &opening).await));
        browser.post_with(&opening).await;

        let second = Tab::open(&browser, &thread).await;
        let op = browser.post_with(&opening).await;
        browser.post_in_state(&op.id, "sent").await;
        assert_eq!(network(&second).await, network(&first).await, "both tell of the same network");
        second.shown().await.reply(&from_second).await;
        let reply = browser.post_with(&from_second).await;
        browser.post_in_state(&reply.id, "sent").await;
        first.shown().await.post_in_state(&reply.id, "sent").await;
        browser.reply(&from_first).await;
        second.shown().await.post_with(&from_first).await;
        assert_eq!(relay.metrics().await["chanterelle_sessions"], 1.0, "one node has one session");
        assert_eq!(browser.alerts().await.expect("alerts can be read"), [""; 0]);

        // The one that runs the node is closed; what is open in the other goes on as if nothing had happened.
        first.close().await;
        second.shown().await.reply(&after).await;
        let last = browser.post_with(&after).await;
        browser.post_in_state(&last.id, "sent").await;
        assert_eq!(browser.posts().await.expect("posts can be read").len(), 4, "and nothing is there twice");
        assert_eq!(relay.metrics().await["chanterelle_events"], 4.0);

        let other = stage.browser("b").await;
        other.open(&thread).await;
        other.post_with(&after).await;
    });
}

/// Posts so many times, one after the other, while the driver looks elsewhere.
const POST: &str = "
    const [word, count] = arguments;
    const form = document.querySelector('form[aria-label=\"Reply\"]');
    const box = form.querySelector('textarea');
    let sent = 0;
    const next = () => {
        if (sent === count) return;
        if (box.value === '') {
            box.value = `${word} ${sent++}.`;
            box.dispatchEvent(new Event('input', {bubbles: true}));
            form.requestSubmit();
        }
        setTimeout(next, 5);
    };
    setTimeout(next, 0);";

#[test]
fn five_tabs_post_at_once_and_each_post_is_there_once() {
    play("five_tabs_post_at_once_and_each_post_is_there_once", async |stage| {
        let relay = stage.relay().await;
        let browser = stage.browser("a").await;
        let opening = stage.word("opening");
        browser.open(&relay.url("/b/five?lang=en")).await;
        let thread = relay.url(&format!("{}?lang=en", browser.new_thread("Five", &opening).await));
        let mut tabs = vec![Tab::first(&browser).await];
        for _ in 1..5 {
            tabs.push(Tab::open(&browser, &thread).await);
            browser.post_with(&opening).await;
        }
        let words: Vec<String> = (0..5).map(|tab| stage.word(&format!("tab-{tab}"))).collect();
        for (tab, word) in tabs.iter().zip(&words) {
            tab.shown().await.script(POST, &[json!(word), json!(10)]).await.expect("the page runs it");
        }
        for tab in &tabs {
            let shown = tab.shown().await;
            wait::until("all posts in every tab", async || {
                let posts = shown.posts().await?;
                wait::holds(posts.len() == 51, || format!("there are {}", posts.len()))?;
                wait::holds(posts.iter().all(|post| post.state == "sent"), || "not all are sent".to_owned())
            })
            .await;
            let posts = shown.posts().await.expect("posts can be read");
            for word in &words {
                for number in 0..10 {
                    let comment = format!("{word} {number}.");
                    let count = posts.iter().filter(|post| post.comment == comment).count();
                    assert_eq!(count, 1, "{comment}");
                }
            }
        }
    });
}

#[test]
fn a_frozen_tab_gives_way_and_comes_back() {
    play("a_frozen_tab_gives_way_and_comes_back", async |stage| {
        let relay = stage.relay().await;
        let browser = stage.browser("a").await;
        let first = Tab::first(&browser).await;
        let [opening, frozen, thawed] = ["opening", "frozen", "thawed"].map(|about| stage.word(about));
        browser.open(&relay.url("/b/frozen?lang=en")).await;
        let thread = relay.url(&format!("{}?lang=en", browser.new_thread("Frozen", &opening).await));
        browser.post_with(&opening).await;
        let second = Tab::open(&browser, &thread).await;
        browser.post_with(&opening).await;

        let freeze = |state: &'static str| json!({ "state": state });
        first.shown().await;
        browser
            .devtools("Page.setWebLifecycleState", freeze("frozen"))
            .await
            .expect("Chromium freezes pages");
        second.shown().await.reply(&frozen).await;
        let reply = browser.post_with(&frozen).await;
        browser.post_in_state(&reply.id, "sent").await;

        first.shown().await;
        browser.devtools("Page.setWebLifecycleState", freeze("active")).await.expect("Chromium thaws pages");
        browser.post_with(&frozen).await;
        browser.reply(&thawed).await;
        let reply = browser.post_with(&thawed).await;
        browser.post_in_state(&reply.id, "sent").await;
        second.shown().await.post_with(&thawed).await;
        // Each node that took over was told what the pages want, and published nothing again.
        assert_eq!(relay.metrics().await["chanterelle_events"], 3.0);
    });
}

#[test]
fn what_is_posted_while_another_tab_takes_over_is_there_once() {
    play("what_is_posted_while_another_tab_takes_over_is_there_once", async |stage| {
        let relay = stage.relay().await;
        let browser = stage.browser("a").await;
        let [opening, word] = ["opening", "during"].map(|about| stage.word(about));
        browser.open(&relay.url("/b/over?lang=en")).await;
        let thread = relay.url(&format!("{}?lang=en", browser.new_thread("Over", &opening).await));
        let mut leaders = vec![Tab::first(&browser).await];
        for _ in 0..3 {
            leaders.push(Tab::open(&browser, &thread).await);
            browser.post_with(&opening).await;
        }
        // It posts one after the other, and never leads itself.
        let posting = leaders.pop().expect("there are four");
        const COUNT: usize = 60;
        posting.shown().await.script(POST, &[json!(word), json!(COUNT)]).await.expect("the page runs it");
        for (closed, leader) in leaders.into_iter().enumerate() {
            if closed == 2 {
                break;
            }
            leader.close().await;
            posting.shown().await;
            let before = browser.posts().await.expect("posts can be read").len();
            wait::until("posting to go on", async || {
                let posts = browser.posts().await?.len();
                wait::holds(posts > before + 3 || posts == COUNT + 1, || format!("{posts} posts"))
            })
            .await;
        }
        wait::until("all to be sent", async || {
            let posts = browser.posts().await?;
            wait::holds(posts.len() > COUNT, || format!("there are {}", posts.len()))?;
            wait::holds(posts.iter().all(|post| post.state == "sent"), || "not all are sent".to_owned())
        })
        .await;
        let posts = browser.posts().await.expect("posts can be read");
        for number in 0..COUNT {
            let comment = format!("{word} {number}.");
            assert_eq!(posts.iter().filter(|post| post.comment == comment).count(), 1, "{comment}");
        }
        assert_eq!(relay.metrics().await["chanterelle_events"], (COUNT + 1) as f64);
    });
}

#[test]
fn a_tab_that_stood_still_does_nothing_twice() {
    play("a_tab_that_stood_still_does_nothing_twice", async |stage| {
        let relay = stage.relay().await;
        let browser = stage.browser("a").await;
        let [opening, meanwhile, after] = ["opening", "meanwhile", "after"].map(|about| stage.word(about));
        browser.open(&relay.url("/b/still?lang=en")).await;
        let thread = relay.url(&format!("{}?lang=en", browser.new_thread("Still", &opening).await));
        let op = browser.post_with(&opening).await;
        browser.post_in_state(&op.id, "sent").await;
        let first = Tab::first(&browser).await;
        let leading = browser.renderer();
        let second = Tab::open(&browser, &thread).await;
        browser.post_with(&opening).await;

        // The leader's process stands still without a word, as on a machine that swaps. What the other tab wants waits
        // in front of it, until that tab takes over.
        kill_process(leading, Signal::STOP).expect("it can be stopped");
        second.shown().await.reply(&meanwhile).await;
        let reply = browser.post_with(&meanwhile).await;
        browser.post_in_state(&reply.id, "sent").await;
        kill_process(leading, Signal::CONT).expect("it goes on");
        first.shown().await.reply(&after).await;
        let last = browser.post_with(&after).await;
        browser.post_in_state(&last.id, "sent").await;
        second.shown().await.post_with(&after).await;
        assert_eq!(browser.posts().await.expect("posts can be read").len(), 3);
        assert_eq!(relay.metrics().await["chanterelle_events"], 3.0);
    });
}

#[test]
fn a_newer_version_upgrades_the_storage_and_the_old_tab_asks_for_a_reload() {
    play("a_newer_version_upgrades_the_storage_and_the_old_tab_asks_for_a_reload", async |stage| {
        // The tab that plays a later build shows no page of ours, and a browser looks for an icon of its own then.
        stage.do_not_watch();
        let relay = stage.relay().await;
        let browser = stage.browser("a").await;
        let old = Tab::first(&browser).await;
        let opening = stage.word("opening");
        browser.open(&relay.url("/b/upgrade?lang=en")).await;
        browser.new_thread("Upgrade", &opening).await;
        let op = browser.post_with(&opening).await;
        browser.post_in_state(&op.id, "sent").await;

        // What a later build does first: it asks to lead, and opens the storage in its version.
        let window = browser.client().new_window(true).await.expect("another tab can be opened").handle;
        browser.client().switch_to_window(window).await.expect("the tab is there");
        browser.goto(&relay.url("/livez")).await;
        const UPGRADE: &str = "
            new BroadcastChannel('chanterelle builds').postMessage('a later build');
            return new Promise((resolve, reject) => navigator.locks.request('chanterelle node', () => {
                const request = indexedDB.open('chanterelle', 1000);
                request.onupgradeneeded = () => request.result.createObjectStore('later');
                request.onsuccess = () => {
                    const stores = [...request.result.objectStoreNames];
                    resolve(stores);
                };
                request.onerror = () => reject(request.error);
                return new Promise(() => {});
            }));";
        let stores = browser.script(UPGRADE, &[]).await.expect("the upgrade is not kept waiting");
        assert!(stores.as_array().is_some_and(|stores| stores.contains(&json!("later"))), "{stores}");

        let shown = old.shown().await;
        wait::until("the old tab to ask for a reload", async || {
            let alerts = shown.alerts().await?;
            wait::holds(alerts.iter().any(|text| text.contains("Reload")), || {
                format!("the alerts are {alerts:?}")
            })
        })
        .await;
        // What it shows stays there to be read.
        assert_eq!(shown.post_with(&opening).await.id, op.id);
    });
}
