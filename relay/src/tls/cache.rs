//! Account and certificate by ACME, kept in the data folder.
//!
//! A crash leaves what was there before or what came after, never half of it. What cannot be used counts as absent and is
//! said in the log: the relay then asks for an account or a certificate anew, instead of failing for ever.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use async_trait::async_trait;
use data_encoding::BASE64URL_NOPAD;
use rustls_acme::{AccountCache, CertCache};
use sha2::{Digest as _, Sha256};
use tokio::task::spawn_blocking;
use tokio_rustls::rustls::crypto::ring::sign::any_ecdsa_type;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::sign::CertifiedKey;

use super::lifetime::{Lifetime, Watched};
use super::provider;

/// The certificate that passed through last. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Deployed(Arc<RwLock<Option<Arc<CertifiedKey>>>>);

impl Deployed {
    pub(super) fn get(&self) -> Option<Arc<CertifiedKey>> {
        self.0.read().expect("no code panics while it holds this").clone()
    }
}

/// A folder that nobody else may read.
#[derive(Clone, Debug)]
pub(super) struct Cache {
    folder: PathBuf,
    deployed: Deployed,
    watched: Watched,
}

impl Cache {
    pub(super) fn new(folder: PathBuf, deployed: Deployed, watched: Watched) -> Cache {
        Cache { folder, deployed, watched }
    }

    /// Puts a certificate to use, if it is one.
    fn deploy(&self, pem: &[u8]) {
        let Some((certified, lifetime)) = certified(pem) else {
            tracing::warn!(
                "the certificate by ACME does not fit its key, or cannot be read, and is not used"
            );
            return;
        };
        *self.deployed.0.write().expect("no code panics while it holds this") = Some(Arc::new(certified));
        self.watched.set(lifetime);
    }

    /// What is in a file, if it is there and `is_usable`.
    async fn load(&self, name: String, is_usable: fn(&[u8]) -> bool) -> io::Result<Option<Vec<u8>>> {
        let path = self.folder.join(name);
        spawn_blocking(move || load(&path, is_usable)).await.map_err(io::Error::other)
    }

    async fn store(&self, name: String, bytes: &[u8]) -> io::Result<()> {
        let (folder, bytes) = (self.folder.clone(), bytes.to_owned());
        spawn_blocking(move || store(&folder, &name, &bytes)).await.map_err(io::Error::other)?
    }
}

#[async_trait]
impl CertCache for Cache {
    type EC = io::Error;

    async fn load_cert(&self, domains: &[String], directory: &str) -> io::Result<Option<Vec<u8>>> {
        let pem = self.load(name("cert", domains, directory), |pem| certified(pem).is_some()).await?;
        pem.iter().for_each(|pem| self.deploy(pem));
        Ok(pem)
    }

    async fn store_cert(&self, domains: &[String], directory: &str, pem: &[u8]) -> io::Result<()> {
        // Whether or not it can be kept.
        self.deploy(pem);
        self.store(name("cert", domains, directory), pem).await
    }
}

#[async_trait]
impl AccountCache for Cache {
    type EA = io::Error;

    async fn load_account(&self, contact: &[String], directory: &str) -> io::Result<Option<Vec<u8>>> {
        self.load(name("account", contact, directory), is_key).await
    }

    async fn store_account(&self, contact: &[String], directory: &str, key: &[u8]) -> io::Result<()> {
        self.store(name("account", contact, directory), key).await
    }
}

/// One file for each account and for each list of names, as the library's own cache called them.
fn name(what: &str, parts: &[String], directory: &str) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
        hasher.update([0]);
    }
    hasher.update(directory);
    format!("cached_{what}_{}", BASE64URL_NOPAD.encode(&hasher.finalize()))
}

/// An ECDSA key, which is all that the library makes.
fn is_key(der: &[u8]) -> bool {
    any_ecdsa_type(&PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(der))).is_ok()
}

/// A certificate with its chain and key, and when it is valid.
fn certified(pem: &[u8]) -> Option<(CertifiedKey, Lifetime)> {
    let key = PrivateKeyDer::from_pem_slice(pem).ok()?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().ok()?;
    let lifetime = Lifetime::of(chain.first()?)?;
    Some((CertifiedKey::from_der(chain, key, &provider()).ok()?, lifetime))
}

fn load(path: &Path, is_usable: fn(&[u8]) -> bool) -> Option<Vec<u8>> {
    let reason = match fs::read(path) {
        Ok(bytes) if is_usable(&bytes) => return Some(bytes),
        Ok(_) => "it is damaged".to_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => error.to_string(),
    };
    tracing::warn!(file = %path.display(), reason, "a file of ACME cannot be used; the authority is asked anew");
    None
}

/// Written whole beside its place and then moved there.
fn store(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let draft = folder.join(format!("{name}.new"));
    // One that a crash left could be readable by others.
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&draft, folder.join(name))?;
    fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, generate_simple_self_signed};
    use rustls_acme::{AccountCache as _, CertCache as _};

    use super::{Cache, Deployed, Watched};

    const DIRECTORY: &str = "https://authority.test/directory";

    #[tokio::test]
    async fn what_was_kept_is_found_and_nobody_else_may_read_it() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let cache = Cache::new(folder.path().to_owned(), Deployed::default(), Watched::default());
        let contact = ["mailto:op@relay.test".to_owned()];
        assert_eq!(cache.load_account(&contact, DIRECTORY).await.expect("an empty folder"), None);
        let first = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("entropy").serialize_der();
        let second = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("entropy").serialize_der();
        for key in [first, second] {
            cache.store_account(&contact, DIRECTORY, &key).await.expect("the folder is writable");
            assert_eq!(cache.load_account(&contact, DIRECTORY).await.expect("it is there"), Some(key));
        }
        let files: Vec<_> = fs::read_dir(folder.path()).expect("the folder exists").flatten().collect();
        let [file] = &files[..] else { panic!("one file and no draft: {files:?}") };
        assert_eq!(file.metadata().expect("it is there").permissions().mode() & 0o777, 0o600);
        assert_eq!(cache.load_account(&[], DIRECTORY).await.expect("it is not there"), None);
    }

    #[tokio::test]
    async fn what_a_crash_or_a_hand_has_damaged_counts_as_absent() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let watched = Watched::default();
        let deployed = Deployed::default();
        let cache = Cache::new(folder.path().to_owned(), deployed.clone(), watched.clone());
        let names = ["relay.test".to_owned()];
        let made = generate_simple_self_signed(names.clone()).expect("a certificate");
        let pem = format!("{}\n{}", made.key_pair.serialize_pem(), made.cert.pem()).into_bytes();
        let key = made.key_pair.serialize_der();
        for length in [0, 20, key.len() / 2] {
            cache.store_account(&names, DIRECTORY, &key[..length]).await.expect("the folder is writable");
            assert_eq!(cache.load_account(&names, DIRECTORY).await.expect("no error"), None, "{length}");
        }
        for length in [0, 20, pem.len() / 2] {
            cache.store_cert(&names, DIRECTORY, &pem[..length]).await.expect("the folder is writable");
            assert_eq!(cache.load_cert(&names, DIRECTORY).await.expect("no error"), None, "{length}");
        }
        assert!(watched.get().is_none() && deployed.get().is_none());
        cache.store_cert(&names, DIRECTORY, &pem).await.expect("the folder is writable");
        assert!(watched.get().is_some() && deployed.get().is_some(), "it is in use");
        assert_eq!(cache.load_cert(&names, DIRECTORY).await.expect("it is there"), Some(pem));
    }
}
