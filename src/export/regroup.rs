//! Matches to the topic through which nodes count correlations together. Before the commit of the events that they are of: what
//! the brokers have twice is known by its event.

use std::time::Duration;

use super::SinkError;
use super::acknowledged::{Acknowledged, Manner, Message};
use crate::config::regroup::RegroupConfig;
use crate::model::correlation_match::CorrelationMatch;
use crate::wire::correlation_match_v1 as form;

/// Everything of a commit is there at once; the commit waits, and a stop waits for the commit.
const MANNER: Manner = Manner {
    linger: Duration::from_millis(1),
    deliver: Duration::from_secs(10),
    write_bytes: 64 << 10,
};

/// The topic, as nodes write it.
pub struct RegroupTopic {
    topic: String,
    link: Acknowledged,
    checked: bool,
}

impl RegroupTopic {
    /// The topic as configured. Connects to nothing yet.
    ///
    /// # Errors
    /// The configuration is of no use.
    pub fn new(config: &RegroupConfig) -> Result<RegroupTopic, SinkError> {
        let link = Acknowledged::new(&config.cluster, MANNER)?;
        Ok(RegroupTopic { topic: config.topic.clone(), link, checked: false })
    }

    /// Write matches and wait until the brokers have them. Returns how many they refused for ever, as too long.
    ///
    /// # Errors
    /// The topic is not there, or nobody answers: send all of them again.
    pub fn send(&mut self, matches: &[CorrelationMatch]) -> Result<u64, SinkError> {
        if !self.checked {
            self.link.check([&self.topic])?;
            self.checked = true;
        }
        self.link.begin()?;
        let (mut sent, mut long) = (0, 0);
        for one in matches {
            let (id, key, body) = (one.event.to_string(), form::key(one), form::write(one));
            let message = Message { schema: form::SCHEMA, id: &id, key: &key, body: &body };
            match self.link.queue(&self.topic, message)? {
                true => sent += 1,
                false => long += 1,
            }
        }
        Ok(long + self.link.settle(sent)?)
    }
}
