//! What a client asks to do.

/// What a client wants to do. A will is a publish; clearing a retained topic is a retained publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action<'a> {
    /// Publish to this topic.
    Publish {
        /// The topic name.
        topic: &'a str,
        /// Whether the broker is asked to keep (or, with an empty payload, to clear) the message.
        retain: bool,
    },
    /// Subscribe to this filter.
    Subscribe {
        /// The topic filter.
        filter: &'a str,
    },
}
