//! Files on the page: in posts, on cards, in the full view and the gallery. Nothing of a stranger's file is fetched before
//! a rule of the person's allows it; what is shown in the page is of a closed list of types, and never laid out or run.

mod actions;
mod caption;
mod card;
mod choose;
mod colour;
mod fetching;
mod files;
mod full;
mod gallery;
mod kind;
mod name;
mod player;
mod quoted;
mod rules;
mod settings;
mod shown;
mod slot;
mod square;

pub(crate) use card::card_picture;
pub(crate) use files::post_files;
pub(crate) use full::{Viewer, full_view};
pub(crate) use gallery::{gallery, gallery_toggle};
pub(crate) use name::{middle_cut, plain_name};
pub(crate) use quoted::quoted_files;
pub(crate) use rules::{Rules, show_pictures};
pub(crate) use settings::{kept_files, shown_boards};
