//! An object of a store, identified by service, bucket and key.

use std::fmt;

use super::{Key, ServerAddresses};

/// Whose object store it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Service {
    /// A public cloud, within which a bucket's name is unique.
    Cloud(&'static str),
    /// A server with a name and buckets of its own.
    Server(ServerAddresses),
}

impl Service {
    fn is_same(&self, other: &Service) -> bool {
        match (self, other) {
            (Service::Cloud(a), Service::Cloud(b)) => a == b,
            (Service::Server(a), Service::Server(b)) => a.is_same(b),
            _ => false,
        }
    }
}

/// An object, or every object below a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectLocation {
    /// Whose store.
    pub service: Service,
    /// The bucket; `account/container` for Azure.
    pub bucket: String,
    /// The key, without slashes at its ends; empty for the whole bucket.
    pub key: String,
}

impl ObjectLocation {
    /// Returns true when `other` is this object or lies below this key.
    pub(super) fn contains(&self, other: &ObjectLocation) -> bool {
        let below = |rest: &str| self.key.is_empty() || rest.is_empty() || rest.starts_with('/');
        self.bucket == other.bucket
            && other.key.strip_prefix(&self.key).is_some_and(below)
            && self.service.is_same(&other.service)
    }

    pub(super) fn own_key(&self) -> Key {
        Key::Object(self.bucket.clone(), self.key.clone())
    }

    pub(super) fn enclosing_keys(&self) -> Vec<Key> {
        let slashes = self.key.match_indices('/').map(|(at, _)| &self.key[..at]);
        let all = slashes.chain(["", self.key.as_str()]);
        all.map(|key| Key::Object(self.bucket.clone(), key.to_owned())).collect()
    }
}

impl fmt::Display for ObjectLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.service {
            Service::Cloud(name) => write!(f, "{name}")?,
            Service::Server(server) => write!(f, "{server}")?,
        }
        write!(f, ", bucket {}, {}", self.bucket, self.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(service: Service, bucket: &str, key: &str) -> ObjectLocation {
        ObjectLocation { service, bucket: bucket.to_owned(), key: key.to_owned() }
    }

    #[test]
    fn keys_contain_what_lies_below_them() {
        let at = |key| at(Service::Cloud("a"), "b", key);
        assert!(at("t").contains(&at("t/part")) && at("").contains(&at("t")));
        assert!(at("t").contains(&at("t")) && !at("t/part").contains(&at("t")));
        assert!(!at("t").contains(&at("tt/part")));
        assert_eq!(at("a/b").enclosing_keys().len(), 3);
    }

    #[test]
    fn a_bucket_is_of_one_service() {
        let server = |host, port| Service::Server(ServerAddresses::resolve(host, port));
        let one = at(server("127.0.0.1", 9000), "b", "t");
        assert!(one.contains(&at(server("localhost", 9000), "b", "t")));
        assert!(!one.contains(&at(server("localhost", 9001), "b", "t")));
        assert!(!one.contains(&at(server("localhost", 9000), "c", "t")));
        assert!(!one.contains(&at(Service::Cloud("amazonaws.com"), "b", "t")));
    }
}
