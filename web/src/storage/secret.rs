//! The person's root secret at rest: wrapped by an AES-GCM key that the browser keeps and gives to nobody (Web
//! Cryptography Level 2, section 28; `extractable` false). A copy of the profile's files yields it to whoever can run
//! a browser on them; a script or an extension that reads the stored values alone gets only the wrapped form.
//!
//! With a passphrase lock the root is sealed twice: first under the key that the passphrase gives, then under the
//! browser's.
//!
//! | key in `meta` | value |
//! |---|---|
//! | `key` | the wrapping `CryptoKey` |
//! | `root` | 12 bytes of nonce, then the sealed 32 bytes, or what the lock made of them |
//! | `lock` | how the passphrase gives a key ([`Lock`]), if there is a lock |
//! | `previous` | roots, locks and states of the identities that were here before others were restored, the first first |
//!
//! Making words, files and keys of passphrases is none of this module's business.

use chanterelle_core::crypto::Root;
use chanterelle_core::node::{StorageError, add_backup as add_state, take_over};
use futures::future::try_join3;
use js_sys::{Array, Object, Promise, Reflect, Uint8Array};
use serde::{Deserialize, Serialize};
use serde_bytes::{ByteArray, ByteBuf};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use zeroize::Zeroizing;

use super::connection::{Durability, words};
use super::{META, STATE, Storage, bytes};

const KEY: &str = "key";
const ROOT: &str = "root";
const LOCK: &str = "lock";
const PREVIOUS: &str = "previous";

/// NIST SP 800-38D, section 5.2.1.1: the length AES-GCM is made for.
const NONCE_BYTES: usize = 12;

/// Bound to the sealed bytes, so that they pass for nothing else.
const CONTEXT: &str = "chanterelle root 1";

/// The same for what a lock seals.
const LOCK_CONTEXT: &str = "chanterelle lock 1";

/// A key that a passphrase gave.
pub(crate) type LockKey = ByteArray<32>;

/// How a passphrase gives a key: the parameters of Argon2id (RFC 9106).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lock {
    /// Random.
    pub(crate) salt: ByteArray<16>,
    /// Memory, KiB.
    pub(crate) memory: u32,
    /// Passes over the memory.
    pub(crate) passes: u32,
    /// Lanes.
    pub(crate) lanes: u32,
}

/// The stored root.
pub(crate) enum Held {
    /// This is it.
    Open(Root),
    /// A passphrase opens it.
    Locked(Lock),
}

/// Why a secret is not given out or changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum SecretError {
    /// The key is not that of the passphrase.
    WrongKey,
    /// There is no identity from before.
    NoPrevious,
    /// The storage does not do it.
    Storage(StorageError),
    /// Whoever was asked is gone, and may have done it or not.
    Unanswered,
}

impl From<StorageError> for SecretError {
    fn from(error: StorageError) -> Self {
        SecretError::Storage(error)
    }
}

/// An identity that was here before another was restored.
#[derive(Serialize, Deserialize)]
struct Previous {
    root: ByteBuf,
    lock: Option<Lock>,
    state: Option<ByteBuf>,
}

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
    #[wasm_bindgen(method, catch, js_name = importKey)]
    fn import_key(
        this: &Subtle,
        format: &str,
        key: &Uint8Array,
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
pub(super) async fn held(storage: &Storage) -> Result<Held, StorageError> {
    let subtle = subtle()?;
    match try_join3(storage.meta(KEY), storage.meta(ROOT), storage.meta(LOCK)).await? {
        (_, _, Some(lock)) => Ok(Held::Locked(decode(&lock)?)),
        (Some(key), Some(wrapped), None) => {
            let root = open(&subtle, &key, CONTEXT, &raw(wrapped)).await.ok_or_else(damaged)?;
            Ok(Held::Open(root_of(&root).ok_or_else(damaged)?))
        }
        (key, None, None) => {
            let root = Root(random()?);
            let key = match key {
                Some(key) => key,
                None => new_key(&subtle).await?,
            };
            let wrapped = wrap(&subtle, &key, &root, None).await?;
            let meta = [(KEY, key), (ROOT, bytes(&wrapped))];
            put(storage, meta.into_iter().map(|(name, value)| (name, Some(value)))).await?;
            Ok(Held::Open(root))
        }
        (None, Some(_), None) => Err(StorageError::Unavailable(
            "the key that protects your identity is gone from this browser's storage".to_owned(),
        )),
    }
}

/// The stored root, which there is; `key` is that of the passphrase, if it is locked.
///
/// # Errors
/// When the key is not that of the lock, or the storage does not give it.
pub(super) async fn unlock(storage: &Storage, key: Option<&LockKey>) -> Result<Root, SecretError> {
    let (subtle, wrapper) = (subtle()?, wrapper(storage).await?);
    let stored = storage.meta(ROOT).await?.ok_or_else(damaged)?;
    let locked = storage.meta(LOCK).await?.is_some();
    let sealed = open(&subtle, &wrapper, CONTEXT, &raw(stored)).await.ok_or_else(damaged)?;
    let root = match (locked, key) {
        (false, _) => sealed,
        (true, None) => return Err(SecretError::WrongKey),
        (true, Some(key)) => {
            let key = import(&subtle, key).await?;
            open(&subtle, &key, LOCK_CONTEXT, &sealed).await.ok_or(SecretError::WrongKey)?
        }
    };
    root_of(&root).ok_or_else(|| damaged().into())
}

/// Puts a lock on the stored root, or takes it off; `old` is the key of the lock there is.
///
/// # Errors
/// When the key is not that of the lock, or the storage refuses; then nothing has changed.
pub(super) async fn lock(
    storage: &Storage,
    old: Option<&LockKey>,
    new: Option<(&LockKey, &Lock)>,
) -> Result<(), SecretError> {
    let root = unlock(storage, old).await?;
    let (subtle, wrapper) = (subtle()?, wrapper(storage).await?);
    let wrapped = wrap(&subtle, &wrapper, &root, new.map(|(key, _)| key)).await?;
    let lock = new.map(|(_, lock)| encode(lock));
    put(storage, [(ROOT, Some(bytes(&wrapped))), (LOCK, lock)]).await?;
    Ok(())
}

/// Adds what a backup of the stored identity holds beside the root: nothing that is here goes.
///
/// # Errors
/// When the storage refuses; then nothing has changed.
pub(super) async fn add_backup(storage: &Storage, backup: Option<&[u8]>) -> Result<(), SecretError> {
    let Some(backup) = backup else { return Ok(()) };
    let here = storage.state().await?;
    let state = add_state(here.as_deref(), backup);
    put(storage, [(STATE, Some(bytes(&state)))]).await?;
    Ok(())
}

/// Puts another identity in the place of the stored one, which is kept with those from before. Its state is `backup`, if
/// there is one; boards and relays that are known here stay known.
///
/// # Errors
/// When the storage refuses; then nothing has changed.
pub(super) async fn replace(
    storage: &Storage,
    root: &Root,
    backup: Option<&[u8]>,
) -> Result<(), SecretError> {
    let (subtle, wrapper) = (subtle()?, wrapper(storage).await?);
    let wrapped = wrap(&subtle, &wrapper, root, None).await?;
    let here = storage.state().await?;
    let state = take_over(here.as_deref(), backup);
    let mut previous = previous(storage).await?;
    previous.push(stored(storage, here).await?);
    let changes = [
        (ROOT, Some(bytes(&wrapped))),
        (LOCK, None),
        (STATE, Some(bytes(&state))),
        (PREVIOUS, Some(encode(&previous))),
    ];
    put(storage, changes).await?;
    Ok(())
}

/// Puts the first of the identities from before back; the one of now becomes the last of them, so that going back again
/// and again leads to each.
///
/// # Errors
/// When there is none, or the storage refuses; then nothing has changed.
pub(super) async fn swap(storage: &Storage) -> Result<(), SecretError> {
    let mut previous = previous(storage).await?;
    if previous.is_empty() {
        return Err(SecretError::NoPrevious);
    }
    let before = previous.remove(0);
    let here = storage.state().await?;
    let state = take_over(here.as_deref(), before.state.as_ref().map(|state| state.as_slice()));
    previous.push(stored(storage, here).await?);
    let changes = [
        (ROOT, Some(bytes(&before.root))),
        (LOCK, before.lock.as_ref().map(encode)),
        (STATE, Some(bytes(&state))),
        (PREVIOUS, Some(encode(&previous))),
    ];
    put(storage, changes).await?;
    Ok(())
}

async fn previous(storage: &Storage) -> Result<Vec<Previous>, StorageError> {
    storage.meta(PREVIOUS).await?.map_or(Ok(Vec::new()), |previous| decode(&previous))
}

/// Whether there is an identity from before.
///
/// # Errors
/// When the storage cannot be read.
pub(super) async fn has_previous(storage: &Storage) -> Result<bool, StorageError> {
    Ok(storage.meta(PREVIOUS).await?.is_some())
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

async fn stored(storage: &Storage, state: Option<Vec<u8>>) -> Result<Previous, StorageError> {
    let root = storage.meta(ROOT).await?.ok_or_else(damaged)?;
    let lock = storage.meta(LOCK).await?.map(|lock| decode(&lock)).transpose()?;
    Ok(Previous { root: ByteBuf::from(raw(root)), lock, state: state.map(ByteBuf::from) })
}

/// Changes values, all or none; absent ones are deleted.
async fn put(
    storage: &Storage,
    changes: impl IntoIterator<Item = (&'static str, Option<JsValue>)>,
) -> Result<(), StorageError> {
    let transaction = storage.writer.begin(&[META], Durability::Strict)?;
    let meta = transaction.store(META);
    for (name, value) in changes {
        match value {
            Some(value) => meta.put(&value, Some(&name.into())),
            None => meta.delete(&name.into()),
        }
    }
    transaction.done().await
}

async fn wrapper(storage: &Storage) -> Result<JsValue, StorageError> {
    storage.meta(KEY).await?.ok_or_else(damaged)
}

async fn new_key(subtle: &Subtle) -> Result<JsValue, StorageError> {
    let algorithm = object(&[("name", "AES-GCM".into()), ("length", 256.into())]);
    settled(subtle.generate_key(&algorithm, false, &usages())).await
}

async fn import(subtle: &Subtle, key: &LockKey) -> Result<JsValue, StorageError> {
    let algorithm = object(&[("name", "AES-GCM".into())]);
    let key = Uint8Array::from(key.as_slice());
    let imported = settled(subtle.import_key("raw", &key, &algorithm, false, &usages())).await;
    key.fill(0, 0, key.length());
    imported
}

fn usages() -> Array {
    Array::of2(&"encrypt".into(), &"decrypt".into())
}

/// Seals a root under the browser's key, and before under that of a passphrase.
async fn wrap(
    subtle: &Subtle,
    wrapper: &JsValue,
    root: &Root,
    lock: Option<&LockKey>,
) -> Result<Vec<u8>, StorageError> {
    let inner = match lock {
        None => Zeroizing::new(root.0.to_vec()),
        Some(key) => Zeroizing::new(seal(subtle, &import(subtle, key).await?, LOCK_CONTEXT, &root.0).await?),
    };
    seal(subtle, wrapper, CONTEXT, &inner).await
}

async fn seal(subtle: &Subtle, key: &JsValue, context: &str, plain: &[u8]) -> Result<Vec<u8>, StorageError> {
    let nonce = &random()?[..NONCE_BYTES];
    let plain = Uint8Array::from(plain);
    let sealed = settled(subtle.encrypt(&aes_gcm(nonce, context), key, &plain)).await;
    plain.fill(0, 0, plain.length());
    Ok([nonce, &Uint8Array::new(&sealed?).to_vec()].concat())
}

/// What was sealed; `None` when it was not sealed like this.
async fn open(subtle: &Subtle, key: &JsValue, context: &str, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, sealed) = sealed.split_at_checked(NONCE_BYTES)?;
    let opened =
        settled(subtle.decrypt(&aes_gcm(nonce, context), key, &Uint8Array::from(sealed))).await.ok()?;
    let opened = Uint8Array::new(&opened);
    let plain = Zeroizing::new(opened.to_vec());
    opened.fill(0, 0, opened.length());
    Some(plain)
}

fn root_of(bytes: &[u8]) -> Option<Root> {
    bytes.try_into().ok().map(Root)
}

fn damaged() -> StorageError {
    StorageError::Unavailable("your stored identity is damaged and cannot be opened".to_owned())
}

fn raw(value: JsValue) -> Vec<u8> {
    Uint8Array::from(value).to_vec()
}

fn encode<T: Serialize>(item: &T) -> JsValue {
    bytes(&serde_ipld_dagcbor::to_vec(item).expect("numbers and bytes encode"))
}

fn decode<T: serde::de::DeserializeOwned>(value: &JsValue) -> Result<T, StorageError> {
    serde_ipld_dagcbor::from_slice(&raw(value.clone())).map_err(|_| damaged())
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

fn aes_gcm(nonce: &[u8], context: &str) -> Object {
    object(&[("name", "AES-GCM".into()), ("iv", bytes(nonce)), ("additionalData", bytes(context.as_bytes()))])
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
