//! What can go wrong with a call, in the server's own words.

use std::error::Error as StdError;
use std::time::Duration;

use tonic::Code;

use crate::error::{Error, Kind, Retry};
use crate::milvus::v2::proto::common::Status;

/// A call that did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum MilvusError {
    /// The address or the TLS material can't be used. Correct the configuration.
    #[error("{0}")]
    Settings(String),
    /// No connection could be made, so nothing was sent. Check address, network and server.
    #[error("Cannot reach Milvus at {endpoint}: {words}")]
    Unreachable {
        /// The address.
        endpoint: String,
        /// What the network said.
        words: String,
    },
    /// Something answers, but it does not speak the protocol of Milvus 2.x.
    #[error("{endpoint} is not a Milvus 2.x server: {words}")]
    NotMilvus {
        /// The address.
        endpoint: String,
        /// What it said.
        words: String,
    },
    /// The server refuses the credentials, or what they may do.
    #[error("Milvus denies {rpc}: {words}")]
    Denied {
        /// The call.
        rpc: &'static str,
        /// The server's words.
        words: String,
    },
    /// The server answered and refused.
    #[error("Milvus refused {rpc}: {reason} (code {code})")]
    Refused {
        /// The call.
        rpc: &'static str,
        /// `Status.code`, or `error_code` from servers that set only that.
        code: i32,
        /// True when `code` is an `error_code`, whose numbers mean other things.
        old: bool,
        /// The server's words.
        reason: String,
        /// What may be done about it.
        retry: Retry,
    },
    /// The request is larger than the server takes. Send less at once.
    #[error("Milvus refused {rpc}: {words}")]
    TooLarge {
        /// The call.
        rpc: &'static str,
        /// The server's words.
        words: String,
    },
    /// The connection or the server failed after the request was sent: it may or may not have
    /// been carried out.
    #[error("{rpc} got no answer from Milvus: {words}")]
    Lost {
        /// The call.
        rpc: &'static str,
        /// What the network said.
        words: String,
    },
    /// No answer came in time: the request may or may not have been carried out.
    #[error("Milvus did not answer {rpc} within {after:?}")]
    Deadline {
        /// The call.
        rpc: &'static str,
        /// How long it had.
        after: Duration,
    },
    /// A wait on the server's side work took too long.
    #[error("Milvus did not finish {what} within {limit:?}")]
    Wait {
        /// What was waited for.
        what: String,
        /// How long.
        limit: Duration,
    },
    /// The server answered something that makes no sense.
    #[error("Milvus answered {rpc} with {words}")]
    Malformed {
        /// The call.
        rpc: &'static str,
        /// What is wrong with it.
        words: String,
    },
}

impl MilvusError {
    /// Whether the same call may be tried again.
    ///
    /// `Ambiguous` says that the call may have been carried out; calls that do the same when
    /// repeated may be repeated all the same.
    pub fn retry(&self) -> Retry {
        match self {
            MilvusError::Unreachable { .. } => Retry::BackOff,
            MilvusError::Refused { retry, .. } => *retry,
            MilvusError::TooLarge { .. } => Retry::SmallerBatch,
            MilvusError::Lost { .. } | MilvusError::Deadline { .. } => Retry::Ambiguous,
            _ => Retry::No,
        }
    }

    /// True when the server said that a collection, database or partition does not exist.
    pub fn is_missing(&self) -> bool {
        // 100 collection, 200 partition, 700 index; 2.2 and earlier say error_code 4 or, on
        // DescribeCollection, 1 with these words.
        match self {
            MilvusError::Refused { code: 100 | 200 | 700, .. } => true,
            // As a code, 4 is "too many requests"; it means this only as an error_code of old.
            MilvusError::Refused { code: 4 | 25, old: true, .. } => true,
            MilvusError::Refused { code: 1, reason, .. } => {
                reason.contains("can't find collection") || reason.contains("not found")
            }
            _ => false,
        }
    }

    /// A status in an answer; `None` when it says success.
    pub(crate) fn of_status(rpc: &'static str, status: Option<&Status>) -> Option<MilvusError> {
        let Some(status) = status else {
            return Some(MilvusError::Malformed { rpc, words: "no status".to_owned() });
        };
        if status.code == 0 && status.error_code == 0 {
            return None;
        }
        let code = if status.code == 0 { status.error_code } else { status.code };
        let reason = status.reason.trim().to_owned();
        if reason.contains("larger than max") {
            return Some(MilvusError::TooLarge { rpc, words: reason });
        }
        let retry = retry_of_code(status.code, status.error_code);
        Some(MilvusError::Refused { rpc, code, old: status.code == 0, reason, retry })
    }

    /// A failure of gRPC or below it.
    pub(crate) fn of_grpc(rpc: &'static str, endpoint: &str, status: &tonic::Status) -> Self {
        let words = words_of(status);
        if never_connected(status) {
            return MilvusError::Unreachable { endpoint: endpoint.to_owned(), words };
        }
        match status.code() {
            Code::Unauthenticated | Code::PermissionDenied => MilvusError::Denied { rpc, words },
            Code::ResourceExhausted if words.contains("larger than max") => {
                MilvusError::TooLarge { rpc, words }
            }
            Code::ResourceExhausted => MilvusError::Refused {
                rpc,
                code: 8,
                old: false,
                reason: words,
                retry: Retry::BackOff,
            },
            Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::FailedPrecondition
            | Code::OutOfRange
            | Code::Unimplemented => MilvusError::Refused {
                rpc,
                code: status.code() as i32,
                old: false,
                reason: words,
                retry: Retry::No,
            },
            _ => MilvusError::Lost { rpc, words },
        }
    }
}

/// Retry advice for a refusal, by the server's codes.
///
/// The `retriable` flag of an answer is not to be trusted: 2.3.5 says false for a rate limit. The
/// codes are those which the server's source marks as retriable.
fn retry_of_code(code: i32, error_code: i32) -> Retry {
    const RATE_LIMIT: i32 = 49;
    const FORCE_DENY: i32 = 48;
    match code {
        // Rejected at the door: too many requests, rate limit, quota, time tick delay.
        4 | 8 | 9 | 12 => Retry::BackOff,
        _ if matches!(error_code, RATE_LIMIT | FORCE_DENY) => Retry::BackOff,
        // Not ready, unavailable, no replica, a channel or a message queue in trouble: it can
        // come from half-way through.
        2 | 103 | 106 | 202 | 305 | 1002 => Retry::Ambiguous,
        _ => Retry::No,
    }
}

/// The words of a gRPC status and of what caused it, each said once.
fn words_of(status: &tonic::Status) -> String {
    let mut words = status.message().trim().to_owned();
    let mut source = status.source();
    while let Some(error) = source {
        let more = error.to_string();
        if !words.contains(&more) {
            if !words.is_empty() {
                words.push_str(": ");
            }
            words.push_str(&more);
        }
        source = error.source();
    }
    if words.is_empty() {
        words = status.code().description().to_owned();
    }
    words
}

/// True when the failure is that of making the connection, before any request was sent.
fn never_connected(status: &tonic::Status) -> bool {
    let mut source = status.source();
    while let Some(error) = source {
        if error.is::<tonic::ConnectError>() {
            return true;
        }
        source = error.source();
    }
    false
}

impl From<MilvusError> for Error {
    fn from(error: MilvusError) -> Error {
        let kind = match &error {
            MilvusError::Settings(_) => Kind::Config,
            MilvusError::Unreachable { .. }
            | MilvusError::NotMilvus { .. }
            | MilvusError::Denied { .. } => Kind::Connect,
            _ => Kind::Target,
        };
        let wrapped = Error::new(kind, error.to_string()).retry(error.retry());
        match &error {
            MilvusError::Unreachable { .. } => wrapped.help(
                "check the address, that the server runs, and whether it wants TLS (https://)",
            ),
            MilvusError::NotMilvus { .. } => {
                wrapped.help("give the gRPC address of a Milvus 2.x server, usually port 19530")
            }
            MilvusError::Denied { .. } => {
                wrapped.help("check token (or user and password) and the user's privileges")
            }
            _ => wrapped,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(code: i32, error_code: i32, reason: &str) -> Status {
        Status { code, error_code, reason: reason.to_owned(), ..Status::default() }
    }

    #[test]
    fn either_code_is_an_error() {
        assert!(MilvusError::of_status("Insert", Some(&status(0, 0, ""))).is_none());
        for (code, error_code) in [(1, 0), (0, 1), (100, 4)] {
            assert!(
                MilvusError::of_status("Insert", Some(&status(code, error_code, "x"))).is_some()
            );
        }
        assert!(MilvusError::of_status("Insert", None).is_some());
    }

    #[test]
    fn a_rate_limit_backs_off_and_a_refusal_does_not() {
        let advice = |code, error_code| {
            MilvusError::of_status("Insert", Some(&status(code, error_code, "words")))
                .map(|error| error.retry())
        };
        assert_eq!(advice(8, 49), Some(Retry::BackOff));
        assert_eq!(advice(0, 49), Some(Retry::BackOff));
        assert_eq!(advice(1100, 5), Some(Retry::No));
        assert_eq!(advice(65535, 1), Some(Retry::No));
        assert_eq!(advice(106, 1), Some(Retry::Ambiguous));
    }

    #[test]
    fn too_many_requests_is_not_a_missing_collection() {
        let missing = |code, error_code| {
            MilvusError::of_status("DescribeCollection", Some(&status(code, error_code, "words")))
                .is_some_and(|error| error.is_missing())
        };
        assert!(missing(0, 4) && missing(100, 4) && missing(100, 1));
        assert!(!missing(4, 0) && !missing(4, 4) && !missing(8, 49));
    }

    #[test]
    fn grpc_codes_after_sending_are_ambiguous() {
        let advice = |code, words: &str| {
            MilvusError::of_grpc("Insert", "http://x", &tonic::Status::new(code, words)).retry()
        };
        for code in [Code::Unknown, Code::Unavailable, Code::Cancelled, Code::DeadlineExceeded] {
            assert_eq!(advice(code, "transport error"), Retry::Ambiguous);
        }
        let words = "grpc: received message larger than max (68190910 vs. 67108864)";
        assert_eq!(advice(Code::ResourceExhausted, words), Retry::SmallerBatch);
        assert_eq!(advice(Code::ResourceExhausted, "slow down"), Retry::BackOff);
        assert_eq!(advice(Code::InvalidArgument, "no"), Retry::No);
    }
}
