//! OTLP: `POST /v1/logs` and `/v1/traces` as protobuf or JSON, and the two calls of gRPC that do the same.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use prost::Message;
use prost::bytes::{Buf, BufMut};
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Code, Status};

use super::admit::{Admitted, Gate};
use super::deliver::Taken;
use super::otlp_json;
use super::refusal::{Reason, Refusal};
use crate::carrier::otlp_messages::OtlpMessages;
use crate::carrier::{Bounds, Chunk};
use crate::model::record::Framing;
use crate::stdx::id::IdHasher;
use crate::stdx::task;

const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";
/// The header by which a repeat is said, because the answer has no place for it.
const REPEATED: &str = "x-watchfloor-repeated";

/// `google.rpc.Status`, which tells a client why.
#[derive(Clone, PartialEq, Message)]
struct Why {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

/// `POST /v1/logs` and `POST /v1/traces`.
pub(super) async fn http(State(gate): State<Arc<Gate>>, request: Request) -> Response {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let json = kind.is_some_and(|kind| kind.trim_start().starts_with(JSON));
    let known = json || kind.is_some_and(|kind| kind.trim_start().starts_with(PROTOBUF));
    let bounds = gate.inlet.settings.bounds;
    let taken = async {
        if !known {
            let message = format!("the content type is {PROTOBUF} or {JSON}");
            return Err(Refusal::format(message));
        }
        let received = gate.receive(request).await?;
        let parse = move |body: &[u8]| match json {
            true => Ok((otlp_json::split(body, bounds)?, ())),
            false => Ok((split(body, bounds)?, ())),
        };
        Ok(gate.take("otlp", String::new(), received, parse).await?.0)
    };
    let kind = if json { JSON } else { PROTOBUF };
    let (mut answer, repeated) = match taken.await {
        // An empty message: all of it was taken.
        Ok(taken) => (if json { "{}" } else { "" }.into_response(), taken.is_repeat()),
        Err(refusal) => {
            let refusal = gate.refused(refusal);
            let why = Why { code: code(refusal.reason) as i32, message: refusal.message.clone() };
            let body = match json {
                true => serde_json::json!({ "code": why.code, "message": why.message })
                    .to_string()
                    .into_bytes(),
                false => why.encode_to_vec(),
            };
            (refusal.mark(body.into_response()), false)
        }
    };
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    if repeated {
        answer.headers_mut().insert(REPEATED, HeaderValue::from_static("true"));
    }
    answer
}

/// The records of a request. One that cannot be read to its end is a mistake of the client, and nothing of it is taken.
fn split(body: &[u8], bounds: Bounds) -> Result<Vec<Chunk>, Refusal> {
    let mut chunks: Vec<Chunk> = Vec::new();
    let mut sink = |chunk: Chunk| {
        chunks.push(chunk);
        ControlFlow::Continue(())
    };
    let mut messages = OtlpMessages::single(bounds);
    // The sink never asks to stop.
    let _ = messages.feed(body, &mut sink);
    let _ = messages.finish(&mut sink);
    let damaged = |chunk: &Chunk| chunk.records.iter().any(|it| it.framing == Framing::Damaged);
    if chunks.iter().any(damaged) {
        return Err(Refusal::format("not OTLP as protobuf"));
    }
    Ok(chunks)
}

fn code(reason: Reason) -> Code {
    match reason {
        Reason::NoKey | Reason::WrongKey | Reason::Signature => Code::Unauthenticated,
        Reason::Rate | Reason::Busy | Reason::NotDurable => Code::Unavailable,
        Reason::TooLarge => Code::ResourceExhausted,
        Reason::Slow => Code::DeadlineExceeded,
        Reason::NoSuchPlace => Code::Unimplemented,
        Reason::HalfBody | Reason::Packing | Reason::Format => Code::InvalidArgument,
    }
}

/// `Export` of the services for logs and traces.
pub(super) async fn grpc(State(gate): State<Arc<Gate>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let admitted = match gate.refuse_unsigned() {
        Ok(()) => gate.admit(&head).await,
        Err(refusal) => Err(refusal),
    };
    let admitted = match admitted {
        Ok(admitted) => admitted,
        Err(refusal) => return status(&gate, refusal).into_http::<Body>(),
    };
    let patience = gate.config.read_timeout + gate.config.ack_timeout + Duration::from_secs(1);
    let mut server = tonic::server::Grpc::new(Plain)
        .accept_compressed(CompressionEncoding::Gzip)
        .accept_compressed(CompressionEncoding::Zstd)
        .max_decoding_message_size(gate.bounds.unpacked_max);
    let admitted = Arc::new(admitted);
    let whole = Arc::new(AtomicBool::new(false));
    let (counted, reached) = (Arc::clone(&gate), Arc::clone(&whole));
    let export = tower::service_fn(move |message: tonic::Request<Vec<u8>>| {
        let (gate, admitted) = (Arc::clone(&gate), Arc::clone(&admitted));
        whole.store(true, Ordering::Relaxed);
        async move {
            match export(&gate, &admitted, message.into_inner()).await {
                Ok(taken) => {
                    let mut answer = tonic::Response::new(Vec::new());
                    if taken.is_repeat() {
                        let value = tonic::metadata::MetadataValue::from_static("true");
                        answer.metadata_mut().insert(REPEATED, value);
                    }
                    Ok(answer)
                }
                Err(refusal) => Err(status(&gate, refusal)),
            }
        }
    });
    let request = Request::from_parts(head, body);
    let answer = tokio::time::timeout(patience, server.unary(export, request)).await;
    match answer {
        Ok(answer) => {
            if !reached.load(Ordering::Relaxed) {
                // Half a message, one that is too long, or one that cannot be unpacked: the answer says which.
                counted.gauges.add(Reason::Format.gauge(), 1);
            }
            answer.map(Body::new)
        }
        Err(_) => {
            let message = "the message did not come in time";
            status(&counted, Refusal::new(Reason::Slow, message)).into_http()
        }
    }
}

async fn export(gate: &Gate, admitted: &Admitted, message: Vec<u8>) -> Result<Taken, Refusal> {
    gate.gauges.add("bytes", i64::try_from(message.len()).unwrap_or(i64::MAX));
    gate.admit_bytes(message.len())?;
    let mut share = super::body::Share::default();
    gate.memory.grow(&mut share, 2 * message.len())?;
    let bounds = gate.inlet.settings.bounds;
    let parsed = task::blocking("read a message", move || {
        let hash = IdHasher::new("body").bytes(&message).finish();
        split(&message, bounds).map(|chunks| (chunks, hash))
    })
    .await;
    let (chunks, hash) = parsed
        .map_err(|panic| Refusal::new(Reason::NotDurable, panic.to_string()))
        .and_then(|parsed| parsed)?;
    // The same message by HTTP is the same delivery.
    let whole = gate.inlet.key("otlp", &[b"", b"", hash.as_bytes()]);
    let taken = gate.deliver(&admitted.visitor, whole, chunks).await;
    drop(share);
    taken
}

fn status(gate: &Gate, refusal: Refusal) -> Status {
    let refusal = gate.refused(refusal);
    Status::new(code(refusal.reason), refusal.message)
}

/// Messages as bytes: they are split, not decoded.
#[derive(Clone, Copy, Debug)]
struct Plain;

impl Codec for Plain {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Plain;
    type Decoder = Plain;

    fn encoder(&mut self) -> Plain {
        Plain
    }

    fn decoder(&mut self) -> Plain {
        Plain
    }
}

impl Encoder for Plain {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Plain {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let mut bytes = vec![0; from.remaining()];
        from.copy_to_slice(&mut bytes);
        Ok(Some(bytes))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_message_that_is_cut_is_refused_as_a_whole() {
        // Two resources, each with one empty scope.
        let body = [0x0a, 2, 0x12, 0, 0x0a, 2, 0x12, 0];
        let chunks = split(&body, Bounds::default()).unwrap();
        assert_eq!(chunks.iter().map(|chunk| chunk.records.len()).sum::<usize>(), 2);
        assert!(split(&body[..7], Bounds::default()).is_err());
        assert!(split(b"hello", Bounds::default()).is_err());
        assert!(split(b"", Bounds::default()).unwrap().iter().all(|it| it.records.is_empty()));
    }

    proptest! {
        #[test]
        fn any_body_does_no_harm(body: Vec<u8>) {
            let _ = split(&body, Bounds::default());
        }
    }
}
