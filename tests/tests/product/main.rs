//! The whole product: a real relay, real browsers. One binary, because each costs a link.

mod board;
mod clock;
mod direct;
mod durable;
mod friends;
mod identity;
mod interfaces;
mod interop;
mod media;
mod network;
mod offline;
mod reading;
mod tabs;
mod trouble;
mod tus;
