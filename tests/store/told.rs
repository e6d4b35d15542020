//! What a user is told.

use serde_json::{Value, json};
use vecpipe::error::Error;
use vecpipe::store::Place;

use crate::common::s3::{S3, stores};

fn with(change: &[(&str, Value)]) -> Value {
    let mut storage = S3::get().storage();
    for (key, value) in change {
        storage[*key] = value.clone();
    }
    storage
}

fn at(address: &str, storage: Value) -> Place {
    stores(storage).place(address).unwrap()
}

/// What all ways to touch a place say, each once.
fn told(place: &Place) -> String {
    let file = place.join("file");
    let mut upload = place.create("x", "file").unwrap();
    let errors: [Error; 6] = [
        place.entries().unwrap_err(),
        file.read(10).unwrap_err(),
        file.replace(b"x").unwrap_err(),
        upload.finish().unwrap_err(),
        place.facts().unwrap_err(),
        file.remove().unwrap_err(),
    ];
    for error in &errors {
        assert_eq!(error.exit_code(), 3, "{error}");
        assert!(!error.to_string().contains(&S3::get().secret), "{error}");
    }
    let mut texts = errors.map(|error| error.to_string()).to_vec();
    texts.dedup();
    texts.join("\n").replace(&S3::get().endpoint, "ENDPOINT")
}

#[test]
fn a_wrong_secret_is_told() {
    let storage = with(&[("aws_secret_access_key", json!("wrong"))]);
    insta::assert_snapshot!(told(&at("s3://vecpipe/told", storage)));
}

#[test]
fn a_missing_bucket_is_told() {
    let place = at("s3://no-such-bucket/told", S3::get().storage());
    insta::assert_snapshot!(told(&place));
}

#[test]
fn an_endpoint_that_nobody_listens_at_is_told() {
    // A port below those that servers of tests take.
    let storage = with(&[("aws_endpoint", json!("http://127.0.0.1:9"))]);
    let place = at("s3://vecpipe/told", storage);
    let error = place.entries().unwrap_err();
    assert_eq!(error.exit_code(), 3);
    insta::assert_snapshot!(error.to_string());
}

#[test]
fn http_that_is_not_allowed_is_told() {
    let storage = with(&[("aws_allow_http", json!("false"))]);
    let error = at("s3://vecpipe/told", storage).entries().unwrap_err();
    assert_eq!(error.exit_code(), 3);
    insta::assert_snapshot!(error.to_string().replace(&S3::get().endpoint, "ENDPOINT"));
}

/// The machine that a cloud would give credentials by is one that nobody listens at.
#[test]
fn missing_credentials_are_told() {
    let mut storage = with(&[("aws_metadata_endpoint", json!("http://127.0.0.1:9"))]);
    for key in ["aws_access_key_id", "aws_secret_access_key"] {
        storage.as_object_mut().unwrap().remove(key);
    }
    let error = at("s3://vecpipe/told", storage).entries().unwrap_err();
    assert_eq!(error.exit_code(), 3);
    insta::assert_snapshot!(error.to_string());
}
