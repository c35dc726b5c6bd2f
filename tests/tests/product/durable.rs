//! Nothing is lost: renderers killed in the middle of writing, relays that go away, keep nothing or begin anew, storage
//! that is full or refused.

use std::rc::Rc;
use std::time::Instant;

use chanterelle_e2e::browser::Browser;
use chanterelle_e2e::elements::Scope;
use chanterelle_e2e::relay::{Relay, free_address};
use chanterelle_e2e::stage::{Stage, play};
use chanterelle_e2e::wait;
use serde_json::json;
use tempfile::TempDir;

fn folder() -> TempDir {
    TempDir::new().expect("the system has room for a temporary folder")
}

async fn alert_with(browser: &Browser, words: &str) {
    wait::until(&format!("an alert with {words:?}"), async || {
        let alerts = browser.alerts().await?;
        wait::holds(alerts.iter().any(|text| text.contains(words)), || format!("the alerts are {alerts:?}"))
    })
    .await;
}

/// What was measured, for `cargo xtask bench durable`.
fn row(name: &str, value: f64, unit: &str) {
    let row = json!({"name": name, "value": value, "unit": unit, "baseline": null, "ratio": null});
    println!("bench-row {row}");
}

/// Opens a thread in a browser and waits until it is `sent`; its address.
async fn opened(browser: &Browser, relay: &Relay, board: &str, words: &str) -> String {
    browser.open(&relay.url(&format!("/b/{board}?lang=en"))).await;
    let thread = browser.new_thread(board, words).await;
    let op = browser.post_with(words).await;
    browser.post_in_state(&op.id, "sent").await;
    format!("{thread}?lang=en")
}

#[test]
fn two_who_were_offline_meet_again_and_refill_an_empty_relay() {
    play("two_who_were_offline_meet_again_and_refill_an_empty_relay", async |stage| {
        let relay = stage.relay().await;
        let [opening, of_a, of_b] = ["opening", "of-a", "of-b"].map(|about| stage.word(about));
        let (a, b) = (stage.browser("a").await, stage.browser("b").await);
        let thread = opened(&a, &relay, "offline", &opening).await;
        a.open(&relay.url(&thread)).await;
        b.open(&relay.url(&thread)).await;
        b.post_with(&opening).await;

        relay.stop().await;
        for (browser, words) in [(&a, &of_a), (&b, &of_b)] {
            browser.reply(words).await;
            let reply = browser.post_with(words).await;
            browser.post_in_state(&reply.id, "saved").await;
        }
        relay.start_again().await;
        for browser in [&a, &b] {
            for words in [&of_a, &of_b] {
                browser.post_with(words).await;
            }
        }
        for (browser, words) in [(&a, &of_a), (&b, &of_b)] {
            let reply = browser.post_with(words).await;
            browser.post_in_state(&reply.id, "sent").await;
        }

        // The relay begins anew, with another key and with nothing; the tabs bring back what it had.
        relay.stop().await;
        relay.wipe();
        relay.start_again().await;
        let empty = Instant::now();
        wait::until("the relay to have all three posts again", async || {
            let stored = relay.metrics().await["chanterelle_events"];
            wait::holds(stored == 3.0, || format!("it has {stored}"))
        })
        .await;
        row("durable.relay_refill_s", empty.elapsed().as_secs_f64(), "s");
        let c = stage.browser("c").await;
        c.open(&relay.url(&thread)).await;
        for words in [&opening, &of_a, &of_b] {
            c.post_with(words).await;
        }
    });
}

/// A relay that names another as its peer, each by its address.
async fn with_peer(stage: &Stage, listen: std::net::SocketAddr, peer: std::net::SocketAddr) -> Rc<Relay> {
    let peer = format!("http://{peer}");
    stage.relay_at(listen, folder(), &["--peer", &peer]).await
}

#[test]
fn another_relay_takes_the_place_of_one_that_is_gone() {
    play("another_relay_takes_the_place_of_one_that_is_gone", async |stage| {
        let (here, there) = (free_address(), free_address());
        let first = with_peer(stage, here, there).await;
        let second = with_peer(stage, there, here).await;
        let [before, after] = ["before", "after"].map(|about| stage.word(about));
        let a = stage.browser("a").await;
        let thread = opened(&a, &first, "moving", &before).await;
        a.open(&first.url(&thread)).await;
        a.network(|_, relays| relays == "2").await;
        // Somebody who knows only the other relay has it.
        let b = stage.browser("b").await;
        b.open(&second.url(&thread)).await;
        b.post_with(&before).await;

        first.stop().await;
        let lost = Instant::now();
        a.reply(&after).await;
        let reply = a.post_with(&after).await;
        a.post_in_state(&reply.id, "sent").await;
        row("durable.failover_s", lost.elapsed().as_secs_f64(), "s");
        b.post_with(&after).await;
        first.start_again().await;
    });
}

#[test]
fn another_relay_takes_the_place_of_those_that_fall_silent() {
    play("another_relay_takes_the_place_of_those_that_fall_silent", async |stage| {
        let others = [free_address(), free_address()];
        let peers = others.map(|address| format!("http://{address}"));
        let settings = ["--peer", &peers[0], "--peer", &peers[1]];
        let first = stage.relay_at(free_address(), folder(), &settings).await;
        let others =
            [stage.relay_at(others[0], folder(), &[]).await, stage.relay_at(others[1], folder(), &[]).await];
        let [before, after] = ["before", "after"].map(|about| stage.word(about));
        let a = stage.browser("a").await;
        let thread = opened(&a, &first, "silence", &before).await;
        a.open(&first.url(&thread)).await;
        a.post_with(&before).await;
        // Each of the others has a session with the first, and one of them has the tab's.
        let chosen = wait::until("the tab to be at two relays", async || {
            let mut sessions = Vec::new();
            for other in &others {
                sessions.push(other.metrics().await["chanterelle_sessions"]);
            }
            match sessions[..] {
                [2.0, 1.0] => Ok(0),
                [1.0, 2.0] => Ok(1),
                _ => Err(format!("their sessions are {sessions:?}")),
            }
        })
        .await;

        // Both at once, and their connections stay open.
        first.halt();
        others[chosen].halt();
        let silent = Instant::now();
        a.reply(&after).await;
        let reply = a.post_with(&after).await;
        a.post_in_state(&reply.id, "sent").await;
        row("durable.silence_s", silent.elapsed().as_secs_f64(), "s");
        let left = &others[1 - chosen];
        wait::until("the third relay to have the thread", async || {
            let stored = left.metrics().await["chanterelle_events"];
            wait::holds(stored == 2.0, || format!("it has {stored}"))
        })
        .await;
        // The watch asks all of them.
        first.go_on();
        others[chosen].go_on();
    });
}

#[test]
fn what_a_relay_does_not_keep_stays_saved_and_goes_to_another() {
    play("what_a_relay_does_not_keep_stays_saved_and_goes_to_another", async |stage| {
        let (full, other) = (free_address(), free_address());
        let peer = format!("http://{other}");
        let settings = ["--max-database-mib", "1", "--peer", &peer];
        let first = stage.relay_at(full, folder(), &settings).await;
        let filler = stage.browser("filler").await;
        filler.open(&first.url("/b/filling?lang=en")).await;
        let opening = filler.new_thread("Filling", "The first.").await;
        // Until it is full: it takes no more, and acknowledges nothing.
        const FILL: &str = "
            const form = document.querySelector('form[aria-label=\"Reply\"]');
            const box = form.querySelector('textarea');
            const letters = 'abcdefghijklmnopqrstuvwxyz0123456789 ';
            setInterval(() => {
                if (box.value !== '') return;
                box.value = Array.from({length: 9000}, () => letters[Math.floor(Math.random() * 37)]).join('');
                box.dispatchEvent(new Event('input', {bubbles: true}));
                form.requestSubmit();
            }, 20);";
        filler.script(FILL, &[]).await.expect("the page runs it");
        wait::until("the relay to be full", async || {
            let answer = first.get("/readyz").await;
            wait::holds(answer.status == 507, || format!("it answers {}", answer.status))
        })
        .await;
        filler.open(&first.url("/settings?lang=en")).await;

        let words = stage.word("kept-elsewhere");
        let a = stage.browser("a").await;
        a.open(&first.url(&format!("{opening}?lang=en"))).await;
        a.watch_states().await;
        a.post_with("The first.").await;
        // As large as those that found no room; a small one might.
        a.script(POST_LARGE, &[json!(words)]).await.expect("the page runs it");
        let reply = a.post_with(&words).await;
        a.post_in_state(&reply.id, "saved").await;
        a.open(&first.url("/peers?lang=en")).await;
        wait::until("the relay to be found out", async || {
            let list = a.one(Scope::Page, "list", "Peers").await?;
            let text = list.text().await.map_err(|error| error.to_string())?;
            wait::holds(text.contains("has not confirmed"), || text)
        })
        .await;

        let second = stage.relay_at(other, folder(), &[]).await;
        a.open(&first.url(&format!("{opening}?lang=en"))).await;
        a.post_in_state(&reply.id, "sent").await;
        wait::until("the other relay to have it", async || {
            let stored = second.metrics().await["chanterelle_events_stored_total"];
            wait::holds(stored > 0.0, || format!("it has {stored}"))
        })
        .await;
    });
}

/// Replies with these words and 9,000 characters.
const POST_LARGE: &str = "
    const form = document.querySelector('form[aria-label=\"Reply\"]');
    const box = form.querySelector('textarea');
    const letters = 'abcdefghijklmnopqrstuvwxyz0123456789 ';
    box.value = arguments[0] + ' '
        + Array.from({length: 9000}, () => letters[Math.floor(Math.random() * 37)]).join('');
    box.dispatchEvent(new Event('input', {bubbles: true}));
    form.requestSubmit();";

#[test]
fn a_tab_whose_storage_is_full_says_so_and_goes_on_in_memory() {
    play("a_tab_whose_storage_is_full_says_so_and_goes_on_in_memory", async |stage| {
        let relay = stage.relay().await;
        let [before, during, after] = ["before", "during", "after"].map(|about| stage.word(about));
        let a = stage.browser("a").await;
        let thread = opened(&a, &relay, "quota", &before).await;
        a.open(&relay.url(&thread)).await;
        a.post_with(&before).await;
        let origin = format!("http://{}", relay.address());
        let quota = |size: Option<u32>| match size {
            Some(size) => json!({"origin": origin, "quotaSize": size}),
            None => json!({"origin": origin}),
        };
        a.devtools("Storage.overrideQuotaForOrigin", quota(Some(1))).await.expect("Chromium has quotas");
        // Chromium goes by what it last knew for half a minute.
        let mut count = 0;
        wait::until("the storage to be full", async || {
            count += 1;
            a.reply(&format!("{during} {count}.")).await;
            let alerts = a.alerts().await?;
            wait::holds(alerts.iter().any(|text| text.contains("room")), || format!("{count} posts fit"))
        })
        .await;
        a.reply(&format!("{during} last.")).await;
        let during = format!("{during} last.");
        let reply = a.post_with(&during).await;
        assert_ne!(reply.state, "saved", "it is not called saved");
        // It has gone out all the same, and is read by others.
        let b = stage.browser("b").await;
        b.open(&relay.url(&thread)).await;
        b.post_with(&during).await;
        b.reply(&after).await;
        a.post_with(&after).await;

        a.devtools("Storage.overrideQuotaForOrigin", quota(None)).await.expect("Chromium has quotas");
        a.post_in_state(&reply.id, "sent").await;
        wait::until("the alert to go", async || {
            let alerts = a.alerts().await?;
            wait::holds(alerts.is_empty(), || format!("{alerts:?}"))
        })
        .await;
        a.reload().await;
        a.post_with(&during).await;
    });
}

#[test]
fn a_browser_that_gives_no_storage_is_told_of_and_the_board_works() {
    play("a_browser_that_gives_no_storage_is_told_of_and_the_board_works", async |stage| {
        let relay = stage.relay().await;
        let words = stage.word("in-memory");
        let a = stage.browser_without_storage("a").await;
        a.open(&relay.url("/b/memory?lang=en")).await;
        alert_with(&a, "memory").await;
        let thread = a.new_thread("Memory", &words).await;
        a.post_with(&words).await;
        let b = stage.browser("b").await;
        b.open(&relay.url(&format!("{thread}?lang=en"))).await;
        b.post_with(&words).await;
    });
}

#[test]
fn a_private_window_works_as_any_other() {
    play("a_private_window_works_as_any_other", async |stage| {
        let relay = stage.relay().await;
        let words = stage.word("in-private");
        let a = stage.private_browser("a").await;
        let thread = opened(&a, &relay, "private", &words).await;
        let b = stage.browser("b").await;
        b.open(&relay.url(&thread)).await;
        b.post_with(&words).await;
    });
}

/// Rounds in which the renderer is killed.
const KILLS: usize = 50;

#[test]
fn what_was_shown_as_saved_survives_the_renderer() {
    play("what_was_shown_as_saved_survives_the_renderer", async |stage| {
        let relay = stage.relay().await;
        let a = stage.browser("a").await;
        let opening = stage.word("opening");
        let thread = relay.url(&opened(&a, &relay, "kills", &opening).await);
        a.kept().await;
        // Nobody else has anything of what follows.
        relay.stop().await;
        let home = a.client().window().await.expect("there is a tab");
        let mut saved: Vec<String> = Vec::new();
        for round in 0..KILLS {
            let tab = a.client().new_window(true).await.expect("another tab can be opened").handle;
            a.client().switch_to_window(tab.clone()).await.expect("it can be looked at");
            a.open(&thread).await;
            wait::until("what was saved to be there", async || {
                let posts = a.posts().await?;
                let missing = saved.iter().filter(|id| posts.iter().all(|post| post.id != **id)).count();
                wait::holds(missing == 0 && !posts.is_empty(), || {
                    format!("{missing} are missing in round {round}")
                })
            })
            .await;
            a.script(POST_AND_NOTE, &[json!(round)]).await.expect("the page runs it");
            // After a few, at no moment of ours.
            let some = 1 + round % 5;
            let before = saved.len();
            wait::until("some to be saved", async || {
                let ids = a.script("return window.savedSeen", &[]).await?;
                let ids: Vec<String> = serde_json::from_value(ids).map_err(|error| error.to_string())?;
                let new: Vec<String> = ids.into_iter().filter(|id| !saved.contains(id)).collect();
                saved.extend(new);
                wait::holds(saved.len() >= before + some, || format!("{} are", saved.len() - before))
            })
            .await;
            // The answer never comes: who would give it is gone.
            let _ = a.devtools("Page.crash", json!({})).await;
            a.client().switch_to_window(home.clone()).await.expect("the first tab is still there");
        }
        eprintln!("durable.tab_kill: {KILLS} rounds, {} shown as saved", saved.len());
        row("durable.tab_kill_lost", 0.0, "posts");
        relay.start_again().await;
    });
}

/// Posts without pause, and notes which posts were ever shown as saved.
const POST_AND_NOTE: &str = "
    const round = arguments[0];
    window.savedSeen = [];
    const note = () => {
        for (const post of document.querySelectorAll('article[data-state=saved]')) {
            if (!window.savedSeen.includes(post.dataset.id)) window.savedSeen.push(post.dataset.id);
        }
    };
    new MutationObserver(note).observe(document.body, {subtree: true, childList: true, attributes: true});
    const form = document.querySelector('form[aria-label=\"Reply\"]');
    const box = form.querySelector('textarea');
    let number = 0;
    setInterval(() => {
        if (box.value !== '') return;
        box.value = `round ${round} number ${number++}`;
        box.dispatchEvent(new Event('input', {bubbles: true}));
        form.requestSubmit();
    }, 2);";
