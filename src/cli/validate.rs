//! `pipeline validate`: checks a configuration file, offline.

use std::fmt::Write;
use std::path::Path;

use crate::cli::args::ConfigArgs;
use crate::cli::terminal;
use crate::config::{Config, Loaded};
use crate::error::Result;
use crate::milvus::Generation;
use crate::transform::TransformConfig;
use crate::{Purpose, assemble};

/// Reads the configuration, builds every component of it, and says what it understood.
pub(super) fn validate(args: &ConfigArgs) -> Result<u8> {
    // Offline, the destination can't be asked.
    let loaded = args.text()?.parse(&args.sets, Generation::Two)?;
    assemble(&loaded.config, Purpose::Plan).map_err(|error| error.at(args.config.display()))?;
    terminal::print(&summary(&loaded, &args.config))?;
    Ok(0)
}

fn summary(loaded: &Loaded, path: &Path) -> String {
    let Config { source, transforms, sink, stage, .. } = &loaded.config;
    let transforms = match transforms.as_slice() {
        [] => "none".to_owned(),
        some => some.iter().map(TransformConfig::kind).collect::<Vec<_>>().join(", "),
    };
    let mut lines = vec![
        ("form", loaded.form.to_string()),
        ("source", source.kind().to_owned()),
        ("transforms", transforms),
        ("sink", sink.kind().to_owned()),
    ];
    if stage.is_some() {
        lines.push(("stage", "parquet".to_owned()));
    }
    let mut text = format!("{}: ok\n", path.display());
    for (name, value) in lines {
        // Writing to a string can't fail.
        let _ = writeln!(text, "  {name:<12}{value}");
    }
    for note in &loaded.notes {
        let _ = writeln!(text, "  note        {note}");
    }
    text
}
