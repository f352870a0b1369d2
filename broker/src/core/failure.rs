//! Why a running broker cannot go on.

/// Why a running broker cannot go on. The process should say so and end, to be started again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The router's thread has ended.
    #[error("the MQTT router has died; the process must be started again")]
    RouterDied,
    /// What goes into the router does not come out any more.
    #[error("the MQTT router has stopped passing messages on; the process must be started again")]
    RouterStuck,
}
