//! The report as a page: one file, nothing loaded from elsewhere, no scripts.

use std::fmt::Write;
use std::time::Duration;

use crate::report::run::{RunReport, RunStatus, TableReport, TableStatus, Times};
use crate::words;

const STYLE: &str = include_str!("style.css");

/// Renders `report` as a self-contained page.
pub fn html(report: &RunReport) -> String {
    let mut page = String::new();
    let (class, headline) = headline(report);
    let config = Escaped(&report.config);
    push(
        &mut page,
        format_args!(
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>{headline}: {config}</title>\n<style>\n{STYLE}</style>\n\
             <header><h1 class=\"{class}\">{headline}</h1>\n<p>{config}, started {}</p></header>\n",
            Escaped(&report.started_at)
        ),
    );
    if let Some(error) = &report.error {
        push(&mut page, format_args!("<pre class=\"error\">{}</pre>\n", Escaped(&error.message)));
    }
    push_facts(&mut page, report);
    push_times(&mut page, &report.times_s);
    if !report.tables.is_empty() {
        push_tables(&mut page, &report.tables);
    }
    push_rejected(&mut page, &report.tables);
    push_notes(&mut page, &report.tables);
    push(&mut page, format_args!("<footer>vecpipe {}</footer>\n</html>\n", report.version));
    page
}

fn headline(report: &RunReport) -> (&'static str, &'static str) {
    match (report.status, report.exit_code) {
        (RunStatus::Succeeded, 0) => ("good", "Succeeded"),
        (RunStatus::Succeeded, _) => ("warn", "Succeeded, but rows were rejected"),
        (RunStatus::Failed, _) => ("bad", "Failed"),
        (RunStatus::Interrupted, _) => ("warn", "Interrupted"),
    }
}

fn push_facts(page: &mut String, report: &RunReport) {
    let sum = |rows: fn(&TableReport) -> u64| report.tables.iter().map(rows).sum::<u64>();
    let seconds = report.duration_s.max(0.001);
    let mut facts = vec![
        ("Rows written", words::count(sum(|table| table.rows_written))),
        ("Rows read", words::count(sum(|table| table.rows_read))),
        ("Data read", words::bytes(report.bytes_read as f64)),
        ("Time", words::time(Duration::from_secs_f64(report.duration_s.max(0.0)))),
        ("Throughput", format!("{}/s", words::bytes(report.bytes_read as f64 / seconds))),
        ("Requests repeated", words::count(report.retries)),
    ];
    if let Some(peak) = report.peak_rss_bytes {
        facts.push(("Peak memory", words::bytes(peak as f64)));
    }
    if let Some(cpu) = report.cpu_s {
        facts.push(("Processor time", words::time(Duration::from_secs_f64(cpu.max(0.0)))));
    }
    if let (Some(source), Some(sink)) = (report.source_kind, report.sink_kind) {
        facts.push(("From, to", format!("{source}, {sink}")));
    }
    if let Some(parallelism) = report.parallelism {
        facts.push(("Parallelism", parallelism.to_string()));
    }
    page.push_str("<dl>\n");
    for (name, value) in facts {
        let value = Escaped(&value);
        push(page, format_args!("<div><dt>{name}</dt><dd>{value}</dd></div>\n"));
    }
    page.push_str("</dl>\n");
}

/// One bar, divided as the time was.
fn push_times(page: &mut String, times: &Times) {
    let parts = [
        ("reading", times.reading),
        ("transforming", times.transforming),
        ("waiting for the target", times.waiting_for_target),
        ("waiting for the source", times.waiting_for_source),
    ];
    let whole: f64 = parts.iter().map(|(_, seconds)| seconds).sum();
    if whole <= 0.0 {
        return;
    }
    page.push_str("<h2>Where the time went</h2>\n<div class=\"bar\">");
    for (n, (_, seconds)) in parts.iter().enumerate() {
        let width = 100.0 * seconds / whole;
        push(page, format_args!("<i class=\"t{n}\" style=\"width:{width:.2}%\"></i>"));
    }
    page.push_str("</div>\n<ul class=\"legend\">");
    for (n, (name, seconds)) in parts.iter().enumerate() {
        let percent = 100.0 * seconds / whole;
        push(page, format_args!("<li><i class=\"t{n}\"></i>{name} {percent:.0} %</li>"));
    }
    page.push_str("</ul>\n");
}

fn push_tables(page: &mut String, tables: &[TableReport]) {
    page.push_str(
        "<h2>Tables</h2>\n<div class=\"scroll\"><table>\n<thead><tr><th>Source<th>Target\
         <th>Vectors<th>What happened<th>Read<th>Left out<th>Written<th>Before<th>After\
         <th>Verified</tr></thead>\n<tbody>\n",
    );
    for table in tables {
        let left_out = table.rows_deduplicated + table.rows_rejected + table.rows_skipped;
        let metric = table.metric.map(|metric| format!(", {metric}")).unwrap_or_default();
        let verified = serde_json::to_value(table.verified).unwrap_or_default();
        push(
            page,
            format_args!(
                "<tr><td>{}<td>{}<td>{} × {}{metric}<td>{}<td>{}<td>{}<td>{}<td>{}<td>{}<td>{}</tr>\n",
                Escaped(&table.source),
                Escaped(&table.target),
                table.vector_type,
                table.dim,
                happened(table),
                words::count(table.rows_read),
                words::count(left_out),
                words::count(table.rows_written),
                maybe(table.target_rows_before),
                maybe(table.target_rows_after),
                Escaped(verified.as_str().unwrap_or_default()),
            ),
        );
    }
    page.push_str("</tbody></table></div>\n");
}

fn happened(table: &TableReport) -> String {
    let decision = table.decision.unwrap_or("not started");
    match table.status {
        TableStatus::Incomplete => format!("{decision}, incomplete"),
        _ => decision.to_owned(),
    }
}

/// Where rejected rows are, and what is wrong with the first of them.
fn push_rejected(page: &mut String, tables: &[TableReport]) {
    let tables: Vec<_> = tables.iter().filter(|table| table.rows_rejected > 0).collect();
    if tables.is_empty() {
        return;
    }
    page.push_str("<h2>Rejected rows</h2>\n");
    for table in tables {
        push(
            page,
            format_args!(
                "<p>{}: {}, in {}</p>\n<ul>\n",
                Escaped(&table.source),
                words::plural(table.rows_rejected, "row"),
                Escaped(table.rejects.as_deref().unwrap_or_default()),
            ),
        );
        for row in &table.rejected_sample {
            let id = row.id.as_ref().map(|id| format!(", id {id}")).unwrap_or_default();
            let line = format!("split {}, row {}{id}: {}", row.split, row.row, row.reason);
            push(page, format_args!("<li>{}</li>\n", Escaped(&line)));
        }
        page.push_str("</ul>\n");
    }
}

fn push_notes(page: &mut String, tables: &[TableReport]) {
    push_list(page, "Warnings", tables, |table| &table.warnings);
    push_list(page, "Notes", tables, |table| &table.notes);
}

fn push_list(
    page: &mut String,
    title: &str,
    tables: &[TableReport],
    texts: impl Fn(&TableReport) -> &Vec<String>,
) {
    if tables.iter().all(|table| texts(table).is_empty()) {
        return;
    }
    push(page, format_args!("<h2>{title}</h2>\n<ul>\n"));
    for table in tables {
        for text in texts(table) {
            push(page, format_args!("<li>{}: {}</li>\n", Escaped(&table.source), Escaped(text)));
        }
    }
    page.push_str("</ul>\n");
}

fn maybe(n: Option<u64>) -> String {
    n.map_or_else(|| "unknown".to_owned(), words::count)
}

fn push(page: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string can't fail.
    let _ = page.write_fmt(text);
}

/// Text that stays text, within elements and attributes alike.
struct Escaped<'a>(&'a str);

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            '\'' => f.write_str("&#39;"),
            c if c.is_control() && c != '\n' => f.write_char(char::REPLACEMENT_CHARACTER),
            c => f.write_char(c),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text() {
        let text = Escaped("<script>alert('a & \"b\"')</script>\u{1b}[31m").to_string();
        assert_eq!(
            text,
            "&lt;script&gt;alert(&#39;a &amp; &quot;b&quot;&#39;)&lt;/script&gt;\u{fffd}[31m"
        );
    }

    #[test]
    fn a_run_that_never_had_a_plan_has_a_page_too() {
        let error = crate::Error::connect("Cannot reach <host>");
        let started = crate::report::Started::now();
        let report = RunReport::new(started, "a&b.yaml".into(), None, &[], Some(&error));
        let page = html(&report);
        assert!(page.contains("<title>Failed: a&amp;b.yaml</title>"), "{page}");
        assert!(page.contains("Cannot reach &lt;host&gt;"), "{page}");
        assert!(!page.contains("<table>"), "{page}");
    }
}
