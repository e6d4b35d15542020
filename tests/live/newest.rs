//! What no server holds that can be installed: against one of the test suite that stands in for a
//! Milvus 2.6.

use crate::kinds::all_arrives;
use crate::milvus2_server::Milvus2;
use crate::support::Server;

fn server() -> Server {
    Server::at(Milvus2::start().uri, false)
}

#[test]
fn what_others_take_in_other_ways_arrives_on_the_newest() {
    let (server, other) = (server(), server());
    for kind in ["dynamic", "keyed", "nulls", "several"] {
        all_arrives(kind, &server, &[&other]);
    }
}

#[test]
fn int8_vectors_and_a_clustering_key() {
    all_arrives("int8s", &server(), &[&server()]);
}

#[test]
fn functions_with_what_they_compute() {
    all_arrives("computed", &server(), &[&server()]);
}

#[test]
fn several_indexes_of_one_field() {
    all_arrives("paths", &server(), &[&server()]);
}
