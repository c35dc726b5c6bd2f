//! Whether direct connections may be made. The person decides, and may change their mind while some come about.

use std::cell::RefCell;
use std::convert::Infallible;
use std::pin::pin;
use std::rc::Rc;

use futures::channel::oneshot;
use futures::future::{Either, FutureExt as _, Shared, select};
use send_wrapper::SendWrapper;

use crate::Error;

/// Whoever has the second half learns when the first is dropped.
type Leave = (oneshot::Sender<Infallible>, Shared<oneshot::Receiver<Infallible>>);

/// Given or not, at first not. What was cloned is given and withdrawn together.
#[derive(Clone)]
pub struct Permit(SendWrapper<Rc<RefCell<Option<Leave>>>>);

impl Default for Permit {
    fn default() -> Permit {
        Permit(SendWrapper::new(Rc::default()))
    }
}

impl Permit {
    /// One that is given.
    #[must_use]
    pub fn given() -> Permit {
        let permit = Permit::default();
        permit.set(true);
        permit
    }

    /// Gives or withdraws it. What goes on with it ends when it is withdrawn.
    pub fn set(&self, given: bool) {
        let mut leave = self.0.borrow_mut();
        if !given {
            *leave = None;
        } else if leave.is_none() {
            let (held, gone) = oneshot::channel();
            *leave = Some((held, gone.shared()));
        }
    }

    /// Whether it is given.
    #[must_use]
    pub fn is_given(&self) -> bool {
        self.0.borrow().is_some()
    }

    /// Does something for as long as it is given.
    ///
    /// # Errors
    /// [`Error::NotPermitted`] once it is not.
    pub async fn during<T>(&self, work: impl Future<Output = T>) -> Result<T, Error> {
        let gone = self.0.borrow().as_ref().map(|(_, gone)| gone.clone());
        // First whether it is withdrawn: the work may be about to begin.
        match select(gone.ok_or(Error::NotPermitted)?, pin!(work)).await {
            Either::Left(_) => Err(Error::NotPermitted),
            Either::Right((done, _)) => Ok(done),
        }
    }
}
