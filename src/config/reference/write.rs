//! How is the reference laid out?

use super::comment::{Paragraph, WIDTH, lines};

/// Where the mark of an example stands, if there is room.
const COLUMN: usize = 44;

/// A value, ready to be written.
pub(super) enum Item {
    /// As it is to be written.
    Scalar(String),
    /// A list.
    List(Vec<Item>),
    /// Keys with their values.
    Map(Section),
}

/// Keys that stand together.
#[derive(Default)]
pub(super) struct Section {
    /// In their order.
    pub(super) entries: Vec<Entry>,
    /// Keys that are not shown here but in another place of the file.
    pub(super) elsewhere: Vec<String>,
    /// Whether it is set apart from its neighbours.
    pub(super) apart: bool,
}

/// A key with its value.
pub(super) struct Entry {
    /// What is said about it.
    pub(super) comment: Vec<Paragraph>,
    /// Its name.
    pub(super) key: String,
    /// Its value.
    pub(super) item: Item,
    /// Whether the value is another than the default.
    pub(super) example: bool,
    /// Whether it is shown without being set.
    pub(super) unset: bool,
}

/// The text of a whole file.
pub(super) fn write(section: &Section) -> String {
    let mut writer = Writer::default();
    writer.entries(section, 0, false);
    writer.text
}

#[derive(Default)]
struct Writer {
    text: String,
    /// The column from which on everything is a comment.
    unset: Option<usize>,
}

impl Writer {
    fn line(&mut self, indent: usize, line: &str) {
        let line = match self.unset {
            Some(column) => {
                format!(
                    "{:column$}# {:2$}{line}",
                    "",
                    "",
                    indent.saturating_sub(column)
                )
            }
            None => format!("{:indent$}{line}", ""),
        };
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn comment(&mut self, comment: &[Paragraph], indent: usize) {
        // A comment within what is a comment itself has two marks before it.
        let marks = if self.unset.is_some() { 2 } else { 0 };
        for line in lines(comment, indent + marks) {
            self.line(indent, &line);
        }
    }

    /// Writes keys. Those of a list's item have the dash before the first one.
    fn entries(&mut self, section: &Section, indent: usize, dash: bool) {
        for (index, entry) in section.entries.iter().enumerate() {
            let first = dash && index == 0;
            let lead = if first { "- " } else { "" };
            let at = if dash && !first { indent + 2 } else { indent };
            if section.apart && !dash {
                self.text.push('\n');
            }
            let within = self.unset;
            self.comment(&entry.comment, at);
            if entry.unset {
                self.unset = within.or(Some(at));
            }
            self.entry(entry, lead, at);
            self.unset = within;
        }
        if !section.elsewhere.is_empty() {
            let names: Vec<String> = section
                .elsewhere
                .iter()
                .map(|key| format!("`{key}`"))
                .collect();
            let said = format!("Not used here, explained below: {}.", names.join(", "));
            self.comment(
                &[Paragraph::Text(said)],
                if dash { indent + 2 } else { indent },
            );
        }
    }

    fn entry(&mut self, entry: &Entry, lead: &str, indent: usize) {
        let start = format!("{lead}{}:", entry.key);
        let mark = |line: &str| match entry.example {
            true => marked(line, indent),
            false => line.to_owned(),
        };
        if let Some(flow) = flow(&entry.item) {
            let line = format!("{start} {flow}");
            if indent + line.chars().count() + 12 <= WIDTH {
                self.line(indent, &mark(&line));
                return;
            }
        }
        let inner = indent + lead.len() + 2;
        match &entry.item {
            Item::Scalar(text) => self.line(indent, &mark(&format!("{start} {text}"))),
            Item::List(items) => {
                let short = items.iter().any(|item| flow(item).is_some());
                self.line(indent, &if short { mark(&start) } else { start });
                for (index, item) in items.iter().enumerate() {
                    self.item(item, inner, index == 0);
                }
            }
            Item::Map(section) => {
                self.line(indent, &start);
                self.entries(section, inner, false);
            }
        }
    }

    fn item(&mut self, item: &Item, indent: usize, first: bool) {
        match (flow(item), item) {
            (None, Item::Map(section)) => {
                if section.apart && !first {
                    self.text.push('\n');
                }
                self.entries(section, indent, true);
            }
            (flow, _) => self.line(indent, &format!("- {}", flow.unwrap_or_default())),
        }
    }
}

fn marked(line: &str, indent: usize) -> String {
    let column = COLUMN.saturating_sub(indent);
    format!("{line:column$}  # example")
}

/// The value in one line, if there is nothing to be said within it.
fn flow(item: &Item) -> Option<String> {
    match item {
        Item::Scalar(text) => Some(text.clone()),
        Item::List(items) => {
            let items: Option<Vec<String>> = items.iter().map(within).collect();
            Some(format!("[{}]", items?.join(", ")))
        }
        Item::Map(Section { apart: true, .. }) => None,
        Item::Map(section) if section.entries.is_empty() => Some("{}".to_owned()),
        Item::Map(section) => {
            let pair = |entry: &Entry| {
                let silent = entry.comment.is_empty() && !entry.unset;
                let value = within(&entry.item).filter(|_| silent)?;
                Some(format!("{}: {value}", entry.key))
            };
            let pairs: Option<Vec<String>> = section.entries.iter().map(pair).collect();
            Some(format!("{{ {} }}", pairs?.join(", ")))
        }
    }
}

/// The same within brackets, where some texts need quotation marks that stand without them else.
fn within(item: &Item) -> Option<String> {
    match item {
        Item::Scalar(text) if !text.starts_with(['"', '\'']) && text.contains(BRACKETS) => {
            Some(serde_json::Value::from(text.as_str()).to_string())
        }
        item => flow(item),
    }
}

const BRACKETS: [char; 5] = [',', '[', ']', '{', '}'];

/// A text as YAML. `string` if it has to stay a text where it looks like something else.
pub(super) fn scalar(text: &str, string: bool) -> String {
    let looks_otherwise =
        matches!(text, "true" | "false" | "null" | "~") || text.parse::<f64>().is_ok();
    let starts = |start: &[char]| text.starts_with(start);
    let needs_quotes = text.is_empty()
        || text != text.trim()
        || (string && looks_otherwise)
        || starts(&[
            '-', '?', ':', '#', '&', '*', '!', '|', '>', '\'', '"', '%', '@', '`',
        ])
        || starts(&BRACKETS)
        || text.contains(['\n', '\t'])
        || text.contains(": ")
        || text.contains(" #")
        || text.ends_with(':');
    match needs_quotes {
        false => text.to_owned(),
        true if text.contains(['\\', '"']) && !text.contains(['\'', '\n', '\t']) => {
            format!("'{text}'")
        }
        true => serde_json::Value::from(text).to_string(),
    }
}
