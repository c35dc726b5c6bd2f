//! One file for each route. A page opens the views it shows, says when it is ready, and leaves the rest to features.

mod board;
mod friend;
mod home;
mod me;
mod not_found;
mod peers;
mod settings;
mod thread;

pub(crate) use board::board;
pub(crate) use friend::friend;
pub(crate) use home::home;
pub(crate) use me::me;
pub(crate) use not_found::not_found;
pub(crate) use peers::peers;
pub(crate) use settings::settings;
pub(crate) use thread::thread;
