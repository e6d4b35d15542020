//! Hides secrets in lines that an error shows, whether or not the text could be parsed.

/// A key is sensitive when one of these is a part of its name.
const SENSITIVE: [&str; 10] = [
    "token",
    "password",
    "passwd",
    "secret",
    "credential",
    "access_key",
    "account_key",
    "master_key",
    "customer_key",
    "sas_key",
];

const STARS: &str = "***";

/// Line `number` (from 1) of a file, fit to be shown. Hidden values keep their width, so columns
/// stay right.
pub(super) fn lines(file: &str, number: usize) -> Option<String> {
    let line = file.lines().nth(number.checked_sub(1)?)?;
    let hidden = if owners(file, number).into_iter().any(is_sensitive_line) {
        stars(line.trim_end(), line.chars().take_while(|c| c.is_whitespace()).count())
    } else {
        values_hidden(line)
    };
    Some(printable(&hidden))
}

/// Line `number` of a `--set` flag, fit to be shown.
pub(super) fn flag(flag: &str, number: usize) -> Option<String> {
    let (key, value) = flag.split_once('=').unwrap_or((flag, ""));
    let line = flag.lines().nth(number.checked_sub(1)?)?;
    let shown = if !is_sensitive(key) {
        values_hidden(line)
    } else if number > 1 {
        stars(line, 0)
    } else if is_reference(value.trim()) {
        line.to_owned()
    } else {
        format!("{key}={STARS}")
    };
    Some(printable(&shown))
}

/// The key of a `--set` flag that holds a secret in so many words, and no variable; `None` for others.
pub fn key_of_secret(set: &str) -> Option<String> {
    let shown = |(n, line): (usize, &str)| flag(set, n + 1) == Some(printable(line));
    let (key, _) = set.split_once('=')?;
    (!set.lines().enumerate().all(shown)).then(|| printable(key))
}

/// Control characters could steer a terminal; tabs would shift the underline.
pub(super) fn printable(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\t' => ' ',
            c if c.is_control() => '\u{fffd}',
            c => c,
        })
        .collect()
}

/// Hides secrets in values that are written down: those of sensitive keys, and passwords in
/// addresses. (Secrets that are known as such show as stars anyway.)
pub(super) fn values(value: &mut serde_json::Value) {
    use serde_json::Value;
    match value {
        Value::Object(map) => map.iter_mut().for_each(|(key, value)| match value {
            Value::String(text) if is_sensitive(key) => *text = STARS.to_owned(),
            other => values(other),
        }),
        Value::Array(items) => items.iter_mut().for_each(values),
        Value::String(text) => *text = user_info_hidden(text),
        _ => {}
    }
}

/// True for keys whose values must not show.
pub(super) fn is_sensitive(key: &str) -> bool {
    let key = key.to_lowercase();
    SENSITIVE.iter().any(|word| key.contains(word))
}

/// How far a line is indented; the dash of a list's item counts as white space.
fn indent(line: &str) -> usize {
    let content = line.trim_start();
    match content.strip_prefix('-') {
        Some(item) if item.is_empty() || item.starts_with(' ') => {
            line.len() - content.len() + 1 + indent(item)
        }
        _ => line.len() - content.len(),
    }
}

/// The lines above that the given one is nested under: a value may go on over several lines.
fn owners(file: &str, number: usize) -> Vec<&str> {
    let lines: Vec<&str> = file.lines().take(number).collect();
    let Some((line, above)) = lines.split_last() else { return Vec::new() };
    let mut level = indent(line);
    let mut owners = Vec::new();
    for candidate in above.iter().rev().filter(|line| !line.trim().is_empty()) {
        if indent(candidate) < level {
            level = indent(candidate);
            owners.push(*candidate);
        }
    }
    owners
}

fn is_sensitive_line(line: &str) -> bool {
    keys(line).any(|(key, _)| is_sensitive(key))
}

/// Every `key:` in a line, with the place after the colon.
fn keys(line: &str) -> impl Iterator<Item = (&str, usize)> {
    line.match_indices(':').filter_map(|(colon, _)| {
        let after = &line[colon + 1..];
        let before = line[..colon].trim_end();
        let quoted = before.ends_with(['"', '\'']);
        // `a:b` is one plain scalar; `"a":b` is a key.
        if !(quoted || after.is_empty() || after.starts_with([' ', '\t', '"', '\''])) {
            return None;
        }
        let before = before.trim_end_matches(['"', '\'']);
        let start = before.rfind(|c: char| !(c.is_alphanumeric() || "_-.".contains(c)));
        let start =
            start.map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8));
        Some((&before[start..], colon + 1))
    })
}

fn values_hidden(line: &str) -> String {
    let mut shown = String::new();
    let mut rest = 0;
    for (key, colon) in keys(line) {
        if colon < rest || !is_sensitive(key) {
            continue;
        }
        let start = colon + (line[colon..].len() - line[colon..].trim_start().len());
        let end = value_end(line, start);
        shown.push_str(&line[rest..start]);
        let value = &line[start..end];
        if is_reference(value.trim_matches(['"', '\'', ' '])) {
            shown.push_str(value);
        } else {
            shown.push_str(&stars(value, 0));
        }
        rest = end;
    }
    shown.push_str(&line[rest..]);
    user_info_hidden(&shown)
}

/// Where the value that starts at `start` ends: at its closing quote, at the end of its flow
/// collection's entry, or at the end of the line.
fn value_end(line: &str, start: usize) -> usize {
    let value = &line[start..];
    if let Some(quote) = value.chars().next().filter(|c| matches!(c, '"' | '\'')) {
        let mut escaped = false;
        let mut chars = value.char_indices().skip(1).peekable();
        while let Some((at, c)) = chars.next() {
            match c {
                _ if escaped => escaped = false,
                '\\' if quote == '"' => escaped = true,
                '\'' if quote == '\'' && chars.next_if(|(_, c)| *c == '\'').is_some() => {}
                c if c == quote => return start + at + 1,
                _ => {}
            }
        }
        return line.len();
    }
    let in_flow = line[..start].contains('{');
    if value.starts_with("${") {
        return value.find('}').map_or(line.len(), |at| start + at + 1);
    }
    if in_flow { value.find([',', '}']).map_or(line.len(), |at| start + at) } else { line.len() }
}

/// `${NAME}` alone: it shows nothing. (A default after `:-` might.)
fn is_reference(value: &str) -> bool {
    value
        .strip_prefix("${")
        .and_then(|value| value.strip_suffix('}'))
        .is_some_and(|name| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
}

/// Hides `user:password@` in addresses.
fn user_info_hidden(line: &str) -> String {
    let mut shown = String::new();
    let mut rest = line;
    while let Some(scheme) = rest.find("://") {
        let (before, address) = rest.split_at(scheme + 3);
        shown.push_str(before);
        let end = address
            .find(|c: char| c.is_whitespace() || "/,}\"'".contains(c))
            .unwrap_or(address.len());
        let user_info = address[..end].rfind('@').unwrap_or(0);
        shown.push_str(&stars(&address[..user_info], 0));
        rest = &address[user_info..];
    }
    shown.push_str(rest);
    shown
}

/// As many stars as `text` has characters, after `kept` characters of it.
fn stars(text: &str, kept: usize) -> String {
    text.chars().enumerate().map(|(n, c)| if n < kept { c } else { '*' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(line: &str) -> String {
        lines(line, 1).expect("there is a line")
    }

    #[test]
    fn literal_secrets_are_hidden() {
        assert_eq!(shown("token: abc"), "token: ***");
        assert_eq!(shown("  my_Password : 'a''b' # c"), "  my_Password : ****** # c");
        assert_eq!(shown("{ token: abc, colection: x }"), "{ token: ***, colection: x }");
        assert_eq!(shown("{\"token\":\"a,b\", c: d}"), "{\"token\":*****, c: d}");
        assert_eq!(shown("token: \"never closed"), "token: *************");
        assert_eq!(shown("token: ${TOKEN}"), "token: ${TOKEN}");
        assert_eq!(shown("token: \"${TOKEN}\""), "token: \"${TOKEN}\"");
        assert_eq!(shown("token: ${TOKEN:-abc}"), "token: *************");
        assert_eq!(shown("uri: http://root:Milvus@h:1"), "uri: http://***********@h:1");
        assert_eq!(shown("uri: http://h:1/a@b"), "uri: http://h:1/a@b");
    }

    #[test]
    fn a_secret_over_several_lines_is_hidden() {
        let file = "sink:\n  token: |\n    abc\n    def\n  next: x";
        assert_eq!(lines(file, 4).as_deref(), Some("    ***"));
        assert_eq!(lines(file, 5).as_deref(), Some("  next: x"));
        let file = "token:\n- abc\n- d:\n    ef\nnext: x";
        assert_eq!(lines(file, 2).as_deref(), Some("*****"));
        assert_eq!(lines(file, 4).as_deref(), Some("    **"));
        assert_eq!(lines(file, 5).as_deref(), Some("next: x"));
        let file = "- token: abc\n  next: x";
        assert_eq!(lines(file, 2).as_deref(), Some("  next: x"));
    }

    #[test]
    fn flags_are_hidden_by_their_key() {
        assert_eq!(flag("sink.milvus.token=abc", 1).as_deref(), Some("sink.milvus.token=***"));
        assert_eq!(flag("a.token=${T}", 1).as_deref(), Some("a.token=${T}"));
        assert_eq!(flag("a.token=x\ny", 2).as_deref(), Some("*"));
        assert_eq!(flag("sink={token: abc}", 1).as_deref(), Some("sink={token: ***}"));
    }

    #[test]
    fn flags_with_secrets_are_told_from_others() {
        for set in ["a.token=x", "sink={token: abc}", "uri=http://u:p@h:1", "a.password=\nx"] {
            assert!(key_of_secret(set).is_some(), "{set}");
        }
        for set in ["a.token=${T}", "a=b", "uri=http://h:1", "a.token", ""] {
            assert_eq!(key_of_secret(set), None, "{set}");
        }
    }

    #[test]
    fn values_that_are_written_down_hold_no_secret() {
        let mut value = serde_json::json!({
            "token": "abc", "list": [{ "my_password": "def" }], "uri": "http://root:Milvus@h:1",
            "token_file": null, "dir": "out",
        });
        values(&mut value);
        assert_eq!(
            value.to_string(),
            r#"{"token":"***","list":[{"my_password":"***"}],"uri":"http://***********@h:1","token_file":null,"dir":"out"}"#
        );
    }

    #[test]
    fn nothing_steers_the_terminal() {
        assert_eq!(shown("a:\t\u{1b}[2J"), "a: \u{fffd}[2J");
    }
}
