//! What is written is shown as it was meant, whatever it is, and fits every window.

use chanterelle_e2e::browser::{Browser, ConsoleLine};
use chanterelle_e2e::elements::Scope;
use chanterelle_e2e::place;
use chanterelle_e2e::stage::play;
use chanterelle_e2e::wait;
use fantoccini::Locator;
use serde_json::Value;

/// The computed style of what surrounds the first text node with these words in the article of `id`.
async fn style(browser: &Browser, id: &str, words: &str, property: &str) -> String {
    const STYLE: &str = "
        const [id, words, property] = arguments;
        const walker = document.createTreeWalker(document.querySelector(`article[data-id=\"${id}\"]`), NodeFilter.SHOW_TEXT);
        while (walker.nextNode()) {
            if (walker.currentNode.data.includes(words)) {
                return getComputedStyle(walker.currentNode.parentElement)[property];
            }
        }
        return null;";
    let value = browser.script(STYLE, &[id.into(), words.into(), property.into()]).await;
    let value = value.unwrap_or_else(|error| panic!("{error}"));
    value.as_str().unwrap_or_else(|| panic!("no text {words:?} in {id}")).to_owned()
}

#[test]
fn markup_is_shown() {
    play("markup_is_shown", async |stage| {
        let relay = stage.relay().await;
        let a = stage.browser("a").await;
        let [green, hidden, code, block] =
            ["green", "hidden", "code", "block"].map(|about| stage.word(about));
        let url = "https://example.org/caps?gills=no&n=1";
        a.open(&relay.url("/b/markup?lang=en")).await;
        let comment = format!(
            "plain words\n>{green}\n||{hidden}|| and `{code}`\nsee {url} for more\n```\n{block}  *as it is*\n```"
        );
        a.new_thread("Markup", &comment).await;
        let post = a.post_with(&green).await;
        let article = a.article(&post.id).await;

        assert_ne!(
            style(&a, &post.id, &green, "color").await,
            style(&a, &post.id, "plain words", "color").await,
            "greentext has a colour of its own"
        );
        for words in [&code, &block] {
            let family = style(&a, &post.id, words, "fontFamily").await;
            assert!(family.contains("mono"), "code is monospaced, not {family}");
        }
        assert!(post.comment.contains("*as it is*") && !post.comment.contains("```"), "{}", post.comment);

        let link = a.find(Scope::In(&article), "link", url).await;
        assert_eq!(link.attr("href").await.expect("the link is there").as_deref(), Some(url));
        let rel = link.attr("rel").await.expect("the link is there").unwrap_or_default();
        for word in ["noopener", "noreferrer"] {
            assert!(rel.split(' ').any(|found| found == word), "rel is {rel:?}");
        }

        let covers = async || -> Result<Vec<_>, String> {
            let mut covers = Vec::new();
            for button in a.all(Scope::In(&article), "button", None).await? {
                if a.label(&button).await?.to_lowercase().contains("spoiler") {
                    covers.push(button);
                }
            }
            Ok(covers)
        };
        let cover = covers().await.expect("the article is there").pop().expect("a spoiler is covered");
        assert!(
            !a.label(&cover).await.expect("the cover is there").contains(&hidden),
            "the cover tells nothing"
        );
        cover.click().await.expect("the cover can be pressed");
        wait::until("the spoiler to be uncovered", async || {
            let left = covers().await?.len();
            wait::holds(left == 0, || format!("{left} are covered"))
        })
        .await;
        let text = article.text().await.expect("the article is there");
        assert!(text.contains(&hidden), "{text}");
    });
}

/// Each would set `window.pwned` if it were taken for anything but text.
const HOSTILE: [&str; 14] = [
    "<script>window.pwned=1</script>",
    "<img src=x onerror=window.pwned=1>",
    "<svg/onload=window.pwned=1>",
    "\"><b onmouseover=window.pwned=1>bold</b>",
    "javascript:window.pwned=1",
    "[click](javascript:window.pwned=1)",
    "</textarea></article><script>window.pwned=1</script>",
    "{{constructor.constructor('window.pwned=1')()}}",
    "&lt;script&gt;window.pwned=1&lt;/script&gt;",
    "<a href=\"javascript:window.pwned=1\">x</a>",
    "<style>*{display:none!important}</style>",
    "<iframe srcdoc='<script>parent.pwned=1</script>'></iframe>",
    "data:text/html,<script>window.pwned=1</script>",
    "\u{202e}evil\u{2066}",
];

fn is_trouble(line: &ConsoleLine) -> bool {
    line.level == "SEVERE" || line.source == "security" || line.text.contains("Content Security Policy")
}

async fn is_unharmed(browser: &Browser) {
    const HARM: &str = "return window.pwned !== undefined
        || document.querySelectorAll('main :is(script, style, iframe, object, embed, [onerror], [onload], [onmouseover])').length > 0
        || [...document.querySelectorAll('main img')].some(i => i.getAttribute('src') === 'x')
        || [...document.querySelectorAll('a[href]')].some(a => !['http:', 'https:'].includes(a.protocol))";
    assert_eq!(browser.script(HARM, &[]).await, Ok(Value::Bool(false)), "in {}", browser.name());
    let trouble: Vec<_> = browser.console().await.into_iter().filter(is_trouble).collect();
    assert!(trouble.is_empty(), "the console of {} has {trouble:#?}", browser.name());
}

#[test]
fn hostile_text_stays_text() {
    play("hostile_text_stays_text", async |stage| {
        let relay = stage.relay().await;
        let a = stage.browser("a").await;
        let b = stage.browser("b").await;
        let words = stage.word("hostile");
        a.open(&relay.url("/b/hostile?lang=en")).await;
        let subject = "<img src=x onerror=window.pwned=1>";
        let comment = format!("{words}\n{}", HOSTILE.join("\n"));
        let thread = a.new_thread(subject, &comment).await;
        let post = a.post_with(&words).await;
        a.post_in_state(&post.id, "sent").await;

        b.open(&relay.url("/b/hostile?lang=en")).await;
        let threads = b.find(Scope::Page, "list", "Threads").await;
        b.find(Scope::In(&threads), "link", subject).await;
        is_unharmed(&b).await;
        b.click(Scope::In(&threads), "link", subject).await;
        assert_eq!(b.path_that("the thread", |path| path.contains("/t/")).await, thread);
        for browser in [&a, &b] {
            let post = browser.post_with(&words).await;
            for payload in HOSTILE {
                assert!(post.comment.contains(payload), "{payload:?} is not shown in {:?}", post.comment);
            }
            browser.find(Scope::Page, "heading", subject).await;
            is_unharmed(browser).await;
        }
        // The same in the preview of a quote, and as a draft.
        let article = b.article(&post.id).await;
        b.click(Scope::In(&article), "button", "Quote").await;
        b.reply("no harm").await;
        let reply = b.post_with("no harm").await;
        let quoting = b.article(&reply.id).await;
        let quote = b.find(Scope::In(&quoting), "link", &post.number()).await;
        b.script("arguments[0].focus()", &[serde_json::to_value(&quote).expect("an element has an id")])
            .await
            .expect("a link takes the focus");
        wait::until("the preview", async || {
            let shown = b.all(Scope::Page, "tooltip", None).await?;
            let text = match shown.first() {
                Some(tooltip) => tooltip.text().await.map_err(|error| error.to_string())?,
                None => String::new(),
            };
            wait::holds(text.contains(HOSTILE[0]), || format!("it is {text:?}"))
        })
        .await;
        is_unharmed(&b).await;
    });
}

/// A board as people leave it: short and long, code and quotes, a word that does not break.
async fn furnish(browser: &Browser, url: &str) -> String {
    let threads = [
        (
            "Chanterelle or false chanterelle?",
            "Found under beech, smells of apricot.\n>forked ridges, not gills\nSo which is it?",
        ),
        ("", "No subject, and a ||spoiler|| in the middle of it."),
        (
            "A subject that goes on and on, as they do when nobody could decide what the thread is about",
            "Short.",
        ),
        ("Unbreakable", &"mycelium".repeat(40)),
        (
            "Spore print",
            "```\nfn print(cap: &Cap) -> Spores { cap.place_on(Paper::White).cover_with(Glass::upside_down()).wait(Hours(12)).lift() }\n```",
        ),
        (
            "First finds of the year",
            "Three in one morning, right behind the old mill.\nhttps://example.org/a/very/long/address/that/does/not/break/anywhere/because/it/has/no/spaces?and=a&query=too",
        ),
    ];
    let mut last = String::new();
    for (subject, comment) in threads {
        browser.open(url).await;
        last = browser.new_thread(subject, comment).await;
    }
    let op = browser.post_with("Three in one morning").await;
    let article = browser.article(&op.id).await;
    browser.click(Scope::In(&article), "button", "Quote").await;
    browser
        .reply("Where exactly?\n>right behind the old mill\nThere are several mills, most of them old.")
        .await;
    let reply = browser.post_with("several mills").await;
    let article = browser.article(&reply.id).await;
    browser.click(Scope::In(&article), "button", "Quote").await;
    browser.reply(&"Hypha".repeat(60)).await;
    let end = browser.post_with("HyphaHypha").await;
    browser.post_in_state(&end.id, "sent").await;
    last
}

#[test]
fn pages_fit_phones_and_desks() {
    play("pages_fit_phones_and_desks", async |stage| {
        let shots = place::artifacts("shots");
        let relay = stage.relay().await;
        let a = stage.browser("a").await;
        let thread = furnish(&a, &relay.url("/b/mushrooms?lang=en")).await;
        a.open(&relay.url("/b/mills?lang=en")).await;
        a.new_thread("Old mills", "For completeness.").await;

        let pages = [
            ("home", "/"),
            ("catalog", "/b/mushrooms"),
            ("thread", &thread),
            ("peers", "/peers"),
            ("settings", "/settings"),
        ];
        let mut wide = Vec::new();
        for (page, path) in pages {
            a.open(&relay.url(&format!("{path}?lang=en"))).await;
            for width in [360, 1280] {
                for dark in [false, true] {
                    a.look(width, if width < 500 { 740 } else { 900 }, dark).await;
                    let scheme = if dark { "dark" } else { "light" };
                    let name = format!("{page}-{scheme}-{width}");
                    a.screenshot(&shots.join(format!("{name}.png")))
                        .await
                        .unwrap_or_else(|error| panic!("{error}"));
                    let overflow = a.overflow().await;
                    if overflow > 0 {
                        wide.push(format!("{name} by {overflow} px"));
                    }
                }
            }
        }
        assert!(wide.is_empty(), "wider than the window: {}", wide.join(", "));
        let ink = async |dark| {
            a.look(1280, 900, dark).await;
            let body = a.client().find(Locator::Css("body")).await.expect("a page has a body");
            body.css_value("color").await.expect("a body has a colour")
        };
        assert_ne!(ink(false).await, ink(true).await, "there is a dark theme");
    });
}
