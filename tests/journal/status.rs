//! `pipeline status`, and what a run that ended early says.

use crate::common::kill::{kill_at, settled};
use crate::program::Program;

/// Made-up rows, and a sink that fails after some of them.
fn config(rows: u64, fail_after: Option<u64>) -> String {
    let fail = fail_after.map_or(String::new(), |n| format!("fail_after_rows: {n}"));
    format!(
        "version: 1\n\
         source: {{ synthetic: {{ rows: {rows}, dim: 4, split_rows: 100 }} }}\n\
         sink: {{ \"null\": {{ {fail} }} }}\n\
         run: {{ parallelism: 1, batch_rows: 50 }}\n"
    )
}

#[test]
fn status_tells_how_far_the_last_run_came() {
    let program = Program::new(&config(1000, Some(600)));
    let status = || {
        let done = program.ended("status", &[]);
        assert_eq!(done.code, Some(0), "{}", done.stderr);
        program.plain(&done.stdout)
    };
    insta::assert_snapshot!(status(), @"No run of this has left a trace: `pipeline run` starts from the first row");
    let (failed, report) = program.run(&[]);
    assert_eq!(failed.code, Some(1));
    assert_eq!(report["resumed"], false);
    insta::assert_snapshot!(failed.stdout.lines().last().unwrap(), @"5 of 10 splits done, 550 rows; run the same command again to go on.");
    insta::assert_snapshot!(status(), @"
    SOURCE     TARGET               STATE   SPLITS  ROWS     OF
    synthetic  nowhere (synthetic)  begun  5 of 10   550  1,000
    The run of DAY TIME UTC failed at DAY TIME UTC: The null sink was told to fail at row 600.
    `pipeline run` goes on: 5 of 10 splits are done.
    ");

    // The sink counts anew, so the next run comes to the end.
    let (done, report) = program.run(&[]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let resuming = done.stderr.lines().find(|line| line.contains("Resuming")).unwrap();
    insta::assert_snapshot!(program.plain(resuming), @"TIME  INFO Resuming the run of DAY TIME UTC: 5 of 10 splits, 550 rows are there already");
    let last = done.stdout.lines().last().unwrap();
    assert!(
        last.contains("450 rows written") && last.ends_with("after 550 by the run before"),
        "{last}"
    );
    assert_eq!(report["resumed"], true);
    assert_eq!(report["tables"][0]["rows_written"], 1000);
    assert_eq!(report["tables"][0]["rows_resumed"], 550);
    insta::assert_snapshot!(status(), @"
    SOURCE     TARGET               STATE       SPLITS   ROWS     OF
    synthetic  nowhere (synthetic)  complete  10 of 10  1,000  1,000
    The run of DAY TIME UTC was done at DAY TIME UTC.
    `pipeline run` starts from the first row.
    ");
}

#[test]
fn status_says_what_keeps_a_run_from_going_on() {
    let program = Program::new(&config(1000, Some(600)));
    assert_eq!(program.run(&[]).0.code, Some(1));
    program.write(&config(1200, Some(600)));
    insta::assert_snapshot!(program.plain(&program.ended("status", &[]).stdout), @"
    SOURCE     TARGET               STATE   SPLITS  ROWS     OF
    synthetic  nowhere (synthetic)  begun  5 of 10   550  1,000
    The run of DAY TIME UTC failed at DAY TIME UTC: The null sink was told to fail at row 600.
    `pipeline run` refuses: The run of DAY TIME UTC is not done, and this one differs from it: source.synthetic.rows was 1000, is 1200
      help: to go on with it, run it as it was then; --restart begins anew and forgets how far it came (the rows that it wrote stay in the target)
    ");
    let (refused, _) = program.run(&[]);
    assert_eq!(refused.code, Some(2));
    assert!(
        refused.stderr.contains("source.synthetic.rows was 1000, is 1200"),
        "{}",
        refused.stderr
    );
    let (restarted, report) = program.run(&["--restart"]);
    assert_eq!(restarted.code, Some(1), "{}", restarted.stderr);
    assert_eq!(report["resumed"], false);
    assert_eq!(report["tables"][0]["rows_written"], 550);
}

#[test]
fn a_second_run_is_refused_while_one_works() {
    let config = config(1_000_000, None).replace("\"null\": {  }", "\"null\": { delay_ms: 1 }");
    let program = Program::new(&config);
    let mut child = program.start(&[]);
    let enough = || settled(program.dir(), "config.yaml");
    while enough() == 0 {
        assert!(child.try_wait().unwrap().is_none(), "the run is at work");
        std::thread::yield_now();
    }
    let (second, _) = program.run(&[]);
    assert_eq!(second.code, Some(75));
    assert!(second.stderr.contains("Another run moves the same rows"), "{}", second.stderr);
    assert_eq!(program.run(&["--restart"]).0.code, Some(75), "nor is its journal forgotten");
    let status = || program.plain(&program.ended("status", &[]).stdout);
    let text = status();
    assert!(text.contains("The run of DAY TIME UTC is at work."), "{text}");
    assert!(kill_at(&mut child, 0, enough));
    let text = status();
    assert!(text.contains("was cut off: killed, or the machine went down."), "{text}");
    assert!(text.contains("`pipeline run` goes on: "), "{text}");
}

/// What a run keeps on disk tells no secret, whatever its form in the configuration.
#[test]
fn secrets_are_not_written_down() {
    let config = "version: 1\n\
        source: { synthetic: { rows: 100, dim: 4 } }\n\
        sink: { milvus: { uri: \"http://127.0.0.1:1\", token: \"root:hunter2-token\", timeouts: { connect: 1s }, retry_for: 1s } }\n\
        run: { log_dir: logs }\n";
    let program = Program::new(config);
    assert_eq!(program.run(&[]).0.code, Some(3));
    let null = "version: 1\n\
        source: { milvus1: { path: DATA, meta: { mysql: { host: 127.0.0.1, port: 1, user: root, password: hunter2-password, database: milvus } } } }\n\
        sink: { \"null\": {} }\n";
    let loaded =
        vecpipe::config::parse(null, "test", &[], &|_| None, vecpipe::milvus::Generation::Two)
            .unwrap();
    let identity = vecpipe::identity(&loaded.config).unwrap();
    assert!(!format!("{identity:?}").contains("hunter2"), "{identity:?}");
    let mut folders = vec![program.dir().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.ends_with("config.yaml") {
                let bytes = std::fs::read(&path).unwrap();
                let text = String::from_utf8_lossy(&bytes);
                assert!(!text.contains("hunter2"), "{}", path.display());
            }
        }
    }
}
