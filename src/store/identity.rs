//! Which store a bucket lies in, whatever its address is.

use http::Uri;

use super::address::{Address, Provider};
use super::options::Clients;
use crate::location::{ServerAddresses, Service};

/// A bucket, identified.
#[derive(Debug, Clone)]
pub struct BucketIdentity {
    /// Whose store.
    pub service: Service,
    /// The bucket's name; `account/container` for Azure.
    pub bucket: String,
}

/// Domains of public clouds. Within each, a bucket's name is unique (Azure: within the account).
const CLOUDS: [&str; 5] = [
    "amazonaws.com",
    "amazonaws.com.cn",
    "storage.googleapis.com",
    "core.windows.net",
    "fabric.microsoft.com",
];

/// Identifies the bucket at `address`. Blocks while the system resolves the endpoint's name.
pub fn identify(address: &Address, clients: &Clients) -> BucketIdentity {
    let default = match address.provider {
        Provider::S3 => "amazonaws.com",
        Provider::Google => "storage.googleapis.com",
        Provider::Azure => "core.windows.net",
    };
    let service = match clients.endpoint.as_deref().map(service_at) {
        Some(service) => service,
        None => Service::Cloud(default),
    };
    let host_label = |host: &str| host.split('.').next().unwrap_or(host).to_owned();
    let account = address.account.as_deref().map(host_label).or_else(|| clients.account.clone());
    let bucket = match account {
        Some(account) => format!("{account}/{}", address.bucket),
        None => address.bucket.clone(),
    };
    BucketIdentity { service, bucket }
}

fn service_at(endpoint: &str) -> Service {
    // An endpoint that is no address fails at the first request.
    let uri = endpoint.parse::<Uri>().unwrap_or_default();
    let host = uri.host().unwrap_or(endpoint).to_ascii_lowercase();
    let is_of = |domain: &&&str| {
        host.strip_suffix(**domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    if let Some(domain) = CLOUDS.iter().find(is_of) {
        return Service::Cloud(domain);
    }
    let default_port = if uri.scheme_str() == Some("http") { 80 } else { 443 };
    Service::Server(ServerAddresses::resolve(&host, uri.port_u16().unwrap_or(default_port)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::location::ObjectLocation;
    use crate::store::options::clients;

    fn at(address: &str, options: serde_json::Value) -> ObjectLocation {
        let storage = serde_json::from_value(options).unwrap();
        let address = Address::parse(address).unwrap().unwrap();
        let BucketIdentity { service, bucket } =
            identify(&address, &clients(&address, &storage).unwrap());
        ObjectLocation { service, bucket, key: address.key }
    }

    #[test]
    fn endpoints_of_one_cloud_are_one_service() {
        let s3 = |endpoint: &str| at("s3://b/a/", serde_json::json!({ "aws_endpoint": endpoint }));
        let plain = at("s3a://b/a", serde_json::json!({ "aws_region": "eu-west-1" }));
        assert_eq!(plain, s3("https://s3.eu-west-1.amazonaws.com"));
        let google = at("gs://b/a", serde_json::json!({ "google_skip_signature": "true" }));
        assert_eq!(google, s3("https://storage.googleapis.com"));
        assert_ne!(plain, google);
        let local = s3("http://127.0.0.1:9000");
        let other = s3("http://localhost:9000/");
        let overlap = |a, b| {
            crate::location::DataLocation::Object(a)
                .overlaps(&crate::location::DataLocation::Object(b))
        };
        assert!(overlap(local.clone(), other) && !overlap(local, plain));
    }

    #[test]
    fn an_azure_container_is_of_its_account() {
        let options = |account: &str| {
            serde_json::json!({
                "azure_storage_account_name": account, "azure_storage_account_key": "a2V5",
            })
        };
        let key = serde_json::json!({ "azure_storage_account_key": "a2V5" });
        let full = at("abfss://c@me.dfs.core.windows.net/a", key);
        assert_eq!(full, at("az://c/a", options("me")));
        assert_ne!(full, at("az://c/a", options("other")));
    }
}
