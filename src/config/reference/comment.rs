//! How does a doc comment become lines of a YAML comment?

/// The widest line of the reference, in characters.
pub(super) const WIDTH: usize = 120;

/// A piece of a comment.
#[derive(Debug, PartialEq)]
pub(super) enum Paragraph {
    /// Running text.
    Text(String),
    /// One item of a list.
    Item(String),
    /// Words that may stand here, each with its meaning.
    Terms(Vec<(String, String)>),
}

/// The paragraphs of a doc comment. Between them is an empty line; an item of a list begins with `- `.
pub(super) fn paragraphs(doc: &str) -> Vec<Paragraph> {
    let mut found = Vec::new();
    let mut fresh = true;
    for line in doc.lines().map(str::trim) {
        match (line.strip_prefix("- "), found.last_mut()) {
            (Some(item), _) => found.push(Paragraph::Item(item.to_owned())),
            (None, _) if line.is_empty() => {}
            (None, Some(Paragraph::Text(text) | Paragraph::Item(text))) if !fresh => {
                text.push(' ');
                text.push_str(line);
            }
            (None, _) => found.push(Paragraph::Text(line.to_owned())),
        }
        fresh = line.is_empty();
    }
    found
}

/// The lines of a comment that begins `indent` characters from the left, each with its `#`.
pub(super) fn lines(comment: &[Paragraph], indent: usize) -> Vec<String> {
    let width = WIDTH.saturating_sub(indent + 2);
    let mut lines = Vec::new();
    for (index, paragraph) in comment.iter().enumerate() {
        match paragraph {
            Paragraph::Text(text) => {
                if index > 0 {
                    lines.push("#".to_owned());
                }
                lines.extend(wrapped(text, width).iter().map(|line| format!("# {line}")));
            }
            Paragraph::Item(text) => {
                hang("- ", 2, text, width, &mut lines);
            }
            Paragraph::Terms(terms) => {
                let longest = terms.iter().map(|(term, _)| term.chars().count()).max();
                let column = longest.unwrap_or_default() + 4;
                for (term, meaning) in terms {
                    let lead = format!("  {term:0$}", column - 2);
                    hang(&lead, column, meaning, width, &mut lines);
                }
            }
        }
    }
    lines
}

/// Text behind `lead`, with all lines after the first as far from the left.
fn hang(lead: &str, column: usize, text: &str, width: usize, lines: &mut Vec<String>) {
    for (index, line) in wrapped(text, width.saturating_sub(column))
        .iter()
        .enumerate()
    {
        lines.push(match index {
            0 => format!("# {lead}{line}"),
            _ => format!("# {:column$}{line}", ""),
        });
    }
}

fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for piece in pieces(text) {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + piece.chars().count() <= width => {
                line.push(' ');
                line.push_str(&piece);
            }
            _ => lines.push(piece),
        }
    }
    lines
}

/// What must stay on one line: words, what is between backticks, and `Default:` with what it is.
fn pieces(text: &str) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    let mut open = false;
    for word in text.split_whitespace() {
        match pieces.last_mut() {
            Some(last) if open || last == "Default:" => {
                last.push(' ');
                last.push_str(word);
            }
            _ => pieces.push(word.to_owned()),
        }
        open ^= word.matches('`').count() % 2 == 1;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_together_stays_on_one_line() {
        let text = "As `{ a: b }` says. Default: 5 of them.";
        assert_eq!(
            wrapped(text, 10),
            ["As", "`{ a: b }`", "says.", "Default: 5", "of them."]
        );
    }

    #[test]
    fn paragraphs_items_and_terms_are_wrapped_each_in_its_own_way() {
        let mut comment = paragraphs("One\ntwo.\n\nThree:\n- four\n  five\n- six");
        assert_eq!(comment.len(), 4);
        let term = |term: &str, meaning: &str| (term.to_owned(), meaning.to_owned());
        comment.push(Paragraph::Terms(vec![
            term("on", "It is."),
            term("off", "It is not so at all."),
        ]));
        assert_eq!(
            lines(&comment, 100),
            [
                "# One two.",
                "#",
                "# Three:",
                "# - four five",
                "# - six",
                "#   on   It is.",
                "#   off  It is not",
                "#        so at all.",
            ]
        );
    }
}
