//! Which of the two generations a server is. They speak protocols that have nothing in common.

use std::fmt;

use super::connection::{Connection, Options};
use super::v1::ask_version as ask_one;
use super::v2::ask_version as ask_two;
use super::{MilvusError, Result};

/// A generation of Milvus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generation {
    /// Milvus 0.10 and 1.x.
    One,
    /// Milvus 2.x and later.
    Two,
}

impl Generation {
    /// Asks the server which one it is.
    ///
    /// # Errors
    /// When the address is wrong, nothing answers, or what answers is no Milvus.
    pub async fn ask(options: Options) -> Result<Generation> {
        let connection = Connection::open(options).await?;
        match ask_two(&connection).await {
            // Only a server of the second one knows users.
            Ok(_) | Err(MilvusError::Denied { .. }) => Ok(Generation::Two),
            Err(error) => match explain(&connection, Generation::Two, error).await {
                MilvusError::OtherGeneration { .. } => Ok(Generation::One),
                error => Err(error),
            },
        }
    }

    /// The other one.
    pub fn other(self) -> Generation {
        match self {
            Generation::One => Generation::Two,
            Generation::Two => Generation::One,
        }
    }

    /// The key by which a configuration asks for it.
    pub fn config_key(self) -> &'static str {
        match self {
            Generation::One => "milvus1",
            Generation::Two => "milvus",
        }
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Generation::One => "Milvus 1.x",
            Generation::Two => "Milvus 2.x",
        })
    }
}

/// Why a server that was taken for one of generation `expected` did not say its version.
pub(super) async fn explain(
    connection: &Connection,
    expected: Generation,
    error: MilvusError,
) -> MilvusError {
    let endpoint = connection.endpoint().to_owned();
    let words = match &error {
        MilvusError::Refused { reason, .. } => {
            let version = match expected {
                Generation::One => ask_two(connection).await,
                Generation::Two => ask_one(connection).await,
            };
            match version {
                Ok(version) => {
                    return MilvusError::OtherGeneration { endpoint, version, expected };
                }
                // Only a Milvus 2.x has users.
                Err(denied @ MilvusError::Denied { .. }) => return denied,
                Err(_) => format!("it does not say its version ({reason})"),
            }
        }
        MilvusError::Lost { words, .. } => {
            format!("it does not answer like a gRPC server ({words})")
        }
        MilvusError::Deadline { after, .. } => {
            let words = format!("connected, but no answer within {after:?}");
            return MilvusError::Unreachable { endpoint, words };
        }
        _ => return error,
    };
    MilvusError::NotMilvus { endpoint, words }
}
