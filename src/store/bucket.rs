//! A bucket, and how patiently it is asked.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use object_store::ObjectStore;
use object_store::client::{HttpError, HttpErrorKind};

use super::address::Address;
use super::identity::{BucketIdentity, identify};
use super::options::Clients;

/// An open bucket.
pub struct Bucket {
    /// Its address: `s3://bucket`.
    pub root: String,
    /// The server, where it is another one than the provider's own.
    pub endpoint: Option<String>,
    address: Address,
    clients: Clients,
    answered: AtomicBool,
    identity: OnceLock<BucketIdentity>,
}

impl Bucket {
    /// The bucket with this address. Nothing is asked yet.
    pub fn new(address: Address, clients: Clients) -> Bucket {
        let (root, endpoint) = (address.root.clone(), clients.endpoint.clone());
        let (answered, identity) = (AtomicBool::new(false), OnceLock::new());
        Bucket { root, endpoint, address, clients, answered, identity }
    }

    /// Returns which bucket it is. Blocks while the system resolves the server's name, the first time.
    pub fn identity(&self) -> &BucketIdentity {
        self.identity.get_or_init(|| identify(&self.address, &self.clients))
    }

    /// Asks the bucket. Until it has answered once, few tries are made.
    pub async fn ask<T, F>(&self, ask: impl FnOnce(Arc<dyn ObjectStore>) -> F) -> Answer<T>
    where
        F: Future<Output = Answer<T>>,
    {
        let answered = self.answered.load(Ordering::Relaxed);
        let client = if answered { &self.clients.patient } else { &self.clients.eager };
        let answer = ask(Arc::clone(client)).await;
        if answer.as_ref().err().is_none_or(|error| transport(error).is_none()) {
            self.answered.store(true, Ordering::Relaxed);
        }
        answer
    }
}

/// What a store says.
pub type Answer<T> = object_store::Result<T>;

/// How the way to the server failed, if it was that.
pub fn transport(error: &object_store::Error) -> Option<HttpErrorKind> {
    causes(error).find_map(|cause| cause.downcast_ref::<HttpError>()).map(HttpError::kind)
}

/// An error and all that it comes from.
pub fn causes<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error| error.source())
}
