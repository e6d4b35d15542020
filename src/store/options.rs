//! From options and the environment to a client. The names are those of the `object_store` crate.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::{BackoffConfig, ClientConfigKey, ObjectStore, RetryConfig};

use super::address::{Address, Provider};
use super::bucket::causes;
use super::storage::Storage;
use crate::error::{Error, Result};
use crate::words;

/// Names for suggestions: those that people need, first.
const OF_S3: [&str; 14] = [
    "aws_access_key_id",
    "aws_secret_access_key",
    "aws_session_token",
    "aws_region",
    "aws_endpoint",
    "aws_allow_http",
    "aws_virtual_hosted_style_request",
    "aws_skip_signature",
    "aws_server_side_encryption",
    "aws_sse_kms_key_id",
    "aws_role_arn",
    "aws_web_identity_token_file",
    "timeout",
    "proxy_url",
];
const OF_GOOGLE: [&str; 7] = [
    "google_service_account",
    "google_service_account_key",
    "google_application_credentials",
    "google_bearer_token",
    "google_base_url",
    "timeout",
    "proxy_url",
];
const OF_AZURE: [&str; 11] = [
    "azure_storage_account_name",
    "azure_storage_account_key",
    "azure_storage_sas_key",
    "azure_storage_client_id",
    "azure_storage_client_secret",
    "azure_storage_tenant_id",
    "azure_storage_endpoint",
    "azure_storage_use_emulator",
    "azure_allow_http",
    "timeout",
    "proxy_url",
];

/// How often a request is tried before a bucket has answered once: a wrong address is told soon.
const AT_FIRST: RetryConfig = retry(3, Duration::from_secs(20));
/// And afterwards: a run of hours outlives a server that is away for a minute or two.
const LATER: RetryConfig = retry(12, Duration::from_secs(150));

/// Time for one request, unless the user gives another one. A slow line takes a while for a chunk, and
/// all writers send one at once.
const TIMEOUT: &str = "150s";

const fn retry(max_retries: usize, retry_timeout: Duration) -> RetryConfig {
    let backoff = BackoffConfig {
        init_backoff: Duration::from_millis(200),
        max_backoff: Duration::from_secs(15),
        base: 2.,
    };
    RetryConfig { backoff, max_retries, retry_timeout }
}

/// The clients of one bucket.
pub struct Clients {
    /// For the first request.
    pub eager: Arc<dyn ObjectStore>,
    /// For all others.
    pub patient: Arc<dyn ObjectStore>,
    /// The server, where it is another one than the provider's own.
    pub endpoint: Option<String>,
    /// The account, where options or environment name one (Azure).
    pub account: Option<String>,
}

/// Makes the clients of the bucket at `address`.
///
/// # Errors
/// [`Kind::Config`](crate::error::Kind::Config) when an option is unknown, or has no use.
pub fn clients(address: &Address, storage: &Storage) -> Result<Clients> {
    // TLS takes the program's provider; that there is one already is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    /// A builder with what the environment and the options say.
    macro_rules! given {
        ($builder:ty, $key:ident, $environment:literal, $known:expr) => {{
            let mut builder = <$builder>::from_env();
            if std::env::var_os(concat!($environment, "_TIMEOUT")).is_none() {
                builder = builder.with_config($key::Client(ClientConfigKey::Timeout), TIMEOUT);
            }
            for (key, value) in named(storage, $known)? {
                builder = builder.with_config(key, value);
            }
            // Whatever the environment says: certificates are checked.
            let unchecked = $key::Client(ClientConfigKey::AllowInvalidCertificates);
            builder.with_config(unchecked, "false")
        }};
    }
    macro_rules! build {
        ($builder:expr, $endpoint:expr, $account:expr) => {{
            let builder = $builder;
            let endpoint = builder.get_config_value(&$endpoint);
            let account = $account.and_then(|account| builder.get_config_value(&account));
            let useless = |error| useless(address, storage, error);
            let eager = builder.clone().with_retry(AT_FIRST).build().map_err(useless)?;
            let patient = builder.with_retry(LATER).build().map_err(useless)?;
            Ok(Clients { eager: Arc::new(eager), patient: Arc::new(patient), endpoint, account })
        }};
    }
    let bucket = &address.bucket;
    match address.provider {
        Provider::S3 => {
            let builder = given!(AmazonS3Builder, AmazonS3ConfigKey, "AWS", &OF_S3);
            build!(
                builder.with_bucket_name(bucket),
                AmazonS3ConfigKey::Endpoint,
                None::<AmazonS3ConfigKey>
            )
        }
        Provider::Google => {
            let builder = given!(GoogleCloudStorageBuilder, GoogleConfigKey, "GOOGLE", &OF_GOOGLE);
            build!(
                builder.with_bucket_name(bucket),
                GoogleConfigKey::BaseUrl,
                None::<GoogleConfigKey>
            )
        }
        Provider::Azure => {
            let builder = given!(MicrosoftAzureBuilder, AzureConfigKey, "AZURE", &OF_AZURE);
            let builder = match &address.account {
                // Hosts have their account's name in several ways, which the crate knows.
                Some(_) => builder.with_url(&address.root),
                None => builder.with_container_name(bucket),
            };
            build!(builder, AzureConfigKey::Endpoint, Some(AzureConfigKey::AccountName))
        }
    }
}

/// The error of options that make no client. Where the crate's words hold a value, that is not shown.
fn useless(address: &Address, storage: &Storage, error: object_store::Error) -> Error {
    let words: Vec<_> = causes(&error).map(ToString::to_string).collect();
    let is_said = |value: &str| !value.is_empty() && words.iter().any(|text| text.contains(value));
    let told = match storage.iter().find(|(_, value)| is_said(value.expose())) {
        Some((name, _)) => {
            Error::config(format!("The value of the store's option `{name}` can't be used"))
        }
        None => Error::config("The options of the store can't be used").because(error),
    };
    told.at(&address.root)
}

/// The options with the crate's keys for them.
fn named<K: FromStr>(storage: &Storage, known: &[&str]) -> Result<Vec<(K, String)>> {
    let options = storage.iter().map(|(name, value)| {
        let lower = name.to_ascii_lowercase();
        if lower.ends_with("allow_invalid_certificates") {
            return Err(Error::config("Certificates are always checked")
                .at(format!("storage, {name}"))
                .help("SSL_CERT_FILE names a PEM file of the authorities to trust"));
        }
        let key = lower.parse().map_err(|_| {
            let error = Error::config(format!("The store has no option `{name}`")).at("storage");
            match words::suggest(name, known) {
                Some(help) => error.help(help),
                None => error,
            }
        })?;
        Ok((key, value.expose().to_owned()))
    });
    options.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make(address: &str, storage: serde_json::Value) -> Result<Clients> {
        let storage = serde_json::from_value(storage).unwrap();
        clients(&Address::parse(address).unwrap().unwrap(), &storage)
    }

    #[test]
    fn names_that_are_suggested_are_understood() {
        assert!(OF_S3.iter().all(|name| name.parse::<AmazonS3ConfigKey>().is_ok()));
        assert!(OF_GOOGLE.iter().all(|name| name.parse::<GoogleConfigKey>().is_ok()));
        assert!(OF_AZURE.iter().all(|name| name.parse::<AzureConfigKey>().is_ok()));
    }

    #[test]
    fn an_unknown_option_is_told_with_the_nearest_one() {
        let options = serde_json::json!({ "aws_regoin": "hunter2" });
        let error = make("s3://b", options).err().unwrap();
        assert_eq!(error.exit_code(), 2);
        let told = error.to_string();
        assert!(told.contains("did you mean `aws_region`?") && !told.contains("hunter2"), "{told}");
        let options = serde_json::json!({ "aws_region": "eu-west-1" });
        let told = make("gs://b", options).err().unwrap().to_string();
        assert!(told.contains("The store has no option `aws_region`"), "{told}");
    }

    #[test]
    fn every_provider_has_a_client() {
        let azure = serde_json::json!({
            "azure_storage_account_name": "me", "azure_storage_account_key": "a2V5",
        });
        assert!(make("az://c/a", azure.clone()).is_ok());
        let key = serde_json::json!({ "azure_storage_account_key": "a2V5" });
        assert!(make("abfss://c@me.dfs.core.windows.net/a", key).is_ok());
        assert!(make("gs://b", serde_json::json!({ "google_skip_signature": "true" })).is_ok());
        let s3 = serde_json::json!({ "aws_endpoint": "http://127.0.0.1:1", "allow_http": "true" });
        assert_eq!(make("s3://b", s3).unwrap().endpoint.unwrap(), "http://127.0.0.1:1");
    }

    #[test]
    fn a_value_that_is_not_understood_is_not_shown() {
        for (address, name, value) in [
            ("s3://b", "timeout", "hunter2"),
            ("gs://b", "google_service_account_key", r#"{"private_key": ["hunter2"]}"#),
            ("gs://b", "google_service_account_key", r#""hunter2""#),
            ("az://c", "azure_storage_sas_key", "hunter2"),
            ("az://c", "azure_storage_account_key", "hunter2"),
            ("s3://b", "aws_allow_invalid_certificates", "true"),
        ] {
            let mut options = serde_json::json!({ name: value });
            if address == "az://c" {
                options["azure_storage_account_name"] = "me".into();
            }
            let told = make(address, options).err().unwrap();
            assert_eq!(told.exit_code(), 2, "{told}");
            assert!(!told.to_string().contains("hunter2"), "{told}");
        }
    }
}
