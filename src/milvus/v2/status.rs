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
    if ["larger than max", "maxOutputSize"].iter().any(|words| reason.contains(words)) {
        return Some(MilvusError::TooLarge { rpc, words: reason });
    }
    // Older servers set only `error_code`.
    let code = if status.code == 0 { status.error_code } else { status.code };
    let retry = retry_of_code(status.code, status.error_code, &reason);
    let missing = is_missing(code, status.code == 0, &reason);
    Some(MilvusError::Refused { rpc, code, missing, reason, retry })
}

/// True when a collection, or what it is in or has, does not exist. `old`: the code is an `error_code`, whose numbers mean other things.
fn is_missing(code: i32, old: bool, reason: &str) -> bool {
    match code {
        // Collection, partition, index, database.
        100 | 200 | 700 | 800 => true,
        // Milvus Lite's number for whatever is not as it should be.
        6 => reason.starts_with("database ") && reason.ends_with("does not exist"),
        // As a code, 4 is "too many requests".
        4 | 25 => old,
        // Version 2.2 and earlier, on DescribeCollection.
        1 => reason.contains("can't find collection") || reason.contains("not found"),
        // Any unexpected error; 2.3.5 says so of a collection that was created moments before.
        65_535 => reason.starts_with("can't find collection name "),
        _ => false,
    }
}

/// Retry advice for a refusal, by the server's codes.
///
/// The `retriable` flag of an answer is not to be trusted: 2.3.5 says false for a rate limit. The
/// codes are those which the server's source marks as retriable.
fn retry_of_code(code: i32, error_code: i32, reason: &str) -> Retry {
    match (code, error_code) {
        // Rejected at the door: too many requests, rate limit, quota, time tick delay; and the same
        // by the older numbers, where memory and disk have their own.
        (4 | 8 | 9 | 12, _) | (_, 48 | 49 | 53..=55) => Retry::BackOff,
        // Not ready, unavailable, a collection or partition that is being loaded, no replica, a
        // channel, a node or a message queue in trouble, a deadline: it can come from half-way
        // through.
        (2 | 103 | 106 | 202 | 305 | 401 | 503 | 902 | 1002 | 10_001, _) => Retry::Ambiguous,
        // The older numbers: no leader, no replica, not ready.
        (_, 45 | 46 | 56 | 57) => Retry::Ambiguous,
        // "Not ready" by its number, which others use for anything.
        (1, _) if reason.contains("not ready") => Retry::Ambiguous,
        _ => Retry::No,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::milvus::error::Strain;

    fn status(code: i32, error_code: i32, reason: &str) -> Status {
        Status { code, error_code, reason: reason.to_owned(), ..Status::default() }
    }

    #[test]
    fn a_partition_that_a_node_lacks_is_told_by_the_words() {
        for reason in [
            "failed to search/query delegator 1 for channel c: fail to Query, QueryNode ID = 1, reason=partition not loaded[partition=[4]]",
            "failed to search/query delegator 1 for channel c: fail to Query, QueryNode ID = 1, reason=worker(1) query failed: segment 7 belongs to partition 4, which is not in [5 6]",
        ] {
            let error = of_status("Query", Some(&status(65_535, 0, reason))).unwrap();
            assert!(error.is_behind(), "{reason}");
        }
        let unloaded = "failed to query: collection not loaded[collection=4]";
        let error = of_status("Query", Some(&status(101, 0, unloaded))).unwrap();
        assert!(error.is_not_loaded() && !error.is_behind());
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
        // Older servers: memory, disk, delay; no leader, no replica, not ready.
        for error_code in [53, 54, 55] {
            assert_eq!(advice(0, error_code), Some(Retry::BackOff), "{error_code}");
        }
        for error_code in [45, 46, 56, 57] {
            assert_eq!(advice(0, error_code), Some(Retry::Ambiguous), "{error_code}");
        }
        assert_eq!(advice(1, 1), Some(Retry::No));
        let not_ready = status(1, 56, "service not ready[proxy=1]: Initializing");
        let error = of_status("Insert", Some(&not_ready)).unwrap();
        assert_eq!((error.retry(), error.strain()), (Retry::Ambiguous, Strain::None));
    }

    #[test]
    fn a_quota_of_memory_is_told_from_one_of_requests() {
        let strain = |code, error_code, reason: &str| {
            of_status("Insert", Some(&status(code, error_code, reason))).unwrap().strain()
        };
        assert_eq!(strain(9, 48, "quota exceeded[reason=memory quota exceeded]"), Strain::Memory);
        assert_eq!(strain(0, 53, "memory quota exhausted, please allocate more"), Strain::Memory);
        assert_eq!(strain(8, 49, "rate limit exceeded[rate=2.09]"), Strain::Busy);
        assert_eq!(strain(10_001, 1, "context deadline exceeded"), Strain::Busy);
        assert_eq!(strain(1100, 5, "no memory of such a field"), Strain::None);
        let words = "message larger than max";
        assert_eq!(strain(65535, 1, words), Strain::TooLarge);
    }

    #[test]
    fn too_many_requests_is_not_a_missing_collection() {
        let missing = |code, error_code| {
            of_status("DescribeCollection", Some(&status(code, error_code, "words")))
                .is_some_and(|error| error.is_missing())
        };
        assert!(missing(0, 4) && missing(100, 4) && missing(100, 1));
        assert!(!missing(4, 0) && !missing(4, 4) && !missing(8, 49));
        assert!(!missing(65_535, 1));
        // Of one that was created moments before, in a database of its own.
        let words = "can't find collection name db:parts";
        let error = of_status("GetLoadState", Some(&status(65_535, 1, words)));
        assert!(error.unwrap().is_missing());
    }
}
