//! The relay as a whole: every test starts one on a port of its own, and speaks to it as browsers and tabs do.
//!
//! Browsers themselves are in the workspace's `tests`.

mod acme;
mod bucket;
mod circuit;
mod drain;
mod driver;
mod http;
mod jobs;
mod limits;
mod media;
mod peering;
mod program;
mod pull;
mod render;
mod renditions;
mod session;
mod storage;
mod stun;
mod support;
mod tls;
mod upload_bounds;
mod uploads;
