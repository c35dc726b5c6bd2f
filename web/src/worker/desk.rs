//! One node, many pages: whose view and whose answer is whose. Knows no browser.
//!
//! Each page numbers its views and requests by itself; the node sees numbers of the desk's.

use chanterelle_core::node::{Command, Update, ViewId};
use vecmap::VecMap;

use super::messages::TabId;

/// The numbers of all pages.
#[derive(Debug, Default)]
pub(super) struct Desk {
    last: u32,
    /// A page's view, by the node's number.
    views: VecMap<ViewId, (TabId, ViewId)>,
    numbers: VecMap<(TabId, ViewId), ViewId>,
    /// A page's request, by the node's number.
    requests: VecMap<u32, (TabId, u32)>,
}

/// For whom an update is.
#[derive(Debug, PartialEq)]
pub(super) enum Addressee {
    /// Every page.
    All,
    /// One.
    One(TabId),
    /// A page that is gone, or a view that was closed.
    Nobody,
}

impl Desk {
    /// The command as the node gets it; none when it is about a view that is not open.
    pub(super) fn take(&mut self, tab: TabId, command: Command) -> Option<Command> {
        Some(match command {
            Command::Open(view, target) => Command::Open(self.number_of(tab, view), target),
            Command::Close(view) => {
                let number = self.numbers.remove(&(tab, view))?;
                self.views.remove(&number);
                Command::Close(number)
            }
            Command::Publish(request, draft) => Command::Publish(self.ask(tab, request), draft),
            Command::Republish(request, event) => Command::Republish(self.ask(tab, request), event),
            Command::Invite { request, board } => Command::Invite { request: self.ask(tab, request), board },
            other => other,
        })
    }

    /// For whom an update is, as that page gets it.
    pub(super) fn give(&mut self, mut update: Update) -> (Addressee, Update) {
        let place = match &mut update {
            Update::Boards(view, _)
            | Update::Catalog(view, _)
            | Update::Thread(view, ..)
            | Update::Post(view, _)
            | Update::Person(view, _) => {
                let place = self.views.get(view).copied();
                place.map(|(tab, own)| (tab, std::mem::replace(view, own)))
            }
            // It is told of again when it is saved.
            Update::Published { request, .. } => {
                let place = self.requests.get(request).copied();
                place.map(|(tab, own)| (tab, std::mem::replace(request, own)))
            }
            Update::Saved { request } | Update::Refused { request, .. } | Update::Invited { request, .. } => {
                let place = self.requests.remove(request);
                place.map(|(tab, own)| (tab, std::mem::replace(request, own)))
            }
            Update::Network(_) | Update::Notice(_) => return (Addressee::All, update),
        };
        (place.map_or(Addressee::Nobody, |(tab, _)| Addressee::One(tab)), update)
    }

    /// Forgets a page; what is to be told to the node.
    pub(super) fn leave(&mut self, tab: TabId) -> Vec<Command> {
        let of_tab: Vec<ViewId> =
            self.numbers.keys().filter(|(of, _)| *of == tab).map(|(_, view)| *view).collect();
        self.requests.retain(|_, (of, _)| *of != tab);
        of_tab.into_iter().filter_map(|view| self.take(tab, Command::Close(view))).collect()
    }

    fn number_of(&mut self, tab: TabId, view: ViewId) -> ViewId {
        if let Some(number) = self.numbers.get(&(tab, view)) {
            return *number;
        }
        let number = self.next();
        self.numbers.insert((tab, view), number);
        self.views.insert(number, (tab, view));
        number
    }

    fn ask(&mut self, tab: TabId, request: u32) -> u32 {
        let number = self.next();
        self.requests.insert(number, (tab, request));
        number
    }

    fn next(&mut self) -> u32 {
        self.last = self.last.wrapping_add(1);
        self.last
    }
}

#[cfg(test)]
mod tests {
    use chanterelle_core::base::EventId;
    use chanterelle_core::node::{Command, Target, Update};
    use serde_bytes::ByteBuf;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::{Addressee, Desk, TabId};

    const ANN: TabId = TabId(1);
    const BEN: TabId = TabId(2);

    #[test]
    fn two_pages_with_the_same_numbers_hear_each_of_its_own() {
        let mut desk = Desk::default();
        let opened = |desk: &mut Desk, tab| match desk.take(tab, Command::Open(1, Target::Person)) {
            Some(Command::Open(number, Target::Person)) => number,
            other => panic!("{other:?}"),
        };
        let (ann, ben) = (opened(&mut desk, ANN), opened(&mut desk, BEN));
        assert_ne!(ann, ben);
        assert_eq!(opened(&mut desk, ANN), ann, "opened again it stays the same view");
        let update = Update::Person(1, None);
        assert_eq!(desk.give(Update::Person(ann, None)), (Addressee::One(ANN), update.clone()));
        assert_eq!(desk.give(Update::Person(ben, None)), (Addressee::One(BEN), update));

        assert_eq!(desk.take(ANN, Command::Close(1)), Some(Command::Close(ann)));
        assert_eq!(desk.take(ANN, Command::Close(1)), None);
        assert_eq!(desk.give(Update::Person(ann, None)).0, Addressee::Nobody);
        assert_eq!(desk.leave(BEN), [Command::Close(ben)]);
        assert_eq!(desk.leave(BEN), []);
    }

    #[test]
    fn an_answer_goes_to_who_asked_and_once() {
        let mut desk = Desk::default();
        let ask = |desk: &mut Desk, tab| match desk.take(tab, Command::Invite { request: 5, board: None }) {
            Some(Command::Invite { request, .. }) => request,
            other => panic!("{other:?}"),
        };
        let answer = |request| Update::Invited { request, code: None };
        let (ann, ben) = (ask(&mut desk, ANN), ask(&mut desk, BEN));
        assert_eq!(desk.give(answer(ben)), (Addressee::One(BEN), answer(5)));
        assert_eq!(desk.give(answer(ben)).0, Addressee::Nobody);
        assert_eq!(desk.leave(ANN), []);
        assert_eq!(desk.give(answer(ann)).0, Addressee::Nobody);
        assert_eq!(desk.give(Update::Network(Vec::new())).0, Addressee::All);
    }

    #[test]
    fn who_published_hears_that_it_is_and_that_it_is_saved() {
        let mut desk = Desk::default();
        let Some(Command::Republish(number, bytes)) = desk.take(ANN, Command::Republish(5, ByteBuf::new()))
        else {
            panic!("it is told under another number");
        };
        let published = |request| {
            let (event, bytes) = (EventId([1; 32]), bytes.clone());
            Update::Published { request, event, thread: None, bytes }
        };
        let saved = |request| Update::Saved { request };
        assert_eq!(desk.give(published(number)), (Addressee::One(ANN), published(5)));
        assert_eq!(desk.give(saved(number)), (Addressee::One(ANN), saved(5)));
        assert_eq!(desk.give(saved(number)).0, Addressee::Nobody);
    }
}
