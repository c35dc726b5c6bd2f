//! The page: its routes and what all of them share.

use leptos::mount::mount_to_body;
use leptos::prelude::*;
use leptos_router::components::{FlatRoutes, Route, Router};
use leptos_router::path;

use crate::kit::Clock;
use crate::offline::Versions;
use crate::state::{Client, Direct, Media, Preferences};
use crate::{layout, pages};

/// Starts the node and draws the page, for as long as the tab lives.
pub(crate) fn mount() {
    mount_to_body(app);
}

fn app() -> AnyView {
    provide_context(Preferences::load());
    let client = Client::start();
    provide_context(client);
    provide_context(Direct::start(client));
    provide_context(Media::start(client));
    provide_context(Clock::start());
    provide_context(Versions::start());
    view! { <Router>{layout_with_routes}</Router> }.into_any()
}

/// The routes of `docs/interfaces.md`.
fn layout_with_routes() -> AnyView {
    let routes = view! {
        <FlatRoutes fallback=pages::not_found>
            <Route path=path!("/") view=pages::home />
            <Route path=path!("/b/:board") view=pages::board />
            <Route path=path!("/b/:board/t/:thread") view=pages::thread />
            <Route path=path!("/me") view=pages::me />
            <Route path=path!("/peers") view=pages::peers />
            <Route path=path!("/settings") view=pages::settings />
            <Route path=path!("/f") view=pages::friend />
        </FlatRoutes>
    };
    layout::around(routes.into_any())
}
