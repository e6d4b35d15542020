//! What types alone can't tell: bounds, and the version.

use crate::config::diagnostic::Problem;
use crate::config::tree::{Node, Scalar, Value};
use crate::config::{Config, PARALLELISM, StageConfig};
use crate::sink::parquet;

/// Checks the version before anything else: another version may have other keys.
pub(super) fn version(root: &Node) -> Result<(), Problem> {
    match root.get("version") {
        None => {
            Err(Problem::new("Key `version` is missing", root.at)
                .help("write `version: 1` at the top"))
        }
        Some(Node { value: Value::Scalar(Scalar { text, .. }), .. }) if text == "1" => Ok(()),
        Some(node) => Err(Problem::new("This version of the configuration is not known", node.at)
            .path("version")
            .help("this program reads `version: 1`")),
    }
}

/// Checks bounds.
pub(super) fn values(config: &Config, root: &Node) -> Result<(), Problem> {
    let refuse = |key: &str, what: String| {
        let at = root.get("run").map_or(root.at, |run| run.place(key));
        Err(Problem::new(what, at).path(format!("run.{key}")))
    };
    if let Some(StageConfig::Parquet(parquet::Config { dump: true, .. })) = &config.stage {
        let at = root.get("stage").map_or(root.at, |stage| stage.at);
        return Err(Problem::new("A stage is no dump", at)
            .path("stage.parquet.dump")
            .help("leave out `dump`, or dump in a run of its own"));
    }
    let run = &config.run;
    if run.parallelism.is_some_and(|n| !PARALLELISM.contains(&n)) {
        let (least, most) = (PARALLELISM.start(), PARALLELISM.end());
        return refuse("parallelism", format!("Parallelism is between {least} and {most}"));
    }
    if run.memory.bytes() == 0 {
        return refuse("memory", "Without memory no row can move".to_owned())
            .map_err(|problem| problem.help("write a size, like 512MiB"));
    }
    if run.batch_rows == Some(0) {
        return refuse("batch_rows", "A batch has at least one row".to_owned());
    }
    Ok(())
}
