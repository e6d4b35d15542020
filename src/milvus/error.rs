//! What can go wrong with a call, in the server's own words.

use std::error::Error as StdError;
use std::time::Duration;

use tonic::Code;

use crate::error::{Error, Kind, Retry};
use crate::milvus::Generation;

/// The code of a refusal because a collection is not loaded, of 2.3 and later.
const NOT_LOADED: i32 = 101;

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
    /// Something answers, but it does not speak the protocol of any Milvus.
    #[error("{endpoint} is not a Milvus server: {words}")]
    NotMilvus {
        /// The address.
        endpoint: String,
        /// What it said.
        words: String,
    },
    /// A Milvus answers that speaks the protocol of the other generation.
    #[error("{endpoint} is Milvus {version}, not {expected}")]
    OtherGeneration {
        /// The address.
        endpoint: String,
        /// What it calls itself.
        version: String,
        /// Which generation it was taken for.
        expected: Generation,
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
        /// The server's number for it.
        code: i32,
        /// True when it says that a collection, database or partition does not exist.
        missing: bool,
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
        /// What that says about how much was asked of it at once.
        strain: Strain,
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

/// What a failure says about how much was asked of a server at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strain {
    /// Nothing.
    None,
    /// Too many requests, or too many bytes of them.
    Busy,
    /// More than it has memory for.
    Memory,
    /// One request was too large.
    TooLarge,
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

    /// What it says about how much was asked of the server at once.
    pub fn strain(&self) -> Strain {
        match self {
            MilvusError::TooLarge { .. } => Strain::TooLarge,
            MilvusError::Deadline { .. } => Strain::Busy,
            MilvusError::Lost { strain, .. } => *strain,
            MilvusError::Refused { reason, retry: Retry::BackOff | Retry::Ambiguous, .. } => {
                let reason = reason.to_ascii_lowercase();
                let busy = self.retry() == Retry::BackOff || reason.contains("deadline exceeded");
                match reason.contains("memory") {
                    true => Strain::Memory,
                    false if busy => Strain::Busy,
                    false => Strain::None,
                }
            }
            _ => Strain::None,
        }
    }

    /// True when the server said that a collection, database or partition does not exist.
    pub fn is_missing(&self) -> bool {
        matches!(self, MilvusError::Refused { missing: true, .. })
    }

    /// True when the server said that a collection is not loaded.
    pub fn is_not_loaded(&self) -> bool {
        matches!(self, MilvusError::Refused { code: NOT_LOADED, retry: Retry::No, .. })
    }

    /// True when a query node lacks a partition that the server as a whole counts as loaded, or has one more: its
    /// list is behind, while partitions of the collection are being loaded or released, or for good (both seen on
    /// 2.3.5). The code is that of any unexpected error, so the words decide.
    pub(in crate::milvus) fn is_behind(&self) -> bool {
        const BEHIND: [&str; 2] = ["partition not loaded", "belongs to partition"];
        let is_behind = |reason: &str| {
            reason.contains("delegator") && BEHIND.iter().any(|words| reason.contains(words))
        };
        matches!(self, MilvusError::Refused { reason, .. } if is_behind(reason))
    }

    /// True when the server does not know the call.
    pub fn is_unknown_call(&self) -> bool {
        let unknown = Code::Unimplemented as i32;
        matches!(self, MilvusError::Refused { code, retry: Retry::No, .. } if *code == unknown)
    }

    /// A failure of gRPC or below it.
    pub(crate) fn of_grpc(rpc: &'static str, endpoint: &str, status: &tonic::Status) -> Self {
        let words = words_of(status);
        if never_connected(status) {
            return MilvusError::Unreachable { endpoint: endpoint.to_owned(), words };
        }
        match status.code() {
            Code::Unauthenticated | Code::PermissionDenied => MilvusError::Denied { rpc, words },
            // The second are our own words about an answer.
            Code::ResourceExhausted if words.contains("larger than max") => {
                MilvusError::TooLarge { rpc, words }
            }
            Code::OutOfRange if words.contains("message length too large") => {
                MilvusError::TooLarge { rpc, words }
            }
            Code::ResourceExhausted => MilvusError::Refused {
                rpc,
                code: 8,
                missing: false,
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
                missing: false,
                reason: words,
                retry: Retry::No,
            },
            // The server's own deadline, or that of something between.
            Code::DeadlineExceeded => MilvusError::Lost { rpc, words, strain: Strain::Busy },
            _ => MilvusError::Lost { rpc, words, strain: Strain::None },
        }
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
            | MilvusError::OtherGeneration { .. }
            | MilvusError::Denied { .. } => Kind::Connect,
            _ => Kind::Target,
        };
        let wrapped = Error::new(kind, error.to_string()).retry(error.retry());
        match &error {
            MilvusError::Unreachable { words, .. } if words.contains("UnknownIssuer") => wrapped
                .help("nobody whom this system trusts signed the server's certificate: name its authority by `tls: { ca: … }`"),
            MilvusError::Unreachable { .. } => wrapped.help(
                "check the address, that the server runs, and whether it wants TLS (https://)",
            ),
            MilvusError::NotMilvus { .. } => {
                wrapped.help("give the gRPC address of a Milvus server, usually port 19530, with https:// where it wants TLS")
            }
            MilvusError::OtherGeneration { expected, .. } => wrapped.help(format!(
                "write `{}` in place of `{}`",
                expected.other().config_key(),
                expected.config_key()
            )),
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

    #[test]
    fn what_is_too_much_is_told_from_what_is_broken() {
        let grpc = |code, words: &str| {
            MilvusError::of_grpc("Insert", "http://x", &tonic::Status::new(code, words)).strain()
        };
        assert_eq!(grpc(Code::ResourceExhausted, "slow down"), Strain::Busy);
        assert_eq!(grpc(Code::ResourceExhausted, "Memory quota exceeded"), Strain::Memory);
        assert_eq!(grpc(Code::ResourceExhausted, "larger than max (2 vs. 1)"), Strain::TooLarge);
        assert_eq!(grpc(Code::DeadlineExceeded, ""), Strain::Busy);
        for code in [Code::Unavailable, Code::PermissionDenied, Code::InvalidArgument] {
            assert_eq!(grpc(code, "memory"), Strain::None, "{code:?}");
        }
        let after = Duration::from_secs(1);
        assert_eq!(MilvusError::Deadline { rpc: "Insert", after }.strain(), Strain::Busy);
    }
}
