//! Elements by role and accessible name, as assistive technology sees them: the browser computes both (WAI-ARIA 1.2,
//! accname-1.2), so a hidden or unnamed element is not found.

use fantoccini::Locator;
use fantoccini::elements::Element;

use crate::browser::{Browser, Extra};
use crate::wait;

/// A page, or a part of it.
#[derive(Clone, Copy, Debug)]
pub enum Scope<'a> {
    /// The whole page.
    Page,
    /// What is inside an element.
    In(&'a Element),
}

/// What can have the role: natively, or because it says so. The browser then tells which of them really do.
fn candidates(role: &str) -> String {
    let native = match role {
        "alert" | "status" | "tooltip" => "output",
        "article" => "article",
        "button" => "button, summary, input",
        "combobox" => "select, input",
        "dialog" => "dialog",
        "form" => "form",
        "heading" => "h1, h2, h3, h4, h5, h6",
        "image" => "img, svg",
        "link" => "a[href]",
        "list" => "ul, ol, menu",
        "listitem" => "li",
        "navigation" => "nav",
        "switch" | "checkbox" => "input",
        "textbox" => "input, textarea",
        other => panic!("add the native elements of the role {other} here"),
    };
    format!("{native}, [role~='{role}']")
}

impl Browser {
    /// All elements of this role and name, in document order. Without a name any will do.
    ///
    /// # Errors
    /// When the page changes meanwhile.
    pub async fn all(
        &self,
        scope: Scope<'_>,
        role: &str,
        name: Option<&str>,
    ) -> Result<Vec<Element>, String> {
        let selector = candidates(role);
        let locator = Locator::Css(&selector);
        let found = match scope {
            Scope::Page => self.client().find_all(locator).await,
            Scope::In(element) => element.find_all(locator).await,
        };
        let mut fitting = Vec::new();
        for element in found.map_err(|error| error.to_string())? {
            if self.role(&element).await? == role
                && (name.is_none() || name == Some(self.label(&element).await?.as_str()))
            {
                fitting.push(element);
            }
        }
        Ok(fitting)
    }

    /// The role the browser computes for an element.
    ///
    /// # Errors
    /// When the element is gone.
    pub async fn role(&self, element: &Element) -> Result<String, String> {
        let role = self.issue(Extra::Role(element.element_id().to_string())).await?;
        Ok(match role.as_str().unwrap_or_default() {
            // The two names of the role are synonyms (WAI-ARIA 1.3, `image`).
            "img" => "image",
            // Chromium's word for a `summary`; HTML-AAM has no role for it, and what it does is a button's.
            "DisclosureTriangle" => "button",
            role => role,
        }
        .to_owned())
    }

    /// The accessible name the browser computes for an element.
    ///
    /// # Errors
    /// When the element is gone.
    pub async fn label(&self, element: &Element) -> Result<String, String> {
        let label = self.issue(Extra::Label(element.element_id().to_string())).await?;
        Ok(label.as_str().unwrap_or_default().trim().to_owned())
    }

    /// Waits for the one element of this role and name.
    ///
    /// # Panics
    /// When there is none, or always several.
    pub async fn find(&self, scope: Scope<'_>, role: &str, name: &str) -> Element {
        let what = format!("the {role} \"{name}\" in {}", self.name());
        wait::until(&what, async || self.one(scope, role, name).await).await
    }

    /// The one element of this role and name, now.
    ///
    /// # Errors
    /// When there is none, or several.
    pub async fn one(&self, scope: Scope<'_>, role: &str, name: &str) -> Result<Element, String> {
        let mut found = self.all(scope, role, Some(name)).await?;
        match (found.len(), found.pop()) {
            (1, Some(element)) => Ok(element),
            (0, _) => Err(format!("there is no {role} of this name")),
            (several, _) => Err(format!("there are {several}")),
        }
    }

    /// Clicks the one element of this role and name, as soon as it can be clicked.
    ///
    /// # Panics
    /// When it cannot be.
    pub async fn click(&self, scope: Scope<'_>, role: &str, name: &str) {
        let what = format!("the {role} \"{name}\" in {} to be clicked", self.name());
        wait::until(&what, async || {
            let element = self.one(scope, role, name).await?;
            element.click().await.map_err(|error| error.to_string())
        })
        .await;
    }

    /// Types a text into the one textbox of this name, instead of what is in it.
    ///
    /// # Panics
    /// When it does not take it.
    pub async fn fill(&self, scope: Scope<'_>, name: &str, text: &str) {
        let what = format!("the textbox \"{name}\" in {} to take a text", self.name());
        wait::until(&what, async || {
            let element = self.one(scope, "textbox", name).await?;
            element.clear().await.map_err(|error| error.to_string())?;
            element.send_keys(text).await.map_err(|error| error.to_string())?;
            let value = element.prop("value").await.map_err(|error| error.to_string())?;
            wait::holds(value.as_deref() == Some(text), || format!("it holds {value:?}"))
        })
        .await;
    }
}
