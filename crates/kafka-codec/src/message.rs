//! Whole messages: decoded from a body, encoded into a frame.

use bytes::Bytes;

use crate::reader::Reader;
use crate::wire::Wire;
use crate::writer::Writer;
use crate::{ApiKey, DecodeError, EncodeError, Frame, RequestHeader, ResponseHeader};

/// A request or a response.
pub trait Message: Wire {
    /// The API it belongs to.
    const API: ApiKey;

    /// Reads a body of a served version. Fields that the version lacks get their defaults; bytes
    /// behind the last field are ignored, as Kafka does.
    ///
    /// # Errors
    ///
    /// The version is not served, or the bytes are no such message.
    fn decode(body: &Bytes, version: i16) -> Result<Self, DecodeError> {
        let versions = Self::API.versions();
        if !versions.serves(version) {
            return Err(DecodeError::UnsupportedVersion {
                api: Self::API,
                version,
            });
        }
        Self::read(&mut Reader::new(
            body,
            version,
            versions.is_flexible(version),
        ))
    }
}

/// A message of a client, and the type of its answer.
pub trait Request: Message {
    /// What answers it, in the same version.
    type Response: Message;

    /// The frame of this request, its header included.
    ///
    /// # Errors
    ///
    /// The version is not served, or a value does not fit the wire.
    fn to_frame(
        &self,
        version: i16,
        correlation_id: i32,
        client_id: Option<&str>,
    ) -> Result<Frame, EncodeError> {
        let mut writer = start(Self::API, version)?;
        RequestHeader::write(&mut writer, Self::API, correlation_id, client_id);
        self.write(&mut writer);
        writer.finish()
    }

    /// The frame of a response to a request of this type and version, its header included. What
    /// the version lacks is left out.
    ///
    /// # Errors
    ///
    /// The version is not served, or a value does not fit the wire.
    fn response_frame(
        response: &Self::Response,
        version: i16,
        correlation_id: i32,
    ) -> Result<Frame, EncodeError> {
        let mut writer = start(Self::API, version)?;
        ResponseHeader::write(&mut writer, Self::API, correlation_id);
        response.write(&mut writer);
        writer.finish()
    }

    /// Reads the response to a request of this type and version from the bytes of a frame behind
    /// its size.
    ///
    /// # Errors
    ///
    /// The version is not served, or the bytes are no such response.
    fn decode_response(
        frame: &Bytes,
        version: i16,
    ) -> Result<(ResponseHeader, Self::Response), DecodeError> {
        let (header, body) = ResponseHeader::decode(frame, Self::API, version)?;
        Ok((header, Self::Response::decode(&body, version)?))
    }
}

fn start(api: ApiKey, version: i16) -> Result<Writer, EncodeError> {
    let versions = api.versions();
    if !versions.serves(version) {
        return Err(EncodeError::UnsupportedVersion { api, version });
    }
    Ok(Writer::new(version, versions.is_flexible(version)))
}
