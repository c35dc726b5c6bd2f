//! What a person does with files: attaches them to a post, looks at them, saves them.

use std::path::{Path, PathBuf};

use fantoccini::Locator;
use fantoccini::elements::Element;
use serde_json::{Value, json};

use crate::browser::Browser;
use crate::elements::Scope;
use crate::wait;

/// How many files the page keeps in this browser, whole or in part.
const KEPT: &str = "
    const count = async (folder) => {
        let files = 0;
        for await (const entry of folder.values()) {
            files += entry.kind === 'file' ? (await entry.getFile()).size > 0 : await count(entry);
        }
        return files;
    };
    return count(await navigator.storage.getDirectory());";

/// Of a picture, once it is decoded: pixels across and down, and the colours near its upper and its lower edge.
const LOOK: &str = "
    const [image] = arguments;
    await image.decode();
    const [width, height] = [image.naturalWidth, image.naturalHeight];
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext('2d');
    context.drawImage(image, 0, 0);
    const at = (y) => [...context.getImageData(width >> 1, y, 1, 1).data].slice(0, 3);
    return {width, height, above: at(height >> 4), below: at(height - 1 - (height >> 4))};";

/// A picture as it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
pub struct Picture {
    /// Pixels across, of the picture itself.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Red, green and blue near its upper edge.
    pub above: [u8; 3],
    /// The same near its lower edge.
    pub below: [u8; 3],
}

impl Browser {
    /// Chooses files in a form, by "Attach files".
    ///
    /// # Panics
    /// When the form takes none.
    pub async fn attach(&self, form: &Element, files: &[PathBuf]) {
        self.choose(form, "Attach files", files).await;
    }

    /// Chooses files in a form, by the input of this name.
    ///
    /// # Panics
    /// When it takes none.
    pub async fn choose(&self, form: &Element, name: &str, files: &[PathBuf]) {
        let paths: Vec<&str> = files.iter().map(|file| file.to_str().expect("the path is text")).collect();
        let what = format!("{name:?} in {} to take files", self.name());
        wait::until(&what, async || {
            let inputs = form.find_all(Locator::Css("input[type=file]")).await;
            for input in inputs.map_err(|error| error.to_string())? {
                if self.label(&input).await?.starts_with(name) {
                    return input.send_keys(&paths.join("\n")).await.map_err(|error| error.to_string());
                }
            }
            Err("there is no such input".to_owned())
        })
        .await;
    }

    /// The files of the post that is being written: the text of each in the list "Files of this post".
    ///
    /// # Errors
    /// When the page changes meanwhile.
    pub async fn attached(&self, form: &Element) -> Result<Vec<String>, String> {
        let mut texts = Vec::new();
        // An empty list is none to whoever cannot see it.
        for list in self.all(Scope::In(form), "list", Some("Files of this post")).await? {
            for item in self.all(Scope::In(&list), "listitem", None).await? {
                texts.push(item.text().await.map_err(|error| error.to_string())?);
            }
        }
        Ok(texts)
    }

    /// Begins a thread with files on the board that is shown, and gives the path it leads to. `describe` is said of the
    /// one file.
    ///
    /// # Panics
    /// When that does not lead to a thread.
    pub async fn new_thread_with(
        &self,
        subject: &str,
        comment: &str,
        files: &[PathBuf],
        describe: Option<&str>,
    ) -> String {
        self.click(Scope::Page, "button", "New thread").await;
        let form = self.find(Scope::Page, "form", "New thread").await;
        self.fill(Scope::In(&form), "Subject", subject).await;
        self.fill(Scope::In(&form), "Comment", comment).await;
        self.attach(&form, files).await;
        if let Some(words) = describe {
            self.fill(Scope::In(&form), "Describe it for people who cannot see it", words).await;
        }
        self.click(Scope::In(&form), "button", "Post").await;
        self.path_that("the new thread", |path| path.contains("/t/")).await
    }

    /// How many files are kept in this browser, whole or in part.
    ///
    /// # Panics
    /// When the browser does not tell.
    pub async fn files_kept(&self) -> u64 {
        let kept = self.script(KEPT, &[]).await.expect("a page sees what it keeps");
        kept.as_u64().expect("a count")
    }

    /// How many pictures of files are drawn on the page.
    ///
    /// # Panics
    /// When the browser does not tell.
    pub async fn pictures_drawn(&self) -> u64 {
        let drawn = "return document.querySelectorAll('main img[src^=\"blob:\"]').length";
        self.script(drawn, &[]).await.expect("the page is quiet").as_u64().expect("a count")
    }

    /// Waits until the one picture described by these words has so many pixels across and down.
    ///
    /// # Panics
    /// When it never has.
    pub async fn picture(&self, scope: Scope<'_>, words: &str, size: (u32, u32)) -> Picture {
        let what = format!("the picture \"{words}\" in {}", self.name());
        wait::until(&what, async || {
            let image = self.one(scope, "image", words).await?;
            let looked = self.script(LOOK, &[json!(image)]).await?;
            let picture: Picture = serde_json::from_value(looked).map_err(|error| error.to_string())?;
            wait::holds((picture.width, picture.height) == size, || format!("{picture:?}")).map(|()| picture)
        })
        .await
    }

    /// The file of a post whose text contains these words.
    ///
    /// # Panics
    /// When there is none.
    pub async fn file(&self, article: &Element, words: &str) -> Element {
        wait::until(&format!("the file {words:?} in {}", self.name()), async || {
            let figures = article.find_all(Locator::Css("figure")).await;
            for figure in figures.map_err(|error| error.to_string())? {
                let text = figure.text().await.map_err(|error| error.to_string())?;
                if text.contains(words) {
                    return Ok(figure);
                }
            }
            Err("there is none".to_owned())
        })
        .await
    }

    /// Waits until the text of an element has these words.
    ///
    /// # Panics
    /// When it never has.
    pub async fn says(&self, element: &Element, words: &str) {
        wait::until(&format!("{words:?} in {}", self.name()), async || {
            let text = element.text().await.map_err(|error| error.to_string())?;
            wait::holds(text.contains(words), || format!("it says {text:?}"))
        })
        .await;
    }

    /// From now on what is saved goes into this folder.
    ///
    /// # Panics
    /// When the browser refuses.
    pub async fn saves_into(&self, folder: &Path) {
        let parameters = json!({"behavior": "allow", "downloadPath": folder});
        self.devtools("Browser.setDownloadBehavior", parameters).await.expect("Chromium saves files");
    }

    /// Everything in the console that tells of something forbidden or broken. What cannot be reached is not.
    pub async fn complaints(&self) -> Vec<String> {
        let is_trouble = |level: &str, source: &str, text: &str| {
            source == "security"
                || text.contains("Content Security Policy")
                || (level == "SEVERE" && source != "network" && !text.contains("WebSocket"))
        };
        let lines = self.console().await;
        let lines = lines.into_iter().filter(|line| is_trouble(&line.level, &line.source, &line.text));
        lines.map(|line| format!("{} {} {}", line.level, line.source, line.text)).collect()
    }
}

/// Waits until a file of this size was saved, and gives its bytes.
///
/// # Panics
/// When it never is.
pub async fn saved(folder: &Path, name: &str, size: usize) -> Vec<u8> {
    let path = folder.join(name);
    wait::until(&format!("{} to be saved", path.display()), async || {
        let bytes = std::fs::read(&path).map_err(|error| {
            let names = std::fs::read_dir(folder).into_iter().flatten().flatten();
            format!("{error}; there are {:?}", names.map(|entry| entry.file_name()).collect::<Vec<_>>())
        })?;
        wait::holds(bytes.len() == size, || format!("it has {} bytes", bytes.len())).map(|()| bytes)
    })
    .await
}

/// Runs a script that gives a number.
///
/// # Errors
/// When it throws, or gives none.
pub async fn number(browser: &Browser, script: &str) -> Result<f64, String> {
    let value: Value = browser.script(script, &[]).await?;
    value.as_f64().ok_or_else(|| format!("it is {value}"))
}
