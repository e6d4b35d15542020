//! Servers, and what they hold in the end.

use std::cell::OnceCell;
use std::path::Path;
use std::sync::LazyLock;

use tokio::runtime::Runtime;

use vecpipe::milvus::Options;
use vecpipe::milvus::v2::Client;

use crate::material::{FIXTURE, Rows};
use crate::milvus1_cases::{Row, parts};
use crate::milvus1_server::Milvus1;
use crate::support::{Server, Truth};

/// Proxies and servers of this program run here.
pub static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().unwrap()
});

/// Which server is written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Lite,
    Milvus,
    Milvus1,
}

/// One thread's servers, with a judge each.
#[derive(Default)]
pub struct Servers {
    lite: OnceCell<Server>,
    milvus: OnceCell<Server>,
}

impl Servers {
    fn of(&self, kind: Kind) -> &Server {
        match kind {
            Kind::Lite => self.lite.get_or_init(Server::lite),
            Kind::Milvus | Kind::Milvus1 => self.milvus.get_or_init(Server::milvus),
        }
    }

    /// A collection of `kind`'s that nobody else uses, which is dropped at the end.
    pub fn target(&self, kind: Kind, name: &str) -> Target<'_> {
        if kind == Kind::Milvus1 {
            return Target::Milvus1(RUNTIME.block_on(Milvus1::start("1.1.1")), name.to_owned());
        }
        let server = self.of(kind);
        Target::Milvus(server, server.collection(name))
    }
}

/// A collection that is filled.
pub enum Target<'a> {
    Milvus(&'a Server, crate::support::Collection<'a>),
    Milvus1(Milvus1, String),
}

impl Target<'_> {
    pub fn uri(&self) -> &str {
        match self {
            Target::Milvus(server, _) => &server.uri,
            Target::Milvus1(server, _) => &server.uri,
        }
    }

    pub fn sink(&self) -> &'static str {
        match self {
            Target::Milvus(..) => "milvus",
            Target::Milvus1(..) => "milvus1",
        }
    }

    pub fn collection(&self) -> &str {
        match self {
            Target::Milvus(_, collection) => &collection.name,
            Target::Milvus1(_, name) => name,
        }
    }

    /// Asserts that exactly these rows are there, bit for bit, and that nothing was left beside them.
    pub fn holds(&self, rows: &Rows, scratch: &Path) {
        let rows: Vec<Row> = rows.iter().map(|(id, vector)| (*id, vector.clone())).collect();
        match self {
            Target::Milvus(server, collection) => {
                collection.holds_parts(&[Truth::of_rows(scratch.join("truth"), &rows)]);
                self.nothing_beside(server);
            }
            Target::Milvus1(server, name) => {
                let found = server.rows(name, "_default");
                assert_eq!(found.len(), rows.len(), "rows in {name}");
                let differ = found.iter().zip(&rows).find(|(found, row)| found != row);
                assert_eq!(differ, None, "rows in {name}");
            }
        }
    }

    /// Asserts that exactly these rows are there, each once, under ids that the server made.
    pub fn holds_with_new_ids(&self, rows: &Rows, scratch: &Path) {
        let rows: Vec<Row> = rows.iter().map(|(id, vector)| (*id, vector.clone())).collect();
        let Target::Milvus(_, collection) = self else { panic!("servers of 1.x are not asked to") };
        collection.holds_with_new_ids(&Truth::of_rows(scratch.join("truth"), &rows));
    }

    /// Asserts that the rows of [`Set::Partitions`] are there, and no others.
    pub fn holds_partitions(&self) {
        let (directory, name) = FIXTURE;
        let parts = parts(directory).into_iter().filter(|part| part.collection == name);
        match self {
            Target::Milvus(server, collection) => {
                let truths: Vec<_> = parts.map(|part| Truth::of(directory, &part)).collect();
                collection.holds_parts(&truths);
                self.nothing_beside(server);
            }
            Target::Milvus1(server, name) => {
                for part in parts {
                    let rows = server.rows(name, &part.partition);
                    assert!(rows == part.truth(directory), "partition {}", part.partition);
                }
            }
        }
    }

    fn nothing_beside(&self, server: &Server) {
        assert_eq!(left_beside(&server.uri, self.collection()), [""; 0], "nothing stays behind");
    }
}

/// What stands on a server beside a collection, but for guards against late renames, which are dropped.
pub fn left_beside(uri: &str, collection: &str) -> Vec<String> {
    let ask = async {
        let client = Client::connect(Options::new(uri)).await.unwrap();
        let mut left = Vec::new();
        for name in client.collections().await.unwrap() {
            if !name.starts_with(&format!("{collection}_vecpipe_")) {
                continue;
            }
            let found = client.describe_collection(&name).await.unwrap();
            match found.is_some_and(|found| found.property("vecpipe.guard").is_some()) {
                true => client.drop_collection(&name).await.unwrap(),
                false => left.push(name),
            }
        }
        left
    };
    RUNTIME.block_on(ask)
}
