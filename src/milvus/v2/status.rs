//! The status that every answer carries.

use crate::error::Retry;
use crate::milvus::MilvusError;
use crate::milvus::v2::proto::common::Status;

/// What a status says went wrong; `None` when it says success.
pub(crate) fn of_status(rpc: &'static str, status: Option<&Status>) -> Option<MilvusError> {
    let Some(status) = status else {
        return Some(MilvusError::Malformed { rpc, words: "no status".to_owned() });
    };
    if status.code == 0 && status.error_code == 0 {
        return None;
    }
    let reason = status.reason.trim().to_owned();
    if reason.contains("larger than max") {
        return Some(MilvusError::TooLarge { rpc, words: reason });
    }
    // Older servers set only `error_code`.
    let code = if status.code == 0 { status.error_code } else { status.code };
    let retry = retry_of_code(status.code, status.error_code);
    let missing = is_missing(code, status.code == 0, &reason);
    Some(MilvusError::Refused { rpc, code, missing, reason, retry })
}

/// `old`: the code is an `error_code`, whose numbers mean other things.
fn is_missing(code: i32, old: bool, reason: &str) -> bool {
    match code {
        // Collection, partition, index.
        100 | 200 | 700 => true,
        // As a code, 4 is "too many requests".
        4 | 25 => old,
        // Version 2.2 and earlier, on DescribeCollection.
        1 => reason.contains("can't find collection") || reason.contains("not found"),
        _ => false,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn status(code: i32, error_code: i32, reason: &str) -> Status {
        Status { code, error_code, reason: reason.to_owned(), ..Status::default() }
    }

    #[test]
    fn either_code_is_an_error() {
        assert!(of_status("Insert", Some(&status(0, 0, ""))).is_none());
        for (code, error_code) in [(1, 0), (0, 1), (100, 4)] {
            assert!(of_status("Insert", Some(&status(code, error_code, "x"))).is_some());
        }
        assert!(of_status("Insert", None).is_some());
    }

    #[test]
    fn a_rate_limit_backs_off_and_a_refusal_does_not() {
        let advice = |code, error_code| {
            of_status("Insert", Some(&status(code, error_code, "words"))).map(|error| error.retry())
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
            of_status("DescribeCollection", Some(&status(code, error_code, "words")))
                .is_some_and(|error| error.is_missing())
        };
        assert!(missing(0, 4) && missing(100, 4) && missing(100, 1));
        assert!(!missing(4, 0) && !missing(4, 4) && !missing(8, 49));
    }
}
