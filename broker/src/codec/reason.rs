//! Reason codes, each kind as the set that its packet may carry (MQTT 5.0, section 2.4).

/// Why the server refuses a CONNECT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectReason {
    /// The bytes are no CONNECT.
    Malformed = 0x81,
    /// A CONNECT that the protocol forbids.
    Protocol = 0x82,
    /// A client id that this login may not use.
    ClientId = 0x85,
    /// Unknown name or wrong password.
    BadLogin = 0x86,
    /// Not allowed.
    NotAuthorised = 0x87,
    /// The login cannot be checked at the moment, or there is no room.
    Unavailable = 0x88,
    /// Extended authentication is not served.
    AuthenticationMethod = 0x8c,
    /// The will's topic is not one that can be published to.
    TopicName = 0x90,
    /// The CONNECT is longer than it may be.
    TooLarge = 0x95,
}

/// Why the server ends a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisconnectReason {
    /// The bytes are no packet.
    Malformed = 0x81,
    /// A packet that the protocol forbids.
    Protocol = 0x82,
    /// The server stops.
    ShuttingDown = 0x8b,
    /// The client was silent for too long.
    KeepAlive = 0x8d,
    /// The client has connected again.
    TakenOver = 0x8e,
    /// More QoS 2 messages at once than the server said it takes.
    ReceiveMax = 0x93,
    /// A topic alias above the server's maximum.
    Alias = 0x94,
    /// A packet larger than the server's maximum.
    TooLarge = 0x95,
    /// More waits for the client than it may keep waiting.
    Quota = 0x97,
    /// The session was ended from outside.
    Administrative = 0x98,
}

macro_rules! reasons {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $code:literal,)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($(#[$doc])* $variant = $code,)*
        }

        impl $name {
            /// From its byte; `None` for one that this packet does not carry.
            pub fn from_byte(byte: u8) -> Option<$name> {
                match byte {
                    $($code => Some($name::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

reasons! {
    /// What became of a message: PUBACK and PUBREC, both ways.
    AckReason {
        /// It has arrived.
        Success = 0x00,
        /// It has arrived, and there is no subscriber.
        NoSubscribers = 0x10,
        /// Refused, no reason given.
        Unspecified = 0x80,
        /// Refused for a reason of the implementation.
        Implementation = 0x83,
        /// The sender may not publish there.
        NotAuthorised = 0x87,
        /// The topic is well formed, but not accepted.
        TopicName = 0x90,
        /// The packet id is in use.
        IdInUse = 0x91,
        /// A limit was reached.
        Quota = 0x97,
        /// The payload is not what it says it is.
        PayloadFormat = 0x99,
    }
}

impl AckReason {
    /// Why a message was not taken, in words.
    pub fn text(self) -> Option<&'static str> {
        match self {
            AckReason::NotAuthorised => Some("this login may not publish there"),
            AckReason::TopicName => Some("the topic is longer or deeper than this broker allows"),
            _ => None,
        }
    }

    /// Whether the message was taken.
    pub fn is_success(self) -> bool {
        (self as u8) < 0x80
    }
}

reasons! {
    /// What became of a packet id: PUBREL and PUBCOMP, both ways.
    ReleaseReason {
        /// It is free.
        Success = 0x00,
        /// It was not known.
        UnknownId = 0x92,
    }
}

reasons! {
    /// Why a client disconnects.
    ClientDisconnectReason {
        /// Normally.
        Normal = 0x00,
        /// Normally, but with its will published.
        WithWill = 0x04,
        /// Something went wrong.
        Unspecified = 0x80,
        /// The server sent bytes that are no packet.
        Malformed = 0x81,
        /// The server broke the protocol.
        Protocol = 0x82,
        /// The client has its own reasons.
        Implementation = 0x83,
        /// A topic was not accepted.
        TopicName = 0x90,
        /// The server sent too many messages at once.
        ReceiveMax = 0x93,
        /// The server used an alias it may not use.
        Alias = 0x94,
        /// The server sent a packet that is too large.
        TooLarge = 0x95,
        /// The server sends too fast.
        Rate = 0x96,
        /// A limit was reached.
        Quota = 0x97,
        /// The client was stopped by its administrator.
        Administrative = 0x98,
        /// A payload was not what it said it was.
        PayloadFormat = 0x99,
    }
}

/// Why a filter was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubscribeReason {
    /// No reason is given.
    Unspecified = 0x80,
    /// The client may not subscribe to it.
    NotAuthorised = 0x87,
    /// It is well formed, but longer or deeper than this broker allows.
    Filter = 0x8f,
    /// The client has as many filters as it may.
    Quota = 0x97,
}

/// What became of an UNSUBSCRIBE's filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnsubscribeReason {
    /// The subscription has ended.
    Success = 0x00,
    /// There was none.
    NoSubscription = 0x11,
}
