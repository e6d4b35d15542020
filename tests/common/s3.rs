//! The S3 that tests use: `VECPIPE_TEST_S3` is `http://KEY:SECRET@127.0.0.1:port`, with a bucket `vecpipe`.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use vecpipe::store::{Place, Stores};

/// Its address, key and secret.
pub struct S3 {
    pub endpoint: String,
    pub key: String,
    pub secret: String,
}

impl S3 {
    pub fn get() -> S3 {
        let given = std::env::var("VECPIPE_TEST_S3")
            .expect("VECPIPE_TEST_S3 must name an S3 server; scripts/test starts one");
        let (scheme, rest) = given.split_once("://").expect("an address");
        // A secret may hold any of the signs that an address is made of, but for the @.
        let (account, host) = rest.rsplit_once('@').expect("a key before the host");
        let (key, secret) = account.split_once(':').expect("a key and a secret");
        S3 {
            endpoint: format!("{scheme}://{host}"),
            key: key.to_owned(),
            secret: secret.to_owned(),
        }
    }

    /// `storage:`, as a configuration has it.
    pub fn storage(&self) -> Value {
        json!({
            "aws_access_key_id": self.key,
            "aws_secret_access_key": self.secret,
            "aws_endpoint": self.endpoint,
            "aws_allow_http": "true",
            "aws_region": "us-east-1",
        })
    }
}

/// `storage:` for the S3 of the tests.
pub fn storage() -> Value {
    S3::get().storage()
}

/// A folder that no other test, and no earlier run, uses.
pub fn folder(name: &str) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    format!("s3://vecpipe/{name}-{}-{}", std::process::id(), now.as_nanos())
}

/// A place by its address.
pub fn place(address: &str) -> Place {
    stores(storage()).place(address).unwrap()
}

/// Stores by the options that a configuration gives.
pub fn stores(storage: Value) -> Stores {
    Stores::new(serde_json::from_value(storage).unwrap())
}

/// Every object below a place, with its content.
pub fn objects(below: &Place) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in below.entries().unwrap() {
        let place = below.join(&entry.name);
        if entry.is_folder {
            all.extend(objects(&place));
        } else {
            all.insert(place.to_string(), place.read(1 << 30).unwrap().unwrap());
        }
    }
    all
}

/// Copies the files of a folder below an address. For any thread.
pub fn copy(from: &std::path::Path, to: &str) {
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for entry in std::fs::read_dir(from).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_str().unwrap();
                place(to).join(name).replace(&std::fs::read(&path).unwrap()).unwrap();
            }
        });
    });
}
