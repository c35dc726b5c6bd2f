//! Small pieces every page is made of. Each draws one thing and knows nothing of boards, threads or peers.
//!
//! Views are built with element functions and not with the `view!` macro, because the macro turns static parts into
//! HTML text that the browser has to parse, which Trusted Types forbid.

mod alert;
mod button;
mod clock;
mod dom;
mod each;
mod live;
mod logo;
mod page;
mod waiting;
mod work;

pub(crate) use alert::{alert, alert_if, calm_alert, notice};
pub(crate) use button::button;
pub(crate) use clock::{Clock, ago, stamp};
pub(crate) use dom::{
    escape_pressed, focus_in_place, focus_is_lost, go_on_in, reveal, scroll_to, submit_pressed,
};
pub(crate) use each::each;
pub(crate) use live::{Live, live};
pub(crate) use logo::logo;
pub(crate) use page::{heading, title};
pub(crate) use waiting::waiting;
pub(crate) use work::Work;
