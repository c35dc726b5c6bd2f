//! What a peer can do wrong, with the price of it.

/// Something that an honest peer of this version never does, or seldom and by no fault of its own; then it costs little. An
/// event from the future, a duplicate or a late answer is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A frame that cannot be read, or more events than it was let send.
    Frame,
    /// An event or record that was refused for its bytes.
    Event,
    /// A frame where it has no place.
    Misplaced,
    /// A frame although it was not read for a while because it had sent too many, too much or too costly ones.
    Excess,
    /// A reconciliation whose messages cannot be read or do not end.
    Reconciliation,
}

impl Fault {
    /// All of them, in the order in which they are counted.
    pub const ALL: [Fault; 5] =
        [Fault::Frame, Fault::Event, Fault::Misplaced, Fault::Excess, Fault::Reconciliation];

    /// Points it costs, of a hundred that a peer has.
    #[must_use]
    pub fn price(self) -> u32 {
        match self {
            // Honest software sends none.
            Fault::Frame | Fault::Reconciliation => 25,
            // Costs us a decoding and a signature check.
            Fault::Event => 20,
            Fault::Misplaced => 5,
            Fault::Excess => 1,
        }
    }
}
