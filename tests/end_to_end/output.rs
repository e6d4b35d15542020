//! What `plan` and `inspect` print, kept as it reads.

use crate::common::runs::{part, without_run};
use crate::milvus1_cases;
use crate::support::{Folder, Server, all_kinds, sample};

/// Compares with the snapshot; addresses, names and speeds differ from run to run.
fn shown(name: &str, text: &str, names: &[(&str, &str)]) {
    let mut text = text.replace(all_kinds().to_str().unwrap(), "DIR");
    for (name, stands_for) in names {
        text = text.replace(name, stands_for);
    }
    insta::with_settings!({ filters => vec![
        (r"about .* to read at .*/s, as tried for .* just now", "about TIME to read at SPEED/s, as tried for TIME just now"),
        (r"vecpipe \d+\.\d+\.\d+", "vecpipe VERSION"),
        (r"created  +\d{4}-.*", "created  TIME"),
    ]}, { insta::assert_snapshot!(name, text); });
}

fn inspect(folder: &Folder, place: &str) -> String {
    let done = folder.pipeline(&["inspect", place]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    done.stdout
}

#[test]
fn inspecting_hdf5_files() {
    let folder = Folder::new();
    let names = ["nested.h5", "odd.h5", "latest-f4-all_cut.h5"];
    let all: Vec<_> = names
        .iter()
        .map(|name| inspect(&folder, all_kinds().join(name).to_str().unwrap()))
        .collect();
    shown("inspect_hdf5", &all.join("\n----\n"), &[]);
}

#[test]
fn planning_and_inspecting_parquet_files() {
    let folder = Folder::new();
    folder.put(&sample("numbered.h5"), "data/a.h5");
    folder.write(
        "there.yaml",
        "version: 1\nsource: { hdf5: { dir: data, metric: IP } }\nsink: { parquet: { dir: out } }\n",
    );
    assert_eq!(folder.run(&["there.yaml"]).code, 0);
    shown("inspect_parquet_folder", &inspect(&folder, "out"), &[]);
    let part = part(&folder.path("out/a/_default"), 0);
    let part = part.strip_prefix(folder.path("")).unwrap().to_str().unwrap();
    shown("inspect_parquet_file", &without_run(&inspect(&folder, part)), &[]);
    let again = folder.pipeline(&["plan", "there.yaml"]);
    shown("plan_hdf5_to_parquet", &again.stdout, &[]);
    folder.write(
        "back.yaml",
        "version: 1\nsource: { parquet: { paths: [out] } }\nsink: { parquet: { dir: other } }\n",
    );
    shown("plan_parquet", &folder.pipeline(&["plan", "back.yaml"]).stdout, &[]);
}

#[test]
fn planning_into_milvus() {
    for (kind, server) in [("milvus", Server::milvus()), ("lite", Server::lite())] {
        let folder = Folder::new();
        folder.put(&sample("a.h5"), "data/a.h5");
        folder.put(&sample("b.h5"), "data/b.h5");
        let collection = server.collection("plan");
        let sink = format!(
            "{{ milvus: {{ uri: '{}', collection: {}, partition: p1 }} }}",
            server.uri, collection.name
        );
        let stage = "{ parquet: { dir: staged } }";
        let config = |paths: &str| {
            format!(
                "version: 1\nsource: {{ hdf5: {{ paths: [{paths}] }} }}\nsink: {sink}\nstage: {stage}\n"
            )
        };
        folder.write("both.yaml", &config("data/*.h5"));
        folder.write("one.yaml", &config("data/a.h5"));
        let stand_in = "vecpipe_plan_PROCESS_NO";
        assert_eq!(collection.name.len(), stand_in.len());
        let names = [(&*collection.name, stand_in)];
        let done = folder.pipeline(&["plan", "both.yaml"]);
        assert_eq!(done.code, 0, "{}", done.stderr);
        assert!(collection.partitions().is_null(), "the plan changed something");
        shown(&format!("plan_create_{kind}"), &done.stdout, &names);

        assert_eq!(folder.run(&["one.yaml"]).code, 0);
        let done = folder.pipeline(&["plan", "both.yaml"]);
        assert_eq!(done.code, 1, "{}", done.stderr);
        let error = done.stderr.find("error: ").expect("an error");
        let text = format!("{}----\n{}", done.stdout, &done.stderr[error..]);
        shown(&format!("plan_conflict_{kind}"), &text, &names);

        // Other tests have collections there, too.
        let found = inspect(&folder, &server.uri);
        let own: Vec<_> = found
            .lines()
            .filter(|line| line.contains(&collection.name))
            .map(|line| line.split_whitespace().skip(1).collect::<Vec<_>>().join(" "))
            .collect();
        let [facts, id, vector] = own.as_slice() else { panic!("{found}") };
        assert!(facts.starts_with("2,000 _default, p1 vector AUTOINDEX L2 "), "{facts}");
        assert_eq!((&**id, &**vector), ("id Int64 primary key", "vector FloatVector(128)"));

        let done = folder.pipeline(&["plan", "both.yaml", "--set", "sink.milvus.mode=overwrite"]);
        shown(&format!("plan_overwrite_{kind}"), &done.stdout, &names);
        let done = folder.pipeline(&["plan", "both.yaml", "--set", "sink.milvus.mode=skip"]);
        shown(&format!("plan_skip_{kind}"), &done.stdout, &names);
    }
}

/// Rows that only the log of a killed server holds are told wherever the directory is looked at.
#[test]
fn planning_and_inspecting_a_directory_of_a_killed_server() {
    let folder = Folder::new();
    let data = milvus1_cases::folder("G_wal_unflushed").join("data").display().to_string();
    folder.write(
        "m2h.yaml",
        &format!(
            "version: 1\nsource: {{ milvus1: {{ path: '{data}' }} }}\nsink: {{ hdf5: {{ dir: out }} }}\n"
        ),
    );
    let names = [(&*data, "DIRECTORY")];
    let done = folder.pipeline(&["plan", "m2h.yaml"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    shown("plan_milvus1", &done.stdout, &names);
    shown("inspect_milvus1", &inspect(&folder, &data), &names);

    let done = folder.run(&["m2h.yaml", "-q"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let warned: Vec<_> = done.stderr.lines().filter(|line| line.contains("WARN")).collect();
    assert_eq!(warned.len(), 2, "{}", done.stderr);
    assert!(warned[0].contains("unflushed: NOT MOVED: 300 inserted"), "{}", done.stderr);
    assert!(warned[1].contains("unflushed/p: NOT MOVED: 50 inserted"), "{}", done.stderr);
    let note = done.report["tables"][0]["notes"][0].as_str().unwrap();
    assert!(note.starts_with("NOT MOVED: 300 inserted rows and 20 deleted rows that"), "{note}");
}
