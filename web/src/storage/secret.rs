//! The person's root secret at rest: wrapped by an AES-GCM key that the browser keeps and gives to nobody (Web
//! Cryptography Level 2, section 28; `extractable` false). A copy of the profile's files yields it to whoever can run
//! a browser on them; a script or an extension that reads the stored values alone gets only the wrapped form.
//!
//! | key in `meta` | value |
//! |---|---|
//! | `key` | the wrapping `CryptoKey` |
//! | `root` | 12 bytes of nonce, then the sealed 32 bytes |
//!
//! Backup, restore and a passphrase lock are none of this module's business.

use chanterelle_core::crypto::Root;
use chanterelle_core::node::StorageError;
use futures::future::try_join;
use js_sys::{Array, Object, Promise, Reflect, Uint8Array};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;

use super::connection::{Durability, words};
use super::{META, Storage, bytes};

const KEY: &str = "key";
const ROOT: &str = "root";

/// NIST SP 800-38D, section 5.2.1.1: the length AES-GCM is made for.
const NONCE_BYTES: usize = 12;

/// Bound to the sealed bytes, so that they pass for nothing else.
const CONTEXT: &str = "chanterelle root 1";

#[wasm_bindgen]
extern "C" {
    type Subtle;
    #[wasm_bindgen(method, catch, js_name = generateKey)]
    fn generate_key(
        this: &Subtle,
        algorithm: &Object,
        extractable: bool,
        usages: &Array,
    ) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn encrypt(
        this: &Subtle,
        algorithm: &Object,
        key: &JsValue,
        data: &Uint8Array,
    ) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn decrypt(
        this: &Subtle,
        algorithm: &Object,
        key: &JsValue,
        data: &Uint8Array,
    ) -> Result<Promise, JsValue>;
}

/// The stored root, or a new one that is durable when this returns.
///
/// # Errors
/// When it cannot be read, unwrapped or stored.
pub(super) async fn root(storage: &Storage) -> Result<Root, StorageError> {
    let subtle = subtle()?;
    match try_join(storage.meta(KEY), storage.meta(ROOT)).await? {
        (Some(key), Some(wrapped)) => unwrap(&subtle, &key, &Uint8Array::from(wrapped).to_vec()).await,
        (_, None) => make(storage, &subtle).await,
        (None, Some(_)) => Err(StorageError::Unavailable(
            "the key that protects your identity is gone from this browser's storage".to_owned(),
        )),
    }
}

/// 32 bytes of the system's entropy.
///
/// # Errors
/// When the browser has none.
pub(crate) fn random() -> Result<[u8; 32], StorageError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| StorageError::Unavailable(error.to_string()))?;
    Ok(bytes)
}

async fn make(storage: &Storage, subtle: &Subtle) -> Result<Root, StorageError> {
    let root = Root(random()?);
    let algorithm = object(&[("name", "AES-GCM".into()), ("length", 256.into())]);
    let usages = Array::of2(&"encrypt".into(), &"decrypt".into());
    let key = settled(subtle.generate_key(&algorithm, false, &usages)).await?;

    let nonce = &random()?[..NONCE_BYTES];
    let sealed = settled(subtle.encrypt(&aes_gcm(nonce), &key, &Uint8Array::from(root.0.as_slice()))).await?;
    let wrapped = [nonce, &Uint8Array::new(&sealed).to_vec()].concat();

    let transaction = storage.writer.begin(&[META], Durability::Strict)?;
    let meta = transaction.store(META);
    meta.put(&key, Some(&KEY.into()));
    meta.put(&bytes(&wrapped), Some(&ROOT.into()));
    transaction.done().await?;
    Ok(root)
}

async fn unwrap(subtle: &Subtle, key: &JsValue, wrapped: &[u8]) -> Result<Root, StorageError> {
    let damaged =
        || StorageError::Unavailable("your stored identity is damaged and cannot be opened".to_owned());
    let (nonce, sealed) = wrapped.split_at_checked(NONCE_BYTES).ok_or_else(damaged)?;
    let opened = settled(subtle.decrypt(&aes_gcm(nonce), key, &Uint8Array::from(sealed)));
    let opened = Uint8Array::new(&opened.await.map_err(|_| damaged())?);
    let mut root = Root([0; 32]);
    if opened.length() as usize != root.0.len() {
        return Err(damaged());
    }
    opened.copy_to(&mut root.0);
    Ok(root)
}

fn subtle() -> Result<Subtle, StorageError> {
    let crypto = property(&js_sys::global(), "crypto");
    let subtle = property(&crypto, "subtle");
    if subtle.is_undefined() {
        // Browsers give it to https and to the own machine only.
        return Err(StorageError::Unavailable(
            "the page was not opened over https, so the browser cannot protect your identity".to_owned(),
        ));
    }
    Ok(subtle.unchecked_into())
}

fn property(object: &JsValue, name: &str) -> JsValue {
    Reflect::get(object, &name.into()).unwrap_or(JsValue::UNDEFINED)
}

fn aes_gcm(nonce: &[u8]) -> Object {
    object(&[("name", "AES-GCM".into()), ("iv", bytes(nonce)), ("additionalData", bytes(CONTEXT.as_bytes()))])
}

fn object(entries: &[(&str, JsValue)]) -> Object {
    let object = Object::new();
    for (name, value) in entries {
        Reflect::set(&object, &(*name).into(), value).expect("a plain object takes any property");
    }
    object
}

async fn settled(promise: Result<Promise, JsValue>) -> Result<JsValue, StorageError> {
    let failed = |error: JsValue| StorageError::Unavailable(words(&error));
    JsFuture::from(promise.map_err(failed)?).await.map_err(failed)
}
