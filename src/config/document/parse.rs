//! How does YAML text become a tree, whatever the text is?
//!
//! Refused are: a second document, tags other than those of the YAML 1.2 core schema, keys that are not scalars, keys
//! given twice, and documents so large or deep that reading them would use up memory or stack.

use std::path::Path;
use std::sync::Arc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Tag};

use super::anchors::Anchors;
use super::mapping::MappingBuilder;
use super::{Key, Kind, Node, is_null, scalar};
use crate::config::diagnostics::{Diagnostic, Diagnostics, Position};

/// The most values and keys a document may have after its aliases were replaced.
pub const MAX_NODES: usize = 1_000_000;

/// The deepest that lists and mappings may be nested.
pub const MAX_DEPTH: usize = 128;

/// The tree of the YAML document `text`. An empty document is an empty mapping.
///
/// `None` if there is no tree to speak of; diagnostics say why. Other errors (a key given twice, say) are only told:
/// the rest of the tree can still be read for more of them.
pub fn parse(file: &Arc<Path>, text: &str, diagnostics: &mut Diagnostics) -> Option<Node> {
    let mut builder = Builder {
        file,
        diagnostics,
        open: Vec::new(),
        root: None,
        documents: 0,
        anchors: Anchors::default(),
        nodes: 0,
    };
    match builder.run(text) {
        Ok(()) => Some(builder.root.unwrap_or_else(|| Node {
            position: position(file, Marker::new(0, 1, 0)),
            kind: Kind::Mapping(Vec::new()),
        })),
        Err(reason) => {
            diagnostics.push(*reason);
            None
        }
    }
}

/// Why there is no tree.
type Stop = Box<Diagnostic>;

fn stop(position: Position, message: impl Into<String>) -> Stop {
    Box::new(Diagnostic::error("", message).at(position))
}

fn position(file: &Arc<Path>, marker: Marker) -> Position {
    Position {
        file: Arc::clone(file),
        line: u32::try_from(marker.line()).unwrap_or(u32::MAX),
        column: u32::try_from(marker.col())
            .unwrap_or(u32::MAX)
            .saturating_add(1),
    }
}

/// A list or mapping whose end was not seen yet.
struct Open {
    position: Position,
    /// The number of its anchor, 0 for none.
    anchor: usize,
    content: Content,
}

enum Content {
    Sequence(Vec<Node>),
    Mapping(MappingBuilder),
}

struct Builder<'b> {
    file: &'b Arc<Path>,
    diagnostics: &'b mut Diagnostics,
    open: Vec<Open>,
    root: Option<Node>,
    documents: usize,
    anchors: Anchors,
    nodes: usize,
}

impl Builder<'_> {
    fn run(&mut self, text: &str) -> Result<(), Stop> {
        let mut parser = Parser::new_from_str(text);
        while let Some(next) = parser.next_event() {
            let (event, span) = next.map_err(|error| {
                let at = position(self.file, *error.marker());
                stop(at, format!("not valid YAML: {}", error.info()))
            })?;
            self.event(event, position(self.file, span.start))?;
        }
        Ok(())
    }

    fn event(&mut self, event: Event<'_>, position: Position) -> Result<(), Stop> {
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(stop(
                        position,
                        "a file can hold only one YAML document; this is a second one",
                    ));
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                let plain = self.scalar_tag(tag.as_deref(), &text, plain, &position);
                let kind = if plain && is_null(&text) && !self.expects_key() {
                    Kind::Null
                } else {
                    let text = text.into_owned();
                    Kind::Scalar { text, plain }
                };
                self.place(Node { position, kind }, anchor)?;
            }
            Event::SequenceStart(anchor, tag) => {
                self.collection_tag(tag.as_deref(), "seq", &position);
                self.enter(position, anchor, Content::Sequence(Vec::new()))?;
            }
            Event::MappingStart(anchor, tag) => {
                self.collection_tag(tag.as_deref(), "map", &position);
                let content = Content::Mapping(MappingBuilder::default());
                self.enter(position, anchor, content)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.leave()?,
            Event::Alias(anchor) => self.alias(anchor, position)?,
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        Ok(())
    }

    fn enter(&mut self, position: Position, anchor: usize, content: Content) -> Result<(), Stop> {
        self.check_depth(1, &position)?;
        if self.expects_key() {
            return Err(stop(position, "a key can't be a list or a mapping"));
        }
        self.open.push(Open {
            position,
            anchor,
            content,
        });
        Ok(())
    }

    fn leave(&mut self) -> Result<(), Stop> {
        // The parser pairs starts with ends, so there is always one.
        let Some(done) = self.open.pop() else {
            return Ok(());
        };
        let kind = match done.content {
            Content::Sequence(entries) => Kind::Sequence(entries),
            Content::Mapping(mapping) => Kind::Mapping(mapping.finish(self.diagnostics)),
        };
        let node = Node {
            position: done.position,
            kind,
        };
        self.place(node, done.anchor)
    }

    fn alias(&mut self, anchor: usize, position: Position) -> Result<(), Stop> {
        let Some(anchored) = self.anchors.get(anchor) else {
            return Err(stop(
                position,
                "an alias can't stand inside of what it is an alias for",
            ));
        };
        let (nodes, height) = (anchored.nodes, anchored.height);
        self.check_depth(height, &position)?;
        // Before the copy is made, so that aliases of aliases can't use up memory.
        self.spend(nodes, &position)?;
        let Some(mut node) = self.anchors.get(anchor).map(|known| known.node.clone()) else {
            return Ok(());
        };
        // A value is told where it was written, but a key belongs to the place where it stands.
        if self.expects_key() {
            node.position = position;
        }
        self.attach(node)
    }

    /// Puts a value that was written here where it belongs.
    fn place(&mut self, node: Node, anchor: usize) -> Result<(), Stop> {
        self.spend(1, &node.position)?;
        if anchor != 0 {
            let nodes = self.anchors.remember(anchor, &node);
            self.spend(nodes, &node.position)?;
        }
        self.attach(node)
    }

    fn attach(&mut self, node: Node) -> Result<(), Stop> {
        match self.open.last_mut().map(|open| &mut open.content) {
            None => self.root = Some(node),
            Some(Content::Sequence(entries)) => entries.push(node),
            Some(Content::Mapping(mapping)) if mapping.expects_key() => match node.kind {
                Kind::Scalar { text, plain } => mapping.key(
                    Key {
                        name: text,
                        position: node.position,
                    },
                    plain,
                ),
                // Only an alias comes here: a null that is written as a key stays text.
                Kind::Null => mapping.key(
                    Key {
                        name: String::new(),
                        position: node.position,
                    },
                    false,
                ),
                Kind::Sequence(_) | Kind::Mapping(_) => {
                    return Err(stop(node.position, "a key can't be a list or a mapping"));
                }
            },
            Some(Content::Mapping(mapping)) => {
                let copied = mapping.value(node, self.diagnostics);
                let at = self.open.last().map(|open| open.position.clone());
                if let Some(at) = at {
                    self.spend(copied, &at)?;
                }
            }
        }
        Ok(())
    }

    fn expects_key(&self) -> bool {
        match self.open.last().map(|open| &open.content) {
            Some(Content::Mapping(mapping)) => mapping.expects_key(),
            _ => false,
        }
    }

    fn check_depth(&self, height: usize, position: &Position) -> Result<(), Stop> {
        if self.open.len() + height > MAX_DEPTH {
            let message = format!("nested more than {MAX_DEPTH} levels deep");
            return Err(stop(position.clone(), message));
        }
        Ok(())
    }

    fn spend(&mut self, nodes: usize, position: &Position) -> Result<(), Stop> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > MAX_NODES {
            let message = format!("the document has more than {MAX_NODES} values");
            return Err(stop(position.clone(), message));
        }
        Ok(())
    }

    /// Whether the scalar is to be read as a plain one, given its tag.
    fn scalar_tag(
        &mut self,
        tag: Option<&Tag>,
        text: &str,
        plain: bool,
        position: &Position,
    ) -> bool {
        let Some(tag) = tag else { return plain };
        if is_non_specific(tag) || (tag.is_yaml_core_schema() && tag.suffix == "str") {
            return false;
        }
        if !(tag.is_yaml_core_schema() && scalar::has_core_type(text, &tag.suffix)) {
            self.refuse_tag(tag, position);
        }
        true
    }

    fn collection_tag(&mut self, tag: Option<&Tag>, expected: &str, position: &Position) {
        let Some(tag) = tag else { return };
        let fits = tag.is_yaml_core_schema() && tag.suffix == expected;
        if !fits && !is_non_specific(tag) {
            self.refuse_tag(tag, position);
        }
    }

    fn refuse_tag(&mut self, tag: &Tag, position: &Position) {
        let message = if tag.is_yaml_core_schema() {
            format!("the tag `!!{}` does not fit this value", tag.suffix)
        } else {
            format!("unknown tag `{}{}`", tag.handle, tag.suffix)
        };
        self.diagnostics
            .push(Diagnostic::error("", message).at(position.clone()));
    }
}

/// Whether the tag is a lone `!`, which says only: don't guess the type.
fn is_non_specific(tag: &Tag) -> bool {
    tag.handle.is_empty() && tag.suffix == "!"
}
