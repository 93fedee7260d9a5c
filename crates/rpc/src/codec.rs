//! Requests and replies in frames.
//!
//! | frame | bytes (bincode, standard) |
//! |---|---|
//! | request | 0 u8, id u64, time to live in ms u32, the service's request enum |
//! | cancel | 1 u8, id u64 |
//! | reply | id u64, `Result` of the service's response enum or the text of a `ServerError` |
//!
//! No clock reading and no randomness goes on the wire. Invariant: a reply reaches its caller
//! only if it is of the method called, which the generated client relies on; and a reply too
//! large for a frame becomes an error under the same id, so the connection lives.

use std::collections::BTreeMap;
use std::io;
use std::marker::PhantomData;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tarpc::{ClientMessage, Response, ServerError};
use tokio_util::codec::{Decoder, Encoder};

use crate::call::{Pulse, Timed};
use crate::frame::{self, FrameError};
use crate::in_flight::Admitted;
use crate::limits::TTL_MAX;
use crate::payload::Pinning;
use crate::wire::{self, WireError};

const REQUEST: u8 = 0;
const CANCEL: u8 = 1;
/// How bincode begins an `Ok` and an `Err`.
const OK: u8 = 0;

/// What a server reads.
#[derive(Debug)]
pub(crate) enum Incoming<Req> {
    Request { admitted: Admitted, message: Req },
    Cancel { id: u64 },
}

/// Reads what clients send.
pub(crate) struct RequestReader<Req> {
    limit_bytes: usize,
    message: PhantomData<fn() -> Req>,
}

impl<Req> RequestReader<Req> {
    pub(crate) fn new(limit_bytes: usize) -> Self {
        Self {
            limit_bytes,
            message: PhantomData,
        }
    }
}

impl<Req: DeserializeOwned> Decoder for RequestReader<Req> {
    type Item = Incoming<Req>;
    type Error = FrameError;

    fn decode(&mut self, arrived: &mut BytesMut) -> Result<Option<Incoming<Req>>, FrameError> {
        let Some(mut frame) = frame::take(arrived, self.limit_bytes)? else {
            return Ok(None);
        };
        let size_bytes = frame.len();
        let kind = frame.try_get_u8().map_err(|_| WireError::Empty)?;
        if kind == CANCEL {
            let id = wire::decode_frame(&frame, self.limit_bytes, Pinning::Free)?;
            return Ok(Some(Incoming::Cancel { id }));
        }
        if kind != REQUEST {
            return Err(WireError::Version { found: kind }.into());
        }
        let (id, ttl_ms, message): (u64, u32, Req) =
            wire::decode_frame(&frame, self.limit_bytes, Pinning::Bounded)?;
        let admitted = Admitted {
            id,
            ttl: Duration::from_millis(u64::from(ttl_ms)).min(TTL_MAX),
            size_bytes,
        };
        Ok(Some(Incoming::Request { admitted, message }))
    }
}

/// Writes what a server answers.
pub(crate) struct ReplyWriter {
    limit_bytes: usize,
}

impl ReplyWriter {
    pub(crate) fn new(limit_bytes: usize) -> Self {
        Self { limit_bytes }
    }
}

impl<Resp: Serialize> Encoder<Response<Resp>> for ReplyWriter {
    type Error = FrameError;

    fn encode(&mut self, reply: Response<Resp>, out: &mut BytesMut) -> Result<(), FrameError> {
        let id = reply.request_id;
        let written = frame::put(out, |out| {
            let message = reply.message.as_ref().map_err(|error| &error.detail);
            wire::append(&(id, message), out, self.limit_bytes)
        });
        let Err(error) = written else { return Ok(()) };
        let failed: Result<(), String> = Err(error.to_string());
        frame::put(out, |out| {
            wire::append(&(id, failed), out, self.limit_bytes)
        })?;
        Ok(())
    }
}

/// Writes what a client asks and reads what it is answered.
pub(crate) struct ClientCodec<Req, Resp> {
    limit_bytes: usize,
    pulse: Pulse,
    /// Of requests without a reply: the method, as the first byte of its enum.
    awaited: BTreeMap<u64, u8>,
    messages: PhantomData<fn(Req) -> Resp>,
}

impl<Req, Resp> ClientCodec<Req, Resp> {
    pub(crate) fn new(limit_bytes: usize, pulse: Pulse) -> Self {
        Self {
            limit_bytes,
            pulse,
            awaited: BTreeMap::new(),
            messages: PhantomData,
        }
    }
}

impl<Req: Serialize, Resp> Encoder<ClientMessage<Timed<Req>>> for ClientCodec<Req, Resp> {
    type Error = FrameError;

    fn encode(
        &mut self,
        message: ClientMessage<Timed<Req>>,
        out: &mut BytesMut,
    ) -> Result<(), FrameError> {
        let limit_bytes = self.limit_bytes;
        match message {
            ClientMessage::Request(request) => {
                let Timed { ttl, request: body } = request.message;
                let ttl_ms = u32::try_from(ttl.as_millis()).unwrap_or(u32::MAX);
                let mut method = None;
                frame::put(out, |out| {
                    let start = out.len();
                    out.put_u8(REQUEST);
                    wire::append(&(request.id, ttl_ms), out, limit_bytes)?;
                    let head_bytes = out.len() - start;
                    wire::append(&body, out, limit_bytes - head_bytes)?;
                    method = out.get(start + head_bytes).copied();
                    Ok(())
                })?;
                self.awaited
                    .extend(method.map(|method| (request.id, method)));
            }
            ClientMessage::Cancel { request_id, .. } => {
                self.awaited.remove(&request_id);
                frame::put(out, |out| {
                    out.put_u8(CANCEL);
                    wire::append(&request_id, out, limit_bytes)
                })?;
            }
            // tarpc has no other messages; a new one would mean nothing to a server.
            _ => {}
        }
        Ok(())
    }
}

impl<Req, Resp: DeserializeOwned> Decoder for ClientCodec<Req, Resp> {
    type Item = Response<Resp>;
    type Error = FrameError;

    fn decode(&mut self, arrived: &mut BytesMut) -> Result<Option<Response<Resp>>, FrameError> {
        if !arrived.is_empty() {
            self.pulse.received.fetch_add(1, Ordering::Relaxed);
        }
        while let Some(frame) = frame::take(arrived, self.limit_bytes)? {
            let (request_id, head_bytes) = wire::decode_start::<u64>(&frame)?;
            // A reply to a cancelled request may still come.
            let Some(method) = self.awaited.remove(&request_id) else {
                continue;
            };
            let body = frame.slice(head_bytes..);
            if matches!(body[..], [OK, answered, ..] if answered != method) {
                return Err(FrameError::WrongReply { id: request_id });
            }
            let message = reply_body(&body, self.limit_bytes)?;
            return Ok(Some(Response {
                request_id,
                message,
            }));
        }
        Ok(None)
    }
}

fn reply_body<Resp: DeserializeOwned>(
    body: &Bytes,
    limit_bytes: usize,
) -> Result<Result<Resp, ServerError>, WireError> {
    let message: Result<Resp, String> = wire::decode_frame(body, limit_bytes, Pinning::Free)?;
    Ok(message.map_err(|detail| ServerError::new(io::ErrorKind::Other, detail)))
}

#[cfg(test)]
mod tests;
