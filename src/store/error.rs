//! What a store says, in words that help.
//!
//! Stores answer errors in XML with a `Code` and a `Message`: S3
//! (<https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>), and so do Azure and Google's
//! XML interface. Of the whole answer, only these two are shown: some repeat what was signed.

use object_store::client::HttpErrorKind;

use super::bucket::{causes, transport};
use super::remote::Remote;
use crate::error::{Error, Kind};

/// What went wrong while `doing` something with `place`; `kind` is who is to act where it is not about
/// reaching the store.
pub fn store_error(kind: Kind, doing: &str, place: &Remote, error: &object_store::Error) -> Error {
    use object_store::Error as E;
    let words = error.to_string();
    let code = between(&words, "<Code>", "</Code>").unwrap_or_default();
    let root = &place.bucket().root;
    let told = match error {
        _ if NO_BUCKET.contains(&code) => {
            Error::connect(format!("There is no bucket {root}"))
                .help("make it first, or check the address, and the region and endpoint that `storage:` or the environment names")
        }
        _ if refused(error, &words) => {
            Error::connect(format!("The store refuses to {doing}"))
                .because(said(error, &words, code))
                .help("check the credentials in `storage:` or the environment, and what they allow: a source lists and reads objects, a sink writes and removes them as well")
        }
        E::Precondition { .. } => {
            Error::new(kind, "The object changed while it was read").help("let whatever writes it finish, then run again")
        }
        E::NotFound { .. } => Error::new(kind, format!("Cannot {doing}: there is no such object")),
        _ if no_credentials(&words) => {
            Error::connect("There are no credentials for the store")
                .because(said(error, &words, code))
                .help("give them by `storage:` (aws_access_key_id and aws_secret_access_key, or those of another store), or by the environment (AWS_ACCESS_KEY_ID, …); aws_skip_signature: true reads public buckets")
        }
        _ => match transport(error) {
            Some(HttpErrorKind::Decode) | None => {
                let told = Error::new(kind, format!("Cannot {doing}")).because(said(error, &words, code));
                if words.contains("region") || words.contains("Redirect") {
                    told.help("does the bucket lie in the region that `aws_region` names?")
                } else {
                    told
                }
            }
            Some(_) => unreachable(place, said(error, &words, code)),
        },
    };
    told.at(place)
}

fn unreachable(place: &Remote, said: String) -> Error {
    let help = match said.contains("certificate") {
        true => {
            "SSL_CERT_FILE names a PEM file of the authorities to trust, instead of the system's"
        }
        false => {
            "check the address and the network; http:// needs `allow_http: true` in `storage:`"
        }
    };
    let server = place.bucket().endpoint.as_deref().map(without_user);
    let what = match server {
        Some(server) => format!("Cannot reach the store at {server}"),
        None => "Cannot reach the store".to_owned(),
    };
    Error::connect(what).because(said).help(help)
}

/// True when it is the object alone that is missing, as far as the store tells.
pub fn is_missing(error: &object_store::Error) -> bool {
    matches!(error, object_store::Error::NotFound { .. })
        && !NO_BUCKET.iter().any(|code| error.to_string().contains(code))
}

/// Codes for a bucket that is missing.
const NO_BUCKET: [&str; 2] = ["NoSuchBucket", "ContainerNotFound"];

/// Errors of a list are of no variant, and have the status in their words alone.
fn refused(error: &object_store::Error, words: &str) -> bool {
    use object_store::Error as E;
    matches!(error, E::PermissionDenied { .. } | E::Unauthenticated { .. })
        || ["status code: 401", "status code: 403"].iter().any(|status| words.contains(status))
}

/// The shortest words for an error: the server's own, or its first cause.
fn said(error: &object_store::Error, words: &str, code: &str) -> String {
    match between(words, "<Message>", "</Message>") {
        Some(message) => format!("{} ({code})", message.lines().next().unwrap_or_default()),
        None => {
            let first = causes(error).last().map_or_else(String::new, ToString::to_string);
            first.trim_end_matches([':', ' ']).to_owned()
        }
    }
}

/// Without credentials, the crate asks the cloud's own machines for some: AWS
/// (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html>), Azure and
/// Google each have a well-known path for that.
fn no_credentials(words: &str) -> bool {
    ["/latest/api/token", "/latest/meta-data/", "/metadata/identity/", "/computeMetadata/"]
        .iter()
        .any(|path| words.contains(path))
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(start)?;
    rest.split_once(end).map(|(found, _)| found)
}

fn without_user(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) => {
            format!("{scheme}://{}", rest.rsplit_once('@').map_or(rest, |(_, host)| host))
        }
        None => url.to_owned(),
    }
}
