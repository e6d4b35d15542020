//! The status that every answer carries. The gRPC status is "ok" whatever it says.

use super::proto::Status;
use crate::error::Retry;
use crate::milvus::MilvusError;

/// Also where no other number fits.
const UNEXPECTED_ERROR: i32 = 1;
const PERMISSION_DENIED: i32 = 3;
const COLLECTION_NOT_EXISTS: i32 = 4;
const OUT_OF_MEMORY: i32 = 24;

/// What a status says went wrong; `None` when it says success.
pub(in crate::milvus) fn of_status(
    rpc: &'static str,
    status: Option<&Status>,
) -> Option<MilvusError> {
    // An absent message is one with all fields at 0.
    let status = status.filter(|status| status.error_code != 0)?;
    let (code, reason) = (status.error_code, status.reason.trim().to_owned());
    if code == PERMISSION_DENIED {
        return Some(MilvusError::Denied { rpc, words: reason });
    }
    let retry = match code {
        // A collection that was dropped keeps its name until the server has tidied up.
        UNEXPECTED_ERROR if reason.contains("in delete state") => Retry::BackOff,
        OUT_OF_MEMORY => Retry::Ambiguous,
        _ => Retry::No,
    };
    let missing = code == COLLECTION_NOT_EXISTS;
    Some(MilvusError::Refused { rpc, code, missing, reason, retry })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(error_code: i32, reason: &str) -> Option<MilvusError> {
        of_status("Insert", Some(&Status { error_code, reason: reason.to_owned() }))
    }

    #[test]
    fn numbers_mean_what_the_server_means() {
        assert!(of_status("Insert", None).is_none());
        assert!(of(0, "OK").is_none());
        assert!(of(COLLECTION_NOT_EXISTS, "no such collection").unwrap().is_missing());
        assert!(matches!(of(PERMISSION_DENIED, "no"), Some(MilvusError::Denied { .. })));
    }

    #[test]
    fn a_name_that_is_still_being_dropped_is_waited_for() {
        let words = "Collection already exists and it is in delete state, please wait a second";
        assert_eq!(of(UNEXPECTED_ERROR, words).unwrap().retry(), Retry::BackOff);
        assert_eq!(of(9, "Collection already exists").unwrap().retry(), Retry::No);
    }
}
