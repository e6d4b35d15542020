//! The configuration as a tree of nodes that remember where they were written.

/// A text that configuration comes from: the file, or one `--set` flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    File,
    /// The nth `--set`, counted from 0.
    Set(usize),
}

/// Where something was written. Lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Location {
    pub origin: Origin,
    pub line: usize,
    pub column: usize,
    /// Characters to underline; at least 1.
    pub width: usize,
}

/// One value, wherever it was written.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub value: Value,
    pub at: Location,
}

#[derive(Debug, Clone)]
pub(super) enum Value {
    Scalar(Scalar),
    List(Vec<Node>),
    /// In the order of the file; keys are unique.
    Map(Vec<(Key, Node)>),
}

/// A value without parts. Which type it has is decided by whoever reads it.
#[derive(Debug, Clone)]
pub(super) struct Scalar {
    pub text: String,
    /// Written without quotes, so that `null`, `true` and `5` may mean more than their letters.
    pub plain: bool,
    /// The environment variable that (a part of) the text came from: such a text is never shown.
    pub from_env: Option<String>,
}

#[derive(Debug, Clone)]
pub(super) struct Key {
    pub text: String,
    pub at: Location,
}

impl Scalar {
    pub fn new(text: impl Into<String>, plain: bool) -> Self {
        Scalar { text: text.into(), plain, from_env: None }
    }

    /// True where the value is absent. A variable that holds nothing makes a value absent; one that
    /// holds `null` is the text `null`.
    pub fn is_null(&self) -> bool {
        let absent = match self.from_env {
            None => matches!(self.text.as_str(), "" | "~" | "null" | "Null" | "NULL"),
            Some(_) => self.text.is_empty(),
        };
        self.plain && absent
    }

    fn sort(&self) -> &'static str {
        match self.text.as_str() {
            _ if !self.plain => "a text",
            "true" | "True" | "TRUE" | "false" | "False" | "FALSE" => "true or false",
            text if text.parse::<f64>().is_ok() => "a number",
            _ => "a text",
        }
    }
}

impl Node {
    pub fn new(value: Value, at: Location) -> Self {
        Node { value, at }
    }

    pub fn text(text: impl Into<String>, at: Location) -> Self {
        Node::new(Value::Scalar(Scalar::new(text, false)), at)
    }

    /// A map with keys that stand nowhere in the text: they point at their values.
    pub fn map<'k>(entries: impl IntoIterator<Item = (&'k str, Node)>, at: Location) -> Self {
        let entries = entries
            .into_iter()
            .map(|(key, node)| (Key { text: key.to_owned(), at: node.at }, node))
            .collect();
        Node::new(Value::Map(entries), at)
    }

    pub fn entries(&self) -> &[(Key, Node)] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The value of `key`, where this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|(k, _)| k.text == key).map(|(_, node)| node)
    }

    /// Where the value of `key` stands, or the key where the value is nothing; where this map
    /// stands when it has no such key.
    pub fn place(&self, key: &str) -> Location {
        let entry = self.entries().iter().find(|(k, _)| k.text == key);
        entry.map_or(self.at, |(key, node)| if node.is_null() { key.at } else { node.at })
    }

    /// What it is, in words.
    pub fn sort(&self) -> &'static str {
        match &self.value {
            Value::Scalar(scalar) if scalar.is_null() => "nothing",
            Value::Scalar(scalar) => scalar.sort(),
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }

    pub fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar(scalar) if scalar.is_null())
    }
}
