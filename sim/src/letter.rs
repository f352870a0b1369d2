//! What travels, without bytes and signatures: those are the rim's business, which has tests of its own.

use protocol::{
    FaceId,
    message::{Applied, Change, Head, Inbox, Repair, Visit, Want},
};

/// From the website to edges.
#[derive(Debug, Clone)]
pub enum Down {
    /// Retained on the face's topic.
    Change(Change),
    /// The face's topic was cleared.
    Cleared(FaceId),
    /// Retained on the collection's topic.
    Head(Head),
    /// To one edge.
    Inbox(Inbox),
}

/// From an edge to the website.
#[derive(Debug, Clone)]
pub enum Up {
    /// A report, signed in reality.
    Applied(Applied),
    /// A question.
    Repair(Repair),
    /// Another one.
    Want(Want),
    /// A visit.
    Visit(Visit),
}
