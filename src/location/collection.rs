//! A collection of a Milvus 2.x server, identified by the server's own ids.

use std::fmt;

use super::{Key, ServerAddresses};

/// A collection, or one of its partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectionLocation {
    /// Where the server was reached.
    pub server: ServerAddresses,
    /// The database; `default` where none was named.
    pub database: String,
    /// The collection's own name, not an alias.
    pub collection: String,
    /// The server's id of the collection and the hybrid timestamp of its creation; none on servers
    /// that give no ids (Milvus Lite).
    pub server_id: Option<(i64, u64)>,
    /// What the mark of a run says that has the collection as its target, where the server gives no
    /// ids.
    pub mark: Option<String>,
    /// The partition; none for the whole collection.
    pub partition: Option<String>,
}

impl CollectionLocation {
    /// Returns true when rows of one can be rows of the other.
    pub(super) fn overlaps(&self, other: &CollectionLocation) -> bool {
        let same_partition = match (&self.partition, &other.partition) {
            (Some(a), Some(b)) => a == b,
            _ => true,
        };
        same_partition && self.is_same_collection(other)
    }

    /// Milvus takes ids and timestamps from one clock of the cluster, so two clusters do not give
    /// the same pair, and the pair proves identity whatever address the server was reached at.
    /// Milvus Lite gives none, and is known by its addresses, and by the mark that a run has set at its
    /// target: where it stands beside the source as well, through a proxy for example, they are one.
    fn is_same_collection(&self, other: &CollectionLocation) -> bool {
        match (self.server_id, other.server_id) {
            (Some(a), Some(b)) => a == b,
            (None, None) => {
                let same_mark = self.mark.is_some() && self.mark == other.mark;
                self.key() == other.key() && (same_mark || self.server.is_same(&other.server))
            }
            _ => false,
        }
    }

    pub(super) fn key(&self) -> Key {
        match self.server_id {
            Some((id, created)) => Key::CollectionId(id, created),
            None => Key::CollectionName(self.database.clone(), self.collection.clone()),
        }
    }
}

impl fmt::Display for CollectionLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, database {}, collection {}", self.server, self.database, self.collection)?;
        match &self.partition {
            Some(partition) => write!(f, ", partition {partition}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(
        host: &str,
        server_id: Option<(i64, u64)>,
        partition: Option<&str>,
    ) -> CollectionLocation {
        CollectionLocation {
            server: ServerAddresses::resolve(host, 19530),
            database: "default".to_owned(),
            collection: "c".to_owned(),
            server_id,
            mark: None,
            partition: partition.map(str::to_owned),
        }
    }

    #[test]
    fn ids_decide_where_the_server_gives_them() {
        let one = at("127.0.0.1", Some((7, 1)), None);
        assert!(one.overlaps(&at("192.0.2.1", Some((7, 1)), None)));
        assert!(!one.overlaps(&at("127.0.0.1", Some((8, 1)), None)));
        assert!(!one.overlaps(&at("127.0.0.1", Some((7, 2)), None)));
        assert!(!one.overlaps(&at("127.0.0.1", None, None)));
    }

    #[test]
    fn addresses_and_names_decide_where_it_gives_none() {
        let one = at("127.0.0.1", None, None);
        assert!(one.overlaps(&at("localhost", None, None)));
        assert!(!one.overlaps(&at("192.0.2.1", None, None)));
        let marked = |host| {
            let mark = Some("run 7".to_owned());
            CollectionLocation { mark, ..at(host, None, None) }
        };
        assert!(marked("127.0.0.1").overlaps(&marked("192.0.2.1")));
        assert!(!marked("127.0.0.1").overlaps(&at("192.0.2.1", None, None)));
        let database = "other".to_owned();
        assert!(!one.overlaps(&CollectionLocation { database, ..one.clone() }));
        let collection = "d".to_owned();
        assert!(!one.overlaps(&CollectionLocation { collection, ..one.clone() }));
    }

    #[test]
    fn a_partition_is_part_of_its_collection_and_of_no_other_partition() {
        let at = |partition| at("127.0.0.1", Some((7, 1)), partition);
        assert!(at(Some("p")).overlaps(&at(None)) && at(None).overlaps(&at(Some("p"))));
        assert!(at(Some("p")).overlaps(&at(Some("p"))));
        assert!(!at(Some("p")).overlaps(&at(Some("q"))));
    }
}
