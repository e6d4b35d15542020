//! An object in a bucket, or all objects whose names begin alike.

use std::fmt;
use std::sync::Arc;

use bytes::BytesMut;
use futures::StreamExt;
use object_store::path::Path;
use object_store::{
    GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutPayload,
};

use super::address::Address;
use super::bucket::{Answer, Bucket};
use super::error::{is_missing, store_error};
use super::options::clients;
use super::place::{Entry, Facts};
pub use super::ranged::{Ranged, ReadOn};
use super::runtime::wait;
use super::storage::Storage;
pub use super::upload::Upload;
use crate::error::{Error, Kind, Result};
use crate::location::ObjectLocation;

/// Opens the bucket that `address` lies in. Asks no server.
///
/// # Errors
/// [`Kind::Config`] when the options are of no use.
pub fn open(address: &Address, storage: &Storage) -> Result<Remote> {
    let bucket = Bucket::new(address.clone(), clients(address, storage)?);
    Ok(Remote { bucket: Arc::new(bucket), key: String::new() })
}

/// A name in a bucket.
#[derive(Clone)]
pub struct Remote {
    bucket: Arc<Bucket>,
    /// Without slashes at its ends; empty for the bucket itself.
    key: String,
}

impl Remote {
    /// Another name in the same bucket.
    pub fn at(&self, key: &str) -> Remote {
        Remote { bucket: Arc::clone(&self.bucket), key: key.to_owned() }
    }

    /// The name below this one.
    pub fn join(&self, name: &str) -> Remote {
        if self.key.is_empty() { self.at(name) } else { self.at(&format!("{}/{name}", self.key)) }
    }

    /// Identifies the object, and every object below this name. Asks the system for the server's
    /// addresses, and no store.
    pub fn location(&self) -> ObjectLocation {
        let identity = self.bucket.identity().clone();
        ObjectLocation { service: identity.service, bucket: identity.bucket, key: self.key.clone() }
    }

    /// The bucket.
    pub(super) fn bucket(&self) -> &Bucket {
        &self.bucket
    }

    /// The last part of the name, or the bucket's.
    pub fn name(&self) -> &str {
        let whole = if self.key.is_empty() { &self.bucket.root } else { &self.key };
        whole.rsplit('/').next().unwrap_or(whole)
    }

    /// What lies directly below this name.
    pub fn entries(&self) -> Result<Vec<Entry>> {
        let doing = "list the objects";
        let path = self.path()?;
        let list = |store: Arc<dyn ObjectStore>| async move {
            store.list_with_delimiter(Some(&path)).await
        };
        let list = wait(self.bucket.ask(list))?.map_err(self.failed(Kind::Source, doing))?;
        let name = |path: &Path| path.as_ref().rsplit('/').next().unwrap_or_default().to_owned();
        let folders =
            list.common_prefixes.iter().map(|path| Entry { name: name(path), is_folder: true });
        let files = list
            .objects
            .iter()
            .map(|object| Entry { name: name(&object.location), is_folder: false });
        Ok(folders.chain(files).collect())
    }

    /// What is there: an object, or names below this one.
    pub fn facts(&self) -> Result<Option<Facts>> {
        if !self.key.is_empty()
            && let Some(object) = self.head()?
        {
            let stamp = stamp_of(&object);
            return Ok(Some(Facts { is_folder: false, bytes: object.size, stamp }));
        }
        let path = self.path()?;
        let first = |store: Arc<dyn ObjectStore>| async move {
            store.list(Some(&path)).next().await.transpose()
        };
        let first = wait(self.bucket.ask(first))?;
        let first = first.map_err(self.failed(Kind::Source, "list the objects"))?;
        let folder = Facts { is_folder: true, bytes: 0, stamp: String::new() };
        Ok(first.map(|_| folder))
    }

    fn head(&self) -> Result<Option<ObjectMeta>> {
        let path = self.path()?;
        let head = |store: Arc<dyn ObjectStore>| async move { store.head(&path).await };
        self.if_there("look at the object", wait(self.bucket.ask(head))?)
    }

    /// The content of an object of at most `most` bytes.
    pub fn read(&self, most: u64) -> Result<Option<Vec<u8>>> {
        let doing = "read the object";
        let path = self.path()?;
        let read = |store: Arc<dyn ObjectStore>| async move {
            let object = store.get(&path).await?;
            let mut content = Vec::new();
            let mut stream = object.into_stream();
            while let Some(piece) = stream.next().await.transpose()? {
                content.extend_from_slice(&piece);
                if content.len() as u64 > most {
                    break;
                }
            }
            Ok(content)
        };
        self.if_there(doing, wait(self.bucket.ask(read))?)
    }

    /// Writes an object in one step.
    pub fn replace(&self, content: &[u8]) -> Result<()> {
        let path = self.path()?;
        let content = PutPayload::from(content.to_vec());
        let put = |store: Arc<dyn ObjectStore>| async move { store.put(&path, content).await };
        wait(self.bucket.ask(put))?.map_err(self.failed(Kind::Target, "write the object"))?;
        Ok(())
    }

    /// Creates an object, unless there is one.
    pub fn create_new(&self, content: &[u8]) -> Result<bool> {
        let path = self.path()?;
        let content = PutPayload::from(content.to_vec());
        let put = |store: Arc<dyn ObjectStore>| async move {
            store.put_opts(&path, content, PutMode::Create.into()).await
        };
        match wait(self.bucket.ask(put))? {
            Ok(_) => Ok(true),
            Err(
                object_store::Error::AlreadyExists { .. }
                | object_store::Error::Precondition { .. },
            ) => Ok(false),
            Err(error) => Err(self.failed(Kind::Target, "create the object")(error)),
        }
    }

    /// Removes an object; that there is none is as good.
    pub fn remove(&self) -> Result<()> {
        let path = self.path()?;
        let delete = |store: Arc<dyn ObjectStore>| async move { store.delete(&path).await };
        match wait(self.bucket.ask(delete))? {
            Ok(()) => Ok(()),
            Err(error) if is_missing(&error) => Ok(()),
            Err(error) => Err(self.failed(Kind::Target, "remove the object")(error)),
        }
    }

    /// An object that is read here and there.
    pub fn open(&self) -> Result<Arc<Ranged>> {
        match self.head()? {
            Some(object) => Ok(Arc::new(Ranged::new(self.clone(), object))),
            None => Err(Error::source("There is no such object").at(self)),
        }
    }

    /// Bytes from `start` to `end` of the object, behind those that `content` has; of the version
    /// `e_tag`, where that is known. What comes may be short, and never is too long.
    pub(super) fn fetch(
        &self,
        start: u64,
        end: u64,
        e_tag: Option<String>,
        content: &mut BytesMut,
    ) -> Result<()> {
        let path = self.path()?;
        let range = Some(GetRange::Bounded(start..end));
        let options = GetOptions { range, if_match: e_tag, ..GetOptions::default() };
        let had = content.len();
        let fetch = |store: Arc<dyn ObjectStore>| async move {
            let mut stream = store.get_opts(&path, options).await?.into_stream();
            while let Some(piece) = stream.next().await.transpose()? {
                // Room is made as bytes arrive; more than was asked for is not taken.
                let room =
                    usize::try_from(end - start).unwrap_or(usize::MAX) - (content.len() - had);
                content.extend_from_slice(&piece[..piece.len().min(room)]);
            }
            Ok(())
        };
        wait(self.bucket.ask(fetch))?.map_err(self.failed(Kind::Source, "read the object"))
    }

    /// A new object that takes the place of any other when it is whole.
    pub fn create(&self) -> Result<Upload> {
        Ok(Upload::new(self.clone(), self.path()?))
    }

    pub(super) fn path(&self) -> Result<Path> {
        Path::parse(&self.key)
            .map_err(|error| Error::config("This is no name in a store").because(error).at(self))
    }

    pub(super) fn failed(
        &self,
        kind: Kind,
        doing: &str,
    ) -> impl FnOnce(object_store::Error) -> Error {
        move |error| store_error(kind, doing, self, &error)
    }

    fn if_there<T>(&self, doing: &str, answer: Answer<T>) -> Result<Option<T>> {
        match answer {
            Ok(found) => Ok(Some(found)),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(self.failed(Kind::Source, doing)(error)),
        }
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slash = if self.key.is_empty() { "" } else { "/" };
        write!(f, "{}{slash}{}", self.bucket.root, self.key)
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

/// By what an object is told from another one of its name.
pub(super) fn stamp_of(object: &ObjectMeta) -> String {
    let version = object.e_tag.as_deref().unwrap_or_default();
    format!("{} bytes, {}, {version}", object.size, object.last_modified)
}
