//! The annex: what few visits of Chanterelle need and every visit would pay for if it were part of the page.
//!
//! | module | what it is |
//! |---|---|
//! | [`question`] | what the page asks and what is answered; all that the page has of this package |
//! | [`words`] | a root as 24 words, and back |
//! | [`backup`] | bytes under a passphrase, as a file that `age` opens |
//! | [`stretch`] | a key from a passphrase |
//! | [`qr`], [`scan`] | QR codes, drawn and read |
//!
//! Everything here is a function of its arguments, but that a backup takes salts from the system's entropy. There is no
//! network, no storage and no document. It is made for a worker of its own, because stretching a passphrase takes
//! a second by design; `main.rs` is that worker.

pub mod question;

#[cfg(feature = "program")]
pub mod backup;
#[cfg(feature = "program")]
mod normal;
#[cfg(feature = "program")]
pub mod qr;
#[cfg(feature = "program")]
pub mod scan;
#[cfg(feature = "program")]
pub mod stretch;
#[cfg(feature = "program")]
pub mod words;

#[cfg(all(test, target_arch = "wasm32"))]
wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_dedicated_worker);
