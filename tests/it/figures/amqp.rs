//! RabbitMQ as a way, and its floor: a client that takes messages, acknowledges them and forgets them.

use futures_util::StreamExt;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions};
use lapin::types::FieldTable;

use crate::support::rabbitmq::Rabbit;

/// Messages on the way to the broker before their confirmations are read.
const CONFIRMS: usize = 500;
/// Messages that a client may hold without having acknowledged them: the source's default.
const PREFETCH: u16 = 500;
/// Messages that it acknowledges at once.
const ACKED: usize = 100;
/// The queue of the daemon.
const QUEUE: &str = "logs";
/// The queue of the floor: the daemon has emptied its own.
const OTHER: &str = "thrown away";

/// A durable queue whose messages are confirmed.
pub struct Amqp {
    rabbit: Rabbit,
    runtime: tokio::runtime::Runtime,
    channel: (lapin::Connection, lapin::Channel),
}

impl Amqp {
    pub fn new(rabbit: Rabbit) -> Amqp {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let channel = runtime.block_on(rabbit.channel());
        runtime.block_on(rabbit.declare(&channel.1, QUEUE));
        runtime.block_on(rabbit.declare(&channel.1, OTHER));
        Amqp { rabbit, runtime, channel }
    }

    pub fn url(&self) -> String {
        self.rabbit.url()
    }

    /// Give the daemon's queue these records.
    pub fn send(&self, records: &[String]) {
        self.publish(QUEUE, records);
    }

    /// Give the floor's queue the same.
    pub fn fill_other(&self, records: &[String]) {
        self.publish(OTHER, records);
    }

    /// Take so many messages of the floor's queue.
    pub fn throw_away_other(&self, count: usize) {
        self.runtime.block_on(async {
            let channel = self.channel.0.create_channel().await.unwrap();
            channel.basic_qos(PREFETCH, BasicQosOptions::default()).await.unwrap();
            let options = BasicConsumeOptions::default();
            let arguments = FieldTable::default();
            let taken = channel.basic_consume(OTHER.into(), "floor".into(), options, arguments);
            let mut taken = taken.await.unwrap();
            for number in 1..=count {
                let message = taken.next().await.unwrap().unwrap();
                if number % ACKED == 0 || number == count {
                    message.acker.ack(BasicAckOptions { multiple: true }).await.unwrap();
                }
            }
            channel.close(200, "".into()).await.unwrap();
        });
    }

    fn publish(&self, queue: &str, records: &[String]) {
        let properties = lapin::BasicProperties::default().with_delivery_mode(2);
        self.runtime.block_on(async {
            for some in records.chunks(CONFIRMS) {
                let mut confirms = Vec::new();
                for record in some {
                    let options = BasicPublishOptions::default();
                    let body = record.as_bytes();
                    let sent = self.channel.1.basic_publish(
                        "".into(),
                        queue.into(),
                        options,
                        body,
                        properties.clone(),
                    );
                    confirms.push(sent.await.unwrap());
                }
                for confirm in confirms {
                    confirm.await.unwrap();
                }
            }
        });
    }
}
