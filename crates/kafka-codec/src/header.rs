//! What stands before the body of a message.
//!
//! A request header has tagged fields if its version of the API is flexible; its client id has an
//! i16 length in every version. A response header has tagged fields likewise, except that of
//! ApiVersions, which never has: a client reads it before it knows what the server speaks.

use bytes::Bytes;

use crate::reader::Reader;
use crate::wire::Wire;
use crate::writer::Writer;
use crate::{ApiKey, DecodeError};

/// The header of a request of any API, served or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHeader {
    /// Number of the API.
    pub api_key: i16,
    /// Version of the body and, within the API, of the response.
    pub api_version: i16,
    /// Returned in the response.
    pub correlation_id: i32,
    /// How the client calls itself.
    pub client_id: Option<String>,
}

impl RequestHeader {
    /// Splits the bytes of a frame behind its size into header and body. The body is meaningful
    /// only if the API and its version are served.
    ///
    /// # Errors
    ///
    /// The bytes are no header.
    pub fn decode(frame: &Bytes) -> Result<(Self, Bytes), DecodeError> {
        let mut r = Reader::new(frame, 0, false);
        let header = Self {
            api_key: i16::read(&mut r)?,
            api_version: i16::read(&mut r)?,
            correlation_id: i32::read(&mut r)?,
            client_id: r.nullable_string()?,
        };
        if header
            .api()
            .is_some_and(|api| api.versions().is_flexible(header.api_version))
        {
            r.become_flexible();
        }
        r.tagged_fields(|_, _| Ok(false))?;
        Ok((header, r.rest()))
    }

    /// The API, if it is served.
    #[must_use]
    pub fn api(&self) -> Option<ApiKey> {
        ApiKey::from_number(self.api_key)
    }

    pub(crate) fn write(w: &mut Writer, api: ApiKey, correlation_id: i32, client_id: Option<&str>) {
        api.number().write(w);
        w.version().write(w);
        correlation_id.write(w);
        w.nullable_legacy_string(client_id);
        w.tagged_field_count(0);
    }
}

/// The header of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseHeader {
    /// That of the request.
    pub correlation_id: i32,
}

impl ResponseHeader {
    /// Splits the bytes of a frame behind its size into header and body.
    ///
    /// # Errors
    ///
    /// The bytes are no header.
    pub fn decode(frame: &Bytes, api: ApiKey, version: i16) -> Result<(Self, Bytes), DecodeError> {
        let flexible = api != ApiKey::ApiVersions && api.versions().is_flexible(version);
        let mut r = Reader::new(frame, version, flexible);
        let correlation_id = i32::read(&mut r)?;
        r.tagged_fields(|_, _| Ok(false))?;
        Ok((Self { correlation_id }, r.rest()))
    }

    pub(crate) fn write(w: &mut Writer, api: ApiKey, correlation_id: i32) {
        correlation_id.write(w);
        if api != ApiKey::ApiVersions {
            w.tagged_field_count(0);
        }
    }
}
