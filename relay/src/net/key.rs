//! The relay's key on the network, and what its peers' keys are called here.
//!
//! A tab's key is fresh at every start. A relay's is kept, because friend codes and addresses name the relay by it.
//! Only Ed25519 keys are spoken to: the protocol names a peer by 32 bytes.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use chanterelle_core::base::PeerId;
use libp2p::identity::{Keypair, PublicKey, ed25519};

/// The file of the key in the data folder: the key pair in libp2p's protobuf form.
const FILE: &str = "relay.key";

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or written.
    #[error("cannot use {FILE} in the data directory: {0}")]
    Io(#[from] io::Error),
    /// The file holds something else.
    #[error(
        "{FILE} in the data directory is damaged; restore it from a backup, or remove it for a new identity"
    )]
    Damaged,
}

/// Reads the key from `folder`, or makes one and keeps it there, readable by its owner only.
///
/// # Errors
/// When the file cannot be read, written or understood.
pub fn load_or_create(folder: &Path) -> Result<Keypair, KeyError> {
    let path = folder.join(FILE);
    match fs::read(&path) {
        Ok(bytes) => {
            let key = Keypair::from_protobuf_encoding(&bytes).map_err(|_| KeyError::Damaged)?;
            key.clone().try_into_ed25519().map_err(|_| KeyError::Damaged)?;
            Ok(key)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => create(&path),
        Err(error) => Err(error.into()),
    }
}

/// Written whole beside its place and then moved there, so that a crash leaves no half a key.
fn create(path: &Path) -> Result<Keypair, KeyError> {
    let key = Keypair::generate_ed25519();
    let bytes = key.to_protobuf_encoding().map_err(|_| KeyError::Damaged)?;
    let draft = path.with_extension("key.new");
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    Ok(key)
}

/// The secret seed of a key from [`load_or_create`].
pub(crate) fn seed(key: &Keypair) -> [u8; 32] {
    let key = key.clone().try_into_ed25519().expect("the relay's key is Ed25519");
    key.secret().as_ref().try_into().expect("an Ed25519 seed has 32 bytes")
}

/// The protocol's name of a libp2p peer; `None` unless its key is Ed25519.
#[must_use]
pub fn core_peer(peer: &libp2p::PeerId) -> Option<PeerId> {
    let multihash = peer.as_ref();
    // 0 is the identity hash: the key itself. Longer keys are hashed and could not be named by their bytes.
    if multihash.code() != 0 {
        return None;
    }
    let key = PublicKey::try_decode_protobuf(multihash.digest()).ok()?.try_into_ed25519().ok()?;
    Some(PeerId(key.to_bytes()))
}

/// The libp2p name of a peer of the protocol; `None` when its bytes are no Ed25519 key.
#[must_use]
pub fn libp2p_peer(peer: &PeerId) -> Option<libp2p::PeerId> {
    let key = ed25519::PublicKey::try_from_bytes(peer.as_bytes()).ok()?;
    Some(PublicKey::from(key).to_peer_id())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::{FILE, KeyError, core_peer, libp2p_peer, load_or_create};

    #[test]
    fn the_key_stays_and_is_private() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let first = load_or_create(folder.path()).expect("a key is made");
        let second = load_or_create(folder.path()).expect("the key is read");
        assert_eq!(first.public(), second.public());
        let mode = folder.path().join(FILE).metadata().expect("the file exists").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_damaged_key_is_not_replaced() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join(FILE), b"nonsense").expect("the folder is writable");
        assert!(matches!(load_or_create(folder.path()), Err(KeyError::Damaged)));
    }

    #[test]
    fn the_two_names_of_a_peer_match() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let peer = load_or_create(folder.path()).expect("a key is made").public().to_peer_id();
        let named = core_peer(&peer).expect("the key is Ed25519");
        assert_eq!(libp2p_peer(&named), Some(peer));
        assert_eq!(core_peer(&libp2p::PeerId::random()), None, "a hash is no key");
    }
}
