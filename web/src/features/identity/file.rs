//! The backup file: the identity with its friends and boards, sealed with a passphrase (age). Made, and restored from.

use chanterelle_annex::question::{Key, SecretBytes, SecretText};
use js_sys::{Array, Date, Uint8Array};
use leptos::prelude::*;
use leptos::{ev, html};
use serde::{Deserialize, Serialize};
use serde_bytes::{ByteArray, ByteBuf};
use wasm_bindgen::JsCast as _;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, HtmlAnchorElement, Url};

use super::{Standing, backup, current_key, current_passphrase, offer, restore, secret_input};
use crate::annex;
use crate::i18n as t;
use crate::kit::Work;
use crate::state::Client;

/// Larger files are no backups, bytes; they are not even read.
const LARGEST: f64 = 1024.0 * 1024.0;

/// What is sealed in a backup file: DAG-CBOR of this map. A later version has another `v`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    v: u64,
    root: ByteArray<32>,
    /// What a node remembers beside events; see `core/src/node/state.rs`.
    state: Option<ByteBuf>,
}

#[derive(Deserialize)]
struct Version {
    v: u64,
}

/// Makes a file, and restores from one.
pub(crate) fn backup_file(standing: Standing) -> AnyView {
    (html::p().child(t::FILE_ABOUT), save_form(standing), open_form(standing)).into_any()
}

fn save_form(standing: Standing) -> AnyView {
    let client = Client::here();
    let current = NodeRef::<html::Input>::new();
    let field = NodeRef::<html::Input>::new();
    let work = Work::new();
    let submit = move |event: ev::SubmitEvent| {
        event.prevent_default();
        let Some(input) = field.get_untracked() else { return };
        let passphrase = input.value();
        if passphrase.is_empty() {
            return work.refuse(t::PASSPHRASE_EMPTY);
        }
        work.begin(t::SEALING, async move {
            let key = current_key(standing, current).await?;
            let backup = backup(client, key).await?;
            let content = Content { v: 1, root: backup.root, state: backup.state };
            let content = serde_ipld_dagcbor::to_vec(&content).expect("bytes and a number encode");
            let sealed = annex::seal(SecretBytes(content), SecretText(passphrase)).await;
            let sealed = sealed.map_err(|error| t::annex_failed(&error, t::backup_refused))?;
            download(&sealed)?;
            input.set_value("");
            offer::backed_up();
            Ok(t::FILE_SAVED)
        });
    };
    html::form()
        .class("field")
        .on(ev::submit, submit)
        .child((
            current_passphrase(standing, "file-current", current),
            html::label().attr("for", "file-passphrase").child(t::FILE_PASSPHRASE),
            html::div().class("joined").child((
                secret_input("file-passphrase", "new-password", field),
                html::button().r#type("submit").child(t::SAVE_FILE),
            )),
            work.view(),
        ))
        .into_any()
}

fn open_form(standing: Standing) -> AnyView {
    let client = Client::here();
    let file = NodeRef::<html::Input>::new();
    let field = NodeRef::<html::Input>::new();
    let work = Work::new();
    let submit = move |event: ev::SubmitEvent| {
        event.prevent_default();
        let (Some(input), Some(passphrase)) = (file.get_untracked(), field.get_untracked()) else { return };
        let Some(chosen) = input.files().and_then(|files| files.get(0)) else {
            return work.refuse(t::FILE_NONE);
        };
        if chosen.size() > LARGEST {
            return work.refuse(t::FILE_TOO_LARGE);
        }
        work.begin(t::OPENING_FILE, async move {
            let bytes =
                JsFuture::from(chosen.array_buffer()).await.map_err(|_| t::FILE_UNREADABLE.to_owned())?;
            let bytes = Uint8Array::new(&bytes).to_vec();
            let opened = annex::open(bytes, SecretText(passphrase.value())).await;
            let opened = opened.map_err(|error| t::annex_failed(&error, t::backup_refused))?;
            let content = read(&opened.0)?;
            let state = content.state.map(ByteBuf::into_vec);
            restore(client, &Key(*content.root), state).await?;
            passphrase.set_value("");
            input.set_value("");
            standing.again(client);
            Ok(t::RESTORED)
        });
    };
    html::form()
        .class("field")
        .on(ev::submit, submit)
        .child((
            html::label().attr("for", "restore-file").child(t::FILE),
            html::input().id("restore-file").r#type("file").attr("accept", ".age").node_ref(file),
            html::label().attr("for", "restore-passphrase").child(t::FILE_PASSPHRASE_OF),
            html::div().class("joined").child((
                secret_input("restore-passphrase", "off", field),
                html::button().r#type("submit").child(t::RESTORE_FILE),
            )),
            work.view(),
        ))
        .into_any()
}

/// Reads what was sealed in a file.
fn read(bytes: &[u8]) -> Result<Content, String> {
    let foreign = |_| t::FILE_FOREIGN.to_owned();
    let Version { v } = serde_ipld_dagcbor::from_slice(bytes).map_err(foreign)?;
    if v != 1 {
        return Err(t::FILE_NEWER.to_owned());
    }
    serde_ipld_dagcbor::from_slice(bytes).map_err(foreign)
}

/// Has the browser save the file, under a name with today's date.
fn download(bytes: &[u8]) -> Result<(), String> {
    let failed = |_| t::FILE_NOT_SAVED.to_owned();
    let part = Uint8Array::from(bytes);
    let blob = Blob::new_with_u8_array_sequence(&Array::of1(&part)).map_err(failed)?;
    let url = Url::create_object_url_with_blob(&blob).map_err(failed)?;
    let link: HtmlAnchorElement = document().create_element("a").map_err(failed)?.unchecked_into();
    let date = String::from(Date::new_0().to_iso_string());
    link.set_href(&url);
    link.set_download(&format!("chanterelle-{}.age", &date[..10]));
    link.click();
    // The browser has taken hold of it with the click.
    Url::revoke_object_url(&url).map_err(failed)
}
