//! Twirp, the form in which apps call server APIs: one POST per call, JSON or
//! protobuf, and errors in JSON.
//!
//! What the calls of a service mean is left to the service's own file
//! ([`room_service`](crate::room_service)), HTTP itself to the shell.

use std::collections::BTreeMap;

use prost::Message;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What kind of failure an API call met; each has its word and HTTP status.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Code {
    /// The caller gave up.
    Canceled,
    /// An argument can never work.
    InvalidArgument,
    /// The body is not the message it should be.
    Malformed,
    /// It took too long.
    DeadlineExceeded,
    /// No such room, participant or track.
    NotFound,
    /// No such service, method or form of request.
    BadRoute,
    /// It is there already.
    AlreadyExists,
    /// Known caller, not allowed.
    PermissionDenied,
    /// No token, or one that does not grant it.
    Unauthenticated,
    /// Too many.
    ResourceExhausted,
    /// Not as things are now.
    FailedPrecondition,
    /// Something else came in between.
    Aborted,
    /// Beyond the end.
    OutOfRange,
    /// Known, not served here.
    Unimplemented,
    /// A fault of ours.
    Internal,
    /// Of no kind listed here.
    Unknown,
    /// Not now; later perhaps.
    Unavailable,
    /// What was kept is lost.
    DataLoss,
}

impl Code {
    /// The word in the answer's body.
    pub fn word(self) -> &'static str {
        match self {
            Self::Canceled => "canceled",
            Self::InvalidArgument => "invalid_argument",
            Self::Malformed => "malformed",
            Self::DeadlineExceeded => "deadline_exceeded",
            Self::NotFound => "not_found",
            Self::BadRoute => "bad_route",
            Self::AlreadyExists => "already_exists",
            Self::PermissionDenied => "permission_denied",
            Self::Unauthenticated => "unauthenticated",
            Self::ResourceExhausted => "resource_exhausted",
            Self::FailedPrecondition => "failed_precondition",
            Self::Aborted => "aborted",
            Self::OutOfRange => "out_of_range",
            Self::Unimplemented => "unimplemented",
            Self::Internal => "internal",
            Self::Unknown => "unknown",
            Self::Unavailable => "unavailable",
            Self::DataLoss => "data_loss",
        }
    }

    /// The answer's HTTP status.
    pub fn status(self) -> u16 {
        match self {
            Self::InvalidArgument | Self::Malformed | Self::OutOfRange => 400,
            Self::Unauthenticated => 401,
            Self::PermissionDenied => 403,
            Self::NotFound | Self::BadRoute => 404,
            Self::Canceled | Self::DeadlineExceeded => 408,
            Self::AlreadyExists | Self::Aborted => 409,
            Self::FailedPrecondition => 412,
            Self::ResourceExhausted => 429,
            Self::Internal | Self::Unknown | Self::DataLoss => 500,
            Self::Unimplemented => 501,
            Self::Unavailable => 503,
        }
    }
}

/// Why an API call failed, as the caller reads it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, thiserror::Error)]
#[error("{msg}")]
pub struct Error {
    #[serde(serialize_with = "word")]
    code: Code,
    msg: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    meta: BTreeMap<String, String>,
}

impl Error {
    /// A failure of kind `code`; `msg` is for people.
    pub fn new(code: Code, msg: impl Into<String>) -> Self {
        Self {
            code,
            msg: msg.into(),
            meta: BTreeMap::new(),
        }
    }

    /// The same, with a detail for programs.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.meta.insert(name.to_owned(), value.into());
        self
    }

    /// No such service or method.
    pub fn no_route(path: &str) -> Self {
        // A path can be long; who asked knows it.
        let path: String = path.chars().take(256).collect();
        Self::new(Code::BadRoute, format!("no handler for path {path:?}"))
    }

    /// Calls are made by POST only.
    pub fn method(method: &str) -> Self {
        let msg = format!("unsupported method {method:?} (only POST is allowed)");
        Self::new(Code::BadRoute, msg)
    }

    /// No token, or one that does not grant the call.
    pub fn not_allowed() -> Self {
        Self::new(Code::Unauthenticated, "permissions denied")
    }

    /// Its kind.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The answer's body, always JSON.
    pub fn body(&self) -> String {
        serde_json::to_string(self).expect("text only")
    }
}

/// The content type of every error: SDKs compare the whole value.
pub const ERROR_CONTENT_TYPE: &str = "application/json";

fn word<S: serde::Serializer>(code: &Code, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(code.word())
}

/// The form of a request, and so of its answer.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Encoding {
    /// JSON as protobuf defines it.
    Json,
    /// Binary.
    Protobuf,
}

impl Encoding {
    /// Reads a request's `Content-Type`; its parameters don't count.
    pub fn of(content_type: &str) -> Result<Self, Error> {
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        if media_type.eq_ignore_ascii_case("application/json") {
            return Ok(Self::Json);
        }
        if media_type.eq_ignore_ascii_case("application/protobuf") {
            return Ok(Self::Protobuf);
        }
        let shown: String = media_type.chars().take(128).collect();
        let msg = format!("unexpected Content-Type: {shown:?}");
        Err(Error::new(Code::BadRoute, msg))
    }

    /// The answer's `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Protobuf => "application/protobuf",
        }
    }

    pub(crate) fn read<M: Message + Default + DeserializeOwned>(
        self,
        body: &[u8],
    ) -> Result<M, Error> {
        match self {
            Self::Json => serde_json::from_slice(body).map_err(|_| {
                Error::new(
                    Code::Malformed,
                    "the json request could not be decoded as the message it should be",
                )
            }),
            Self::Protobuf => M::decode(body).map_err(|_| {
                Error::new(
                    Code::Malformed,
                    "the protobuf request could not be decoded as the message it should be",
                )
            }),
        }
    }

    pub(crate) fn write<M: Message + Serialize>(self, message: &M) -> Result<Vec<u8>, Error> {
        match self {
            Self::Protobuf => Ok(message.encode_to_vec()),
            // Numbers that LiveKit's enums do not have yet cannot be said in JSON.
            Self::Json => serde_json::to_vec(message).map_err(|_| {
                Error::new(
                    Code::Internal,
                    "the answer cannot be said in JSON; ask for application/protobuf",
                )
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tw_3_every_code_has_its_word_and_status() {
        for (code, word, status) in [
            (Code::Canceled, "canceled", 408),
            (Code::InvalidArgument, "invalid_argument", 400),
            (Code::Malformed, "malformed", 400),
            (Code::DeadlineExceeded, "deadline_exceeded", 408),
            (Code::NotFound, "not_found", 404),
            (Code::BadRoute, "bad_route", 404),
            (Code::AlreadyExists, "already_exists", 409),
            (Code::PermissionDenied, "permission_denied", 403),
            (Code::Unauthenticated, "unauthenticated", 401),
            (Code::ResourceExhausted, "resource_exhausted", 429),
            (Code::FailedPrecondition, "failed_precondition", 412),
            (Code::Aborted, "aborted", 409),
            (Code::OutOfRange, "out_of_range", 400),
            (Code::Unimplemented, "unimplemented", 501),
            (Code::Internal, "internal", 500),
            (Code::Unknown, "unknown", 500),
            (Code::Unavailable, "unavailable", 503),
            (Code::DataLoss, "data_loss", 500),
        ] {
            assert_eq!((code.word(), code.status()), (word, status));
        }
    }

    #[test]
    fn tw_3_an_error_is_a_json_object_of_code_msg_and_meta() {
        let plain = Error::new(Code::NotFound, "requested room does not exist");
        assert_eq!(
            plain.body(),
            r#"{"code":"not_found","msg":"requested room does not exist"}"#
        );
        let detailed = Error::new(Code::Unknown, "a \"quote\"").with("rpc_code", "1500");
        assert_eq!(
            detailed.body(),
            r#"{"code":"unknown","msg":"a \"quote\"","meta":{"rpc_code":"1500"}}"#
        );
    }

    #[test]
    fn tw_1_json_and_protobuf_are_told_by_the_content_type() {
        for (content_type, expected) in [
            ("application/json", Some(Encoding::Json)),
            ("application/json;charset=UTF-8", Some(Encoding::Json)),
            ("Application/JSON ; charset=utf-8", Some(Encoding::Json)),
            ("application/protobuf", Some(Encoding::Protobuf)),
            ("application/protobuf; v=1", Some(Encoding::Protobuf)),
            ("application/x-protobuf", None),
            ("text/plain", None),
            ("multipart/form-data; boundary=application/json", None),
            ("", None),
        ] {
            let read = Encoding::of(content_type);
            assert_eq!(read.as_ref().ok(), expected.as_ref(), "{content_type}");
            if let Err(error) = read {
                assert_eq!(error.code(), Code::BadRoute, "{content_type}");
            }
        }
    }
}
