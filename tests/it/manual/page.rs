//! Which blocks does a page of Markdown have, and what do the remarks before them say?

use super::root;

/// A page, as far as it can be run.
pub struct Page {
    /// Its path in the repository.
    pub path: String,
    /// Its text.
    pub text: String,
    /// Its fenced blocks, in their order.
    pub blocks: Vec<Block>,
}

/// A fenced block.
#[derive(Default, Debug)]
pub struct Block {
    /// The line of its fence, from 1 on.
    pub line: usize,
    /// What stands behind the fence.
    pub kind: String,
    /// What stands inside.
    pub text: String,
    /// Why it is not run.
    pub not_run: Option<String>,
    /// The code it ends with.
    pub exit: i32,
    /// Whether `check` rejects it.
    pub rejected: bool,
    /// The file it is written to.
    pub file: Option<String>,
    /// What is run before it.
    pub prepare: Vec<String>,
}

impl Page {
    /// Reads a page of the repository.
    pub fn read(path: &str) -> Self {
        let text = std::fs::read_to_string(root().join(path)).expect("a page");
        let blocks = blocks(path, &text);
        Self {
            path: path.to_owned(),
            text,
            blocks,
        }
    }
}

fn blocks(path: &str, text: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut next = Block::default();
    let mut remarked = false;
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        if let Some(kind) = line.strip_prefix("```") {
            next.line = number + 1;
            next.kind = kind.to_owned();
            loop {
                let (_, line) = lines
                    .next()
                    .unwrap_or_else(|| panic!("{path}:{}: the block has no end", number + 1));
                if line == "```" {
                    break;
                }
                next.text.push_str(line);
                next.text.push('\n');
            }
            found.push(std::mem::take(&mut next));
            remarked = false;
        } else if let Some(begun) = line.strip_prefix("<!--") {
            let mut remark = begun.to_owned();
            while !remark.trim_end().ends_with("-->") {
                let (_, line) = lines.next().expect("the remark has no end");
                remark.push('\n');
                remark.push_str(line);
            }
            let remark = remark.trim().trim_end_matches("-->").trim();
            note(&mut next, remark).unwrap_or_else(|why| panic!("{path}:{}: {why}", number + 1));
            remarked = true;
        } else if !line.is_empty() {
            assert!(
                !remarked,
                "{path}:{}: a block must follow the remark",
                number + 1
            );
        }
    }
    found
}

/// Takes down what a remark says about the next block.
fn note(next: &mut Block, remark: &str) -> Result<(), String> {
    let (word, rest) = remark.split_once(':').unwrap_or((remark, ""));
    let rest = rest.trim();
    match word {
        "not run" => next.not_run = Some(rest.to_owned()),
        "prepare" => next.prepare.push(rest.to_owned()),
        "file" => next.file = Some(rest.to_owned()),
        "rejected" => next.rejected = true,
        _ => {
            let code = word.strip_prefix("exit ");
            let code = code.and_then(|code| code.parse().ok());
            next.exit = code.ok_or_else(|| format!("a remark that means nothing: {remark}"))?;
        }
    }
    Ok(())
}

#[test]
fn blocks_are_found_with_what_the_remarks_before_them_say() {
    let text =
        "# A\n\n<!-- exit 2 -->\n<!-- prepare: a\nb -->\n```sh\nfalse\n```\nb\n\n```text\n```\n";
    let found = blocks("a.md", text);
    assert_eq!(found.len(), 2);
    assert_eq!((found[0].kind.as_str(), found[0].line), ("sh", 6));
    assert_eq!((found[0].text.as_str(), found[0].exit), ("false\n", 2));
    assert_eq!(found[0].prepare, ["a\nb"]);
    assert_eq!((found[1].kind.as_str(), found[1].exit), ("text", 0));
}

#[test]
#[should_panic(expected = "a block must follow")]
fn a_remark_that_no_block_follows_is_a_mistake() {
    blocks("a.md", "<!-- exit 2 -->\n\nb\n\n```sh\n```\n");
}

#[test]
#[should_panic(expected = "means nothing")]
fn a_remark_that_means_nothing_is_a_mistake() {
    blocks("a.md", "<!-- exits 2 -->\n```sh\n```\n");
}
