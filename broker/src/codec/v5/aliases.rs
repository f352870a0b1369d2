//! Topic aliases of one connection, each direction for itself. They end with the connection.

use super::publish::TopicForm;
use crate::codec::error::Fault;
use crate::codec::properties::{Alias, AliasedTopic};
use std::collections::HashMap;
use std::sync::Arc;

/// Aliases that a client has assigned.
#[derive(Debug)]
pub struct InboundAliases {
    max: u16,
    topics: Vec<Option<Arc<str>>>,
}

/// A topic name, from the packet itself or from one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TopicName<'a> {
    /// It stood in the packet.
    InPacket(&'a str),
    /// Its alias stood in the packet.
    ByAlias(Arc<str>),
}

impl TopicName<'_> {
    /// The name.
    pub fn as_str(&self) -> &str {
        match self {
            TopicName::InPacket(name) => name,
            TopicName::ByAlias(name) => name,
        }
    }
}

impl InboundAliases {
    /// Accepts aliases up to `max`.
    pub fn new(max: u16) -> Self {
        Self { max, topics: Vec::new() }
    }

    /// The name of a packet's topic. A name given together with an alias is remembered, even when its message is
    /// refused.
    pub fn name<'a>(&mut self, topic: AliasedTopic<'a>) -> Result<TopicName<'a>, Fault> {
        match topic {
            AliasedTopic::Name(name) => Ok(TopicName::InPacket(name)),
            AliasedTopic::Defines(_, alias) | AliasedTopic::Alias(alias) if alias.get() > self.max => {
                Err(Fault::Alias)
            }
            AliasedTopic::Defines(name, alias) => {
                let at = usize::from(alias.get()) - 1;
                if self.topics.len() <= at {
                    self.topics.resize(at + 1, None);
                }
                self.topics[at] = Some(name.into());
                Ok(TopicName::InPacket(name))
            }
            AliasedTopic::Alias(alias) => {
                let known = self.topics.get(usize::from(alias.get()) - 1).cloned().flatten();
                known.map(TopicName::ByAlias).ok_or(Fault::UnknownAlias)
            }
        }
    }
}

/// Aliases assigned to a client: the first topics it gets have them, as long as there are any.
#[derive(Debug)]
pub struct OutboundAliases {
    max: u16,
    topics: HashMap<Box<[u8]>, Alias>,
}

impl OutboundAliases {
    /// Assigns aliases up to `max`.
    pub fn new(max: u16) -> Self {
        Self { max, topics: HashMap::new() }
    }

    /// How a topic is to be named. `TopicForm::NameAndAlias` is to be followed by `define`.
    pub fn naming(&self, topic: &[u8]) -> TopicForm {
        if self.max == 0 {
            return TopicForm::Name;
        }
        match self.topics.get(topic) {
            Some(alias) => TopicForm::AliasOnly(*alias),
            None => self.free().map_or(TopicForm::Name, TopicForm::NameAndAlias),
        }
    }

    fn free(&self) -> Option<Alias> {
        let next = u16::try_from(self.topics.len()).ok()?.checked_add(1)?;
        Alias::new(next).filter(|alias| alias.get() <= self.max)
    }

    /// Notes that this alias was sent to the client.
    pub fn define(&mut self, topic: &[u8], alias: Alias) {
        self.topics.insert(topic.into(), alias);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alias(number: u16) -> Alias {
        Alias::new(number).unwrap()
    }

    #[test]
    fn an_alias_stands_for_the_name_it_was_given_last() {
        let mut taken = InboundAliases::new(2);
        let here = |name| Ok(TopicName::InPacket(name));
        let remembered = |name: &str| Ok(TopicName::ByAlias(name.into()));
        for (topic, expected) in [
            (AliasedTopic::Alias(alias(1)), Err(Fault::UnknownAlias)),
            (AliasedTopic::Defines("a", alias(2)), here("a")),
            (AliasedTopic::Alias(alias(1)), Err(Fault::UnknownAlias)),
            (AliasedTopic::Alias(alias(2)), remembered("a")),
            (AliasedTopic::Name("b"), here("b")),
            (AliasedTopic::Alias(alias(2)), remembered("a")),
            (AliasedTopic::Defines("c", alias(2)), here("c")),
            (AliasedTopic::Alias(alias(2)), remembered("c")),
            (AliasedTopic::Alias(alias(3)), Err(Fault::Alias)),
            (AliasedTopic::Defines("d", alias(3)), Err(Fault::Alias)),
        ] {
            assert_eq!(taken.name(topic), expected, "{topic:?}");
        }
        assert_eq!(InboundAliases::new(0).name(AliasedTopic::Defines("a", alias(1))), Err(Fault::Alias));
    }

    #[test]
    fn the_first_topics_get_aliases() {
        let mut given = OutboundAliases::new(2);
        for (topic, expected) in [
            ("a", TopicForm::NameAndAlias(alias(1))),
            ("a", TopicForm::AliasOnly(alias(1))),
            ("b", TopicForm::NameAndAlias(alias(2))),
            ("c", TopicForm::Name),
            ("b", TopicForm::AliasOnly(alias(2))),
        ] {
            let naming = given.naming(topic.as_bytes());
            assert_eq!(naming, expected, "{topic}");
            if let TopicForm::NameAndAlias(alias) = naming {
                given.define(topic.as_bytes(), alias);
            }
        }
        assert_eq!(OutboundAliases::new(0).naming(b"a"), TopicForm::Name);
    }
}
