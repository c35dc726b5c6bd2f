//! What a person does on the page and reads from it, in the roles, names and attributes of `docs/interfaces.md`.

use fantoccini::elements::Element;
use fantoccini::key::Key;
use serde::Deserialize;

use crate::browser::Browser;
use crate::elements::Scope;
use crate::wait;

/// A post as the page shows it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Post {
    /// `data-id`.
    pub id: String,
    /// `data-author`.
    pub author: String,
    /// `data-state`: `pending`, `saved` or `sent`.
    pub state: String,
    /// The text of its comment.
    pub comment: String,
    /// All text of the article.
    pub text: String,
    /// Quotes in its comment: the post each leads to.
    pub quotes: Vec<Quote>,
    /// Links to posts elsewhere in the article: the posts that quote it.
    pub backlinks: Vec<Quote>,
}

/// A link to a post.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Quote {
    /// Its text.
    pub text: String,
    /// `data-ref`.
    pub target: String,
}

impl Post {
    /// `>>` and 8 hexadecimal digits, as the post is quoted.
    ///
    /// # Panics
    /// When the id is no hexadecimal text.
    #[must_use]
    pub fn number(&self) -> String {
        let digits = self.id.get(..8).unwrap_or_else(|| panic!("{:?} is no id", self.id));
        format!(">>{digits}")
    }
}

/// Reads all posts. A preview shows a post once more and is not counted.
const POSTS: &str = "
    const link = a => ({text: a.textContent, target: a.dataset.ref});
    return [...document.querySelectorAll('article[data-id]')].filter(a => !a.closest('[role=tooltip]')).map(a => {
        const comment = a.querySelector('[data-part=\"comment\"]');
        const links = [...a.querySelectorAll('a[data-ref]')].filter(l => !l.closest('[role=tooltip]'));
        return {
            id: a.dataset.id,
            author: a.dataset.author,
            state: a.dataset.state,
            comment: comment ? comment.textContent : '',
            text: a.textContent,
            quotes: links.filter(l => comment && comment.contains(l)).map(link),
            backlinks: links.filter(l => !(comment && comment.contains(l))).map(link),
        };
    });";

/// Notes each state a post is seen in, from now on until the document is left.
const WATCH_STATES: &str = "
    window.statesSeen = {};
    const note = () => document.querySelectorAll('article[data-id]').forEach(a => {
        const seen = window.statesSeen[a.dataset.id] ??= [];
        if (seen.at(-1) !== a.dataset.state) seen.push(a.dataset.state);
    });
    note();
    new MutationObserver(note).observe(document,
        {subtree: true, childList: true, attributes: true, attributeFilter: ['data-state', 'data-id']});";

impl Browser {
    /// Opens a URL and waits until the page can be used.
    ///
    /// # Panics
    /// When it never can.
    pub async fn open(&self, url: &str) {
        self.goto(url).await;
        self.ready().await;
    }

    /// Waits until the page can be used.
    ///
    /// # Panics
    /// When it never can.
    pub async fn ready(&self) {
        let what = format!("html[data-ready] in {}", self.name());
        wait::until(&what, async || {
            let ready =
                self.script("return document.documentElement.hasAttribute('data-ready')", &[]).await?;
            wait::holds(ready == true, || "the attribute is not there".to_owned())
        })
        .await;
    }

    /// Waits until a service worker keeps the page and answers for it, so that no network is needed any more.
    ///
    /// # Panics
    /// When none ever does.
    pub async fn kept(&self) {
        const STATE: &str = "return navigator.serviceWorker.controller?.state ?? 'there is none'";
        wait::until(&format!("the service worker of {}", self.name()), async || {
            let state = self.script(STATE, &[]).await?;
            wait::holds(state == "activated", || format!("its state is {state}"))
        })
        .await;
    }

    /// Waits until the status "Network" says that the counts of direct connections and of relays are right.
    ///
    /// # Panics
    /// When they never are.
    pub async fn network(&self, fits: impl Fn(&str, &str) -> bool) {
        wait::until(&format!("the connections of {}", self.name()), async || {
            let status = self.one(Scope::Page, "status", "Network").await?;
            let mut counts = [String::new(), String::new()];
            for (count, name) in counts.iter_mut().zip(["data-direct", "data-relays"]) {
                let value = status.attr(name).await.map_err(|error| error.to_string())?;
                *count = value.unwrap_or_default();
            }
            wait::holds(fits(&counts[0], &counts[1]), || format!("direct and relays are {counts:?}"))
        })
        .await;
    }

    /// Loads the page again, and waits until it can be used.
    ///
    /// # Panics
    /// When it never can.
    pub async fn reload(&self) {
        let address = self.client().current_url().await.expect("the browser knows the address");
        self.note_opened(address.as_str());
        self.client()
            .refresh()
            .await
            .unwrap_or_else(|error| panic!("{} does not reload: {error}", self.name()));
        self.ready().await;
    }

    /// The path of the page.
    ///
    /// # Panics
    /// When the browser does not tell.
    pub async fn path(&self) -> String {
        self.client().current_url().await.expect("the browser knows the address").path().to_owned()
    }

    /// Waits until the path fulfils a condition, and gives it.
    ///
    /// # Panics
    /// When it never does.
    pub async fn path_that(&self, what: &str, fits: impl Fn(&str) -> bool) -> String {
        let path = wait::until(&format!("{what} in {}", self.name()), async || {
            let path = self.path().await;
            wait::holds(fits(&path), || format!("the path is {path}")).map(|()| path)
        })
        .await;
        self.ready().await;
        path
    }

    /// Opens a board from the list of boards, where the page must be.
    ///
    /// # Panics
    /// When that does not lead to the board.
    pub async fn open_board(&self, board: &str) {
        self.fill(Scope::Page, "Board name", board).await;
        self.click(Scope::Page, "button", "Open board").await;
        self.path_that("the board", |path| path == format!("/b/{board}")).await;
    }

    /// Begins a thread on the board that is shown, and gives the path it leads to.
    ///
    /// # Panics
    /// When that does not lead to a thread.
    pub async fn new_thread(&self, subject: &str, comment: &str) -> String {
        self.click(Scope::Page, "button", "New thread").await;
        let form = self.find(Scope::Page, "form", "New thread").await;
        self.fill(Scope::In(&form), "Subject", subject).await;
        self.fill(Scope::In(&form), "Comment", comment).await;
        self.click(Scope::In(&form), "button", "Post").await;
        self.path_that("the new thread", |path| path.contains("/t/")).await
    }

    /// Answers in the thread that is shown, behind what stands in the box already. The box is empty again once the post
    /// is made.
    ///
    /// # Panics
    /// When it is not taken.
    pub async fn reply(&self, comment: &str) {
        let form = self.find(Scope::Page, "form", "Reply").await;
        let comment_box = self.find(Scope::In(&form), "textbox", "Comment").await;
        comment_box.send_keys(comment).await.unwrap_or_else(|error| panic!("the box takes no text: {error}"));
        self.click(Scope::In(&form), "button", "Post").await;
        wait::until("the box to be empty again", async || {
            let comment_box = self.one(Scope::In(&form), "textbox", "Comment").await?;
            let value = comment_box.prop("value").await.map_err(|error| error.to_string())?;
            wait::holds(value.as_deref() == Some(""), || format!("it holds {value:?}"))
        })
        .await;
    }

    /// On `/me`: what this person is called in their friend code from now on.
    ///
    /// # Panics
    /// When that is not said to be so.
    pub async fn name_oneself(&self, name: &str) {
        self.fill(Scope::Page, "Your name, as friends will see it", name).await;
        self.click(Scope::Page, "button", "Save").await;
        let said = format!("“{name}”");
        wait::until("the name to be taken", async || {
            let text = self.client().source().await.map_err(|error| error.to_string())?;
            wait::holds(text.contains(&said), || "it is not said".to_owned())
        })
        .await;
    }

    /// On `/me`: the link of this person's friend code that opens a board.
    ///
    /// # Panics
    /// When there is none.
    pub async fn friend_code(&self, board: &str) -> String {
        const CHOOSE: &str = "
            const choice = document.querySelector('#code-board');
            const known = [...choice.options].some(option => option.value === arguments[0]);
            if (known) {
                choice.value = arguments[0];
                choice.dispatchEvent(new Event('change', {bubbles: true}));
            }
            return known;";
        wait::until("the board to be offered", async || {
            let known = self.script(CHOOSE, &[board.into()]).await?;
            wait::holds(known == true, || "it is not".to_owned())
        })
        .await;
        // It is made anew for the board: told apart by what it decodes to, which is longer by the name.
        let mut before = String::new();
        wait::until("the code to stay as it is", async || {
            let field = self.one(Scope::Page, "textbox", "Friend code").await?;
            let value = field.prop("value").await.map_err(|error| error.to_string())?.unwrap_or_default();
            let stays = value == std::mem::replace(&mut before, value.clone()) && value.contains("/f#chan1");
            wait::holds(stays, || value.clone()).map(|()| value)
        })
        .await
    }

    /// All posts that are shown, in their order.
    ///
    /// # Errors
    /// When one lacks an attribute.
    pub async fn posts(&self) -> Result<Vec<Post>, String> {
        let posts = self.script(POSTS, &[]).await?;
        serde_json::from_value(posts).map_err(|error| error.to_string())
    }

    /// Waits for the one post whose comment contains the words.
    ///
    /// # Panics
    /// When it does not come.
    pub async fn post_with(&self, words: &str) -> Post {
        self.post_that(&format!("a post with {words:?}"), |post| post.comment.contains(words)).await
    }

    /// Waits for the one post that fulfils a condition.
    ///
    /// # Panics
    /// When none ever does.
    pub async fn post_that(&self, what: &str, fits: impl Fn(&Post) -> bool) -> Post {
        wait::until(&format!("{what} in {}", self.name()), async || {
            let posts = self.posts().await?;
            let mut found = posts.iter().filter(|post| fits(post));
            match (found.next(), found.next()) {
                (Some(post), None) => Ok(post.clone()),
                (None, _) => Err(format!("there is none among {posts:?}")),
                (Some(_), Some(_)) => Err(format!("there are several among {posts:?}")),
            }
        })
        .await
    }

    /// Waits until the post of this id has this state.
    ///
    /// # Panics
    /// When it never has.
    pub async fn post_in_state(&self, id: &str, state: &str) -> Post {
        self.post_that(&format!("{state:?} of {id}"), |post| post.id == id && post.state == state).await
    }

    /// The article of a post.
    ///
    /// # Panics
    /// When it is not shown.
    pub async fn article(&self, id: &str) -> Element {
        wait::until(&format!("the article of {id} in {}", self.name()), async || {
            for article in self.all(Scope::Page, "article", None).await? {
                let found = article.attr("data-id").await.map_err(|error| error.to_string())?;
                if found.as_deref() == Some(id) {
                    return Ok(article);
                }
            }
            Err("there is none".to_owned())
        })
        .await
    }

    /// From now on notes each state that a post is shown in, for [`Browser::states_of`].
    ///
    /// # Panics
    /// When the page does not let it.
    pub async fn watch_states(&self) {
        self.script(WATCH_STATES, &[]).await.expect("the page runs scripts of the driver");
    }

    /// The states a post was seen in, in order.
    ///
    /// # Panics
    /// When they were not watched.
    pub async fn states_of(&self, id: &str) -> Vec<String> {
        let seen = self.script("return window.statesSeen[arguments[0]] ?? []", &[id.into()]).await;
        serde_json::from_value(seen.expect("states are watched")).expect("states are texts")
    }

    /// The texts of all alerts that are shown.
    ///
    /// # Errors
    /// When the page changes meanwhile.
    pub async fn alerts(&self) -> Result<Vec<String>, String> {
        let mut texts = Vec::new();
        for alert in self.all(Scope::Page, "alert", None).await? {
            texts.push(alert.text().await.map_err(|error| error.to_string())?);
        }
        Ok(texts.into_iter().filter(|text| !text.trim().is_empty()).collect())
    }

    /// Presses a key where the focus is.
    ///
    /// # Panics
    /// When nothing has the focus.
    pub async fn press(&self, key: Key) {
        let focused = self.client().active_element().await.expect("something has the focus");
        focused.send_keys(&char::from(key).to_string()).await.expect("what has the focus takes keys");
    }

    /// By how many CSS pixels the page is wider than its window.
    ///
    /// # Panics
    /// When the browser does not tell.
    pub async fn overflow(&self) -> i64 {
        let root = "const root = document.documentElement; return root.scrollWidth - root.clientWidth";
        self.script(root, &[])
            .await
            .expect("every page has a width")
            .as_i64()
            .expect("a width is a whole number")
    }
}
