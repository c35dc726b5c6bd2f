//! The board works: a thread begun in one browser is read and answered in another, and nothing is lost on the way.
//!
//! Each browser is a process of its own with a profile of its own; they share nothing but the relay.

use chanterelle_e2e::browser::Browser;
use chanterelle_e2e::elements::Scope;
use chanterelle_e2e::page::Post;
use chanterelle_e2e::relay::Relay;
use chanterelle_e2e::stage::play;
use chanterelle_e2e::wait;
use fantoccini::actions::{InputSource as _, MouseActions, PointerAction};
use fantoccini::elements::Element;
use fantoccini::key::Key;

/// What must be the same in every browser. The text of a comment is not: quotes are marked with whose post it is.
fn essence(posts: &[Post]) -> Vec<(String, String)> {
    posts.iter().map(|post| (post.id.clone(), post.author.clone())).collect()
}

/// The own post ended up sent, and was never shown as more than it was before. A relay of this machine acknowledges so
/// fast that a state may last no longer than the page waits before it draws again.
async fn went_its_way(browser: &Browser, id: &str) {
    browser.post_in_state(id, "sent").await;
    let seen = browser.states_of(id).await;
    let way = ["pending", "saved", "sent"];
    let places: Vec<_> = seen.iter().map(|state| way.iter().position(|known| known == state)).collect();
    assert!(seen[0] == "pending" && places.is_sorted(), "{id} was seen as {seen:?} in {}", browser.name());
}

/// Opens the thread of this subject from the catalog of a board.
async fn open_thread(browser: &Browser, subject: &str) -> String {
    let threads = browser.find(Scope::Page, "list", "Threads").await;
    browser.click(Scope::In(&threads), "link", subject).await;
    browser.path_that("the thread", |path| path.contains("/t/")).await
}

/// Answers the post of this id by its button "Quote".
async fn answer(browser: &Browser, id: &str, words: &str) -> Post {
    let article = browser.article(id).await;
    browser.click(Scope::In(&article), "button", "Quote").await;
    browser.reply(words).await;
    browser.post_with(words).await
}

/// The link in the comment of `post` to the post it quotes.
async fn quote_link(browser: &Browser, post: &Post) -> Element {
    let article = browser.article(&post.id).await;
    let number = &post.quotes.first().expect("the post quotes another").text;
    browser.find(Scope::In(&article), "link", number).await
}

/// Waits until the preview shows the words, or until there is none.
async fn preview(browser: &Browser, words: Option<&str>) {
    wait::until(&format!("the preview to show {words:?}"), async || {
        let mut shown = Vec::new();
        for tooltip in browser.all(Scope::Page, "tooltip", None).await? {
            shown.push(tooltip.text().await.map_err(|error| error.to_string())?);
        }
        let fits = match words {
            Some(words) => shown.iter().any(|text| text.contains(words)),
            None => shown.is_empty(),
        };
        wait::holds(fits, || format!("the previews are {shown:?}"))
    })
    .await;
}

async fn point_at(browser: &Browser, element: Element) {
    let to = PointerAction::MoveToElement { element, duration: None, x: 0.0, y: 0.0 };
    let mouse = MouseActions::new("mouse".to_owned()).then(to);
    browser.client().perform_actions(mouse).await.expect("the mouse can be moved");
}

async fn events_stored(relay: &Relay) -> f64 {
    relay.metrics().await["chanterelle_events_stored_total"]
}

#[test]
fn a_thread_and_its_replies_cross_both_ways() {
    play("a_thread_and_its_replies_cross_both_ways", async |stage| {
        let relay = stage.relay().await;
        let a = stage.browser("a").await;
        let b = stage.browser("b").await;
        let subject = stage.word("subject");
        let [opening, first, second] = ["opening", "first", "second"].map(|about| stage.word(about));

        a.open(&relay.url("/?lang=en")).await;
        a.watch_states().await;
        a.open_board("mushrooms").await;
        let thread = a.new_thread(&subject, &format!("Look what I found: {opening}")).await;
        let op = a.post_with(&opening).await;
        assert_eq!(thread, format!("/b/mushrooms/t/{}", op.id));
        a.find(Scope::Page, "heading", &subject).await;
        a.post_in_state(&op.id, "sent").await;

        b.open(&relay.url("/b/mushrooms?lang=en")).await;
        b.watch_states().await;
        assert_eq!(open_thread(&b, &subject).await, thread);
        let arrived = b.post_with(&opening).await;
        assert_eq!(essence(std::slice::from_ref(&arrived)), essence(std::slice::from_ref(&op)));
        b.post_in_state(&op.id, "saved").await;

        // While both look on: B answers A, and A answers B.
        let reply = answer(&b, &op.id, &first).await;
        let (begin, end) = (op.number(), format!("\n{first}"));
        assert!(reply.comment.starts_with(&begin) && reply.comment.ends_with(&end), "{:?}", reply.comment);
        let quote = reply.quotes.first().expect("the reply quotes");
        assert_eq!((&quote.target, &quote.text), (&op.id, &op.number()));
        assert_ne!(reply.author, op.author, "two people, two pseudonyms");
        went_its_way(&b, &reply.id).await;

        let seen = a.post_in_state(&reply.id, "saved").await;
        assert_eq!(essence(std::slice::from_ref(&seen)), essence(std::slice::from_ref(&reply)));
        assert_eq!(seen.quotes, reply.quotes);
        let backlinked =
            |post: &Post| post.id == op.id && post.backlinks.iter().any(|link| link.target == reply.id);
        a.post_that("the backlink to the reply", backlinked).await;

        // Where the pointer was left, anything may have come to lie under it.
        let elsewhere = a.find(Scope::Page, "status", "Network").await;
        point_at(&a, elsewhere.clone()).await;
        preview(&a, None).await;
        let link = quote_link(&a, &seen).await;
        point_at(&a, link.clone()).await;
        preview(&a, Some(&opening)).await;
        point_at(&a, elsewhere).await;
        preview(&a, None).await;
        a.script("arguments[0].focus()", &[serde_json::to_value(&link).expect("an element has an id")])
            .await
            .expect("a link takes the focus");
        preview(&a, Some(&opening)).await;
        // It may lie over what is pressed next.
        a.press(Key::Escape).await;
        preview(&a, None).await;

        let back = answer(&a, &reply.id, &second).await;
        assert_eq!(back.author, op.author, "one pseudonym in one's own thread");
        assert_eq!(back.quotes.first().map(|quote| &quote.target), Some(&reply.id));
        went_its_way(&a, &back.id).await;
        b.post_in_state(&back.id, "saved").await;

        let posts = a.posts().await.expect("the thread is shown");
        assert_eq!(posts.iter().map(|post| &post.id).collect::<Vec<_>>(), [&op.id, &reply.id, &back.id]);
        for browser in [&a, &b] {
            browser.reload().await;
            browser.post_with(&second).await;
            assert_eq!(essence(&browser.posts().await.expect("the thread is shown")), essence(&posts));
        }
        for (browser, own) in [(&a, &op), (&a, &back), (&b, &reply)] {
            browser.post_in_state(&own.id, "sent").await;
        }

        // Nobody but the relay is left for whoever comes later.
        stage.close(&a).await;
        stage.close(&b).await;
        let c = stage.browser("c").await;
        c.open(&relay.url(&format!("{thread}?lang=en"))).await;
        c.post_with(&second).await;
        c.post_with(&first).await;
        assert_eq!(essence(&c.posts().await.expect("the thread is shown")), essence(&posts));
        assert_eq!(events_stored(&relay).await, 3.0);
    });
}

#[test]
fn posts_wait_for_a_relay_that_is_gone() {
    play("posts_wait_for_a_relay_that_is_gone", async |stage| {
        let relay = stage.relay().await;
        let a = stage.browser("a").await;
        let [before, meanwhile, after] = ["before", "meanwhile", "after"].map(|about| stage.word(about));

        a.open(&relay.url("/b/weather?lang=en")).await;
        a.watch_states().await;
        let thread = a.new_thread("Rain", &before).await;
        let op = a.post_with(&before).await;
        a.post_in_state(&op.id, "sent").await;

        relay.stop().await;
        a.network(|_, relays| relays == "0").await;
        a.reply(&meanwhile).await;
        let waiting = a.post_with(&meanwhile).await;
        a.post_in_state(&waiting.id, "saved").await;
        assert_eq!(a.states_of(&waiting.id).await, ["pending", "saved"], "nobody is there to acknowledge it");

        relay.start_again().await;
        went_its_way(&a, &waiting.id).await;
        a.reply(&after).await;
        let last = a.post_with(&after).await;
        went_its_way(&a, &last.id).await;
        stage.close(&a).await;

        // What was acknowledged survives the relay's own end too.
        relay.stop().await;
        relay.start_again().await;
        let b = stage.browser("b").await;
        b.open(&relay.url(&format!("{thread}?lang=en"))).await;
        for words in [&before, &meanwhile, &after] {
            b.post_with(words).await;
        }
    });
}

#[test]
fn threads_of_one_person_cannot_be_linked() {
    play("threads_of_one_person_cannot_be_linked", async |stage| {
        let relay = stage.relay().await;
        let a = stage.browser("a").await;
        let mut authors = Vec::new();
        for about in ["one", "other"] {
            let words = stage.word(about);
            a.open(&relay.url("/b/masks?lang=en")).await;
            a.new_thread(about, &words).await;
            authors.push(a.post_with(&words).await.author);
        }
        assert_ne!(authors[0], authors[1]);
    });
}
