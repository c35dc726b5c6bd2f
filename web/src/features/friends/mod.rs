//! Friends: the code a person gives out, the code they were given, and whom they know by one.

mod given;
mod list;
mod own;

pub(crate) use given::{friend_code, given, taken_from_address};
pub(crate) use list::friend_list;
pub(crate) use own::own_code;
