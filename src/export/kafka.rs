//! Events and alerts to Kafka topics, by a producer that waits for all copies.

use std::time::Duration;

use super::acknowledged::{Acknowledged, Manner, Message};
use super::{Outgoing, SinkError};
use crate::config::sinks::KafkaSink;
use crate::model::alert::Alert;
use crate::model::event::{Event, Value};
use crate::model::field;
use crate::model::inference;
use crate::wire::{alert_v1, event_v1};

/// Nobody waits for a sink.
const MANNER: Manner = Manner {
    linger: Duration::from_millis(5),
    deliver: Duration::from_secs(30),
    write_bytes: 1_000_000,
};

/// The sink.
pub(super) struct ToKafka {
    config: KafkaSink,
    link: Acknowledged,
}

impl ToKafka {
    pub(super) fn new(config: &KafkaSink) -> Result<ToKafka, SinkError> {
        let link = Acknowledged::new(&config.cluster, MANNER)?;
        Ok(ToKafka { config: config.clone(), link })
    }

    /// What models say goes into a topic of its own.
    fn topic_of(&self, event: &Event) -> Option<&str> {
        let config = &self.config;
        let topic = match inference::is_judgement(event) {
            true => &config.inference_topic,
            false => &config.events_topic,
        };
        topic.as_deref()
    }
}

/// Which partition: all of an endpoint stands in one.
fn key_of(tenant: &str, host: &str) -> String {
    format!("{tenant}/{host}")
}

impl Outgoing for ToKafka {
    fn takes_events(&self) -> bool {
        self.config.events_topic.is_some() || self.config.inference_topic.is_some()
    }

    fn takes(&self, event: &Event) -> bool {
        self.topic_of(event).is_some()
    }

    fn takes_alerts(&self) -> bool {
        self.config.alerts_topic.is_some()
    }

    fn open(&mut self) -> Result<(), SinkError> {
        let config = &self.config;
        let topics = [&config.events_topic, &config.alerts_topic, &config.inference_topic];
        self.link.check(topics.into_iter().flatten())
    }

    fn events(&mut self, events: &[Event]) -> Result<u64, SinkError> {
        self.link.begin()?;
        let (mut sent, mut long) = (0, 0);
        for event in events {
            let Some(topic) = self.topic_of(event) else { continue };
            let tenant = match event.get(field::ORGANIZATION_ID) {
                Some(Value::Str(tenant)) => tenant,
                _ => "default",
            };
            let body = event_v1::to_nested(event).to_string();
            let (id, key) = (event.id.to_string(), key_of(tenant, event.host()));
            let message = Message { schema: "event_v1", id: &id, key: &key, body: body.as_bytes() };
            match self.link.queue(topic, message)? {
                true => sent += 1,
                false => long += 1,
            }
        }
        Ok(long + self.link.settle(sent)?)
    }

    fn alerts(&mut self, alerts: &[Alert]) -> Result<u64, SinkError> {
        let Some(topic) = self.config.alerts_topic.clone() else { return Ok(0) };
        self.link.begin()?;
        let (mut sent, mut long) = (0, 0);
        for alert in alerts {
            let wire = alert_v1::Alert::from(alert);
            let body =
                serde_json::to_vec(&wire).map_err(|error| SinkError::Later(error.to_string()))?;
            let key = key_of(&wire.tenant, &wire.host);
            let message = Message { schema: "alert_v1", id: &wire.id, key: &key, body: &body };
            match self.link.queue(&topic, message)? {
                true => sent += 1,
                false => long += 1,
            }
        }
        Ok(long + self.link.settle(sent)?)
    }
}
