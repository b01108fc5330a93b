//! The graph itself. Nodes are operations with one result, edges carry that result to a
//! numbered port of the consumer.

use std::sync::Arc;

use petgraph::Direction;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;

use crate::base::{Literal, Medium, Pattern, Reply, Role, Span};
use crate::lang::ir::{self, BinaryOp, Measure, UnaryOp};
use crate::lang::plugin::Function;
use crate::lang::settings::Key;
use crate::lang::types::{Seconds, Type};

/// What a pipeline does, as a graph of typed operations.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Name of the pipeline, or `map` for the body of a comprehension.
    pub name: String,
    pub inputs: Vec<Input>,
    pub graph: DiGraph<Node, u32>,
    /// The node whose value is the result.
    pub result: NodeIndex,
    /// In the body of a comprehension with a filter: whether the row is kept.
    pub keep: Option<NodeIndex>,
}

/// A parameter of the plan.
#[derive(Debug, Clone)]
pub struct Input {
    pub name: String,
    pub ty: Type,
    pub doc: Option<String>,
    pub default: Option<NodeIndex>,
    pub span: Span,
}

#[derive(Debug, Clone)]
pub struct Node {
    pub op: Op,
    pub ty: Type,
    pub span: Span,
    /// Names the node by its place in the source (`describe/words/generate`): the address of
    /// its random stream, so it does not change when other nodes come or go.
    pub path: String,
}

/// An operation. The comment gives the input ports.
#[derive(Debug, Clone, PartialEq)]
pub enum Op {
    /// A parameter: index into [`Plan::inputs`]. No ports.
    Input(usize),
    /// No ports.
    Literal(Literal),
    /// A medium read from a file beside the source. No ports.
    File {
        path: String,
        medium: Medium,
    },
    /// One port per field.
    Record(Vec<String>),
    /// The record.
    Field(String),
    /// One port per element.
    List,
    /// The list, the index.
    Index,
    /// Texts between the ports: port `i` follows `texts[i]`; one text more than ports.
    Interpolate(Vec<String>),
    Unary(UnaryOp),
    /// Left, right. Never `and`, `or`, `??`: those are `Select`s.
    Binary(BinaryOp),
    IsNone,
    ToFloat,
    Length,
    /// The condition, the value if true, the value if false; only one of them is evaluated.
    Select,
    /// A medium, an option of one, or a list of them → tokens of the same shape.
    Encode(Medium),
    /// As `Encode`, but a medium that this run generated gives the codes it was made from:
    /// what the assistant has said stands in a conversation as it was said.
    Recall(Medium),
    /// The list. → one item, drawn with the stream of the node's path
    Pick,
    /// The text, the mark. → what stands before or after the first mark
    Cut {
        after: bool,
    },
    /// One port per argument of the plugin's function.
    Plugin(PluginCall),
    /// One port per hole. → a prompt
    Render {
        turns: Vec<RenderTurn>,
        out: Type,
    },
    /// The prompt, then one port per setting. → tokens of the medium (text for text)
    Generate {
        reply: Reply,
        settings: Vec<Key>,
        /// What the reply must be, beyond its medium.
        held: Held,
    },
    /// A text that was held to the JSON of the node's type → the value
    Parse,
    /// A medium → what is asked of it
    Measure(Measure),
    /// The tokens, then one port per setting. → the medium
    Decode {
        reply: Reply,
        settings: Vec<Key>,
    },
    /// The list, then the captured values. Input 0 of the body is the item, the others are the
    /// captured values.
    Map(Box<Plan>),
}

/// What a reply is held to while it is written.
#[derive(Debug, Clone, PartialEq)]
pub enum Held {
    Free,
    /// One of these texts.
    Cases(Vec<String>),
    /// A text that matches.
    Pattern(Pattern),
    /// The JSON of a type, by the pattern of `lang::json`.
    Json {
        pattern: Pattern,
        ty: Type,
    },
    /// A sound of this length.
    Lasting(Seconds),
}

/// A function of a component, with what it may use.
#[derive(Debug, Clone)]
pub struct PluginCall {
    pub plugin: Arc<ir::Plugin>,
    /// A place among the component's functions.
    pub function: usize,
}

impl PluginCall {
    pub fn function(&self) -> &Function {
        &self.plugin.component.functions[self.function]
    }

    /// `loudness.measure`
    pub fn name(&self) -> String {
        format!("{}.{}", self.plugin.name, self.function().name)
    }
}

/// Two calls are alike where the same code may do the same, whatever the plugin is called.
impl PartialEq for PluginCall {
    fn eq(&self, other: &PluginCall) -> bool {
        self.function == other.function
            && self.plugin.component.digest == other.plugin.component.digest
            && self.plugin.limits == other.plugin.limits
            && self.plugin.grants == other.plugin.grants
    }
}

#[derive(Debug, Clone, PartialEq)]
pub enum RenderTurn {
    Says {
        role: Role,
        parts: Vec<RenderPart>,
    },
    /// All turns of the conversation at this port.
    History(u32),
}

#[derive(Debug, Clone, PartialEq)]
pub enum RenderPart {
    Text(String),
    /// The value at this port.
    Port(u32),
}

impl Op {
    /// Whether two nodes with this operation and the same inputs always have the same value.
    /// Sampling nodes draw from the stream of their own path, so they are never merged.
    pub fn is_pure(&self) -> bool {
        match self {
            Op::Generate { .. } | Op::Decode { .. } | Op::Pick | Op::Map(_) => false,
            // Without grants a component sees its arguments and nothing else.
            Op::Plugin(call) => call.plugin.grants.is_empty(),
            Op::Input(_)
            | Op::Literal(_)
            | Op::File { .. }
            | Op::Record(_)
            | Op::Field(_)
            | Op::List
            | Op::Index
            | Op::Interpolate(_)
            | Op::Unary(_)
            | Op::Binary(_)
            | Op::IsNone
            | Op::ToFloat
            | Op::Length
            | Op::Parse
            | Op::Measure(_)
            | Op::Select
            | Op::Encode(_)
            | Op::Recall(_)
            | Op::Cut { .. }
            | Op::Render { .. } => true,
        }
    }

    /// The word that printers and progress displays use.
    pub fn word(&self) -> &'static str {
        match self {
            Op::Input(_) => "input",
            Op::Literal(_) => "literal",
            Op::File { .. } => "file",
            Op::Record(_) => "record",
            Op::Field(_) => "field",
            Op::List => "list",
            Op::Index => "index",
            Op::Interpolate(_) => "interpolate",
            Op::Unary(_) | Op::Binary(_) => "compute",
            Op::IsNone => "is-none",
            Op::ToFloat => "to-float",
            Op::Length => "length",
            Op::Parse => "parse",
            Op::Measure(what) => what.name(),
            Op::Select => "select",
            Op::Encode(_) => "encode",
            Op::Recall(_) => "recall",
            Op::Pick => "pick",
            Op::Cut { after: true } => "after",
            Op::Cut { after: false } => "before",
            Op::Plugin(_) => "plugin",
            Op::Render { .. } => "render",
            Op::Generate { .. } => "generate",
            Op::Decode { .. } => "decode",
            Op::Map(_) => "map",
        }
    }

    /// Whether the node runs a model: the ones people wait for.
    pub fn runs_model(&self) -> bool {
        matches!(self, Op::Encode(_) | Op::Recall(_) | Op::Generate { .. } | Op::Decode { .. })
    }
}

impl Plan {
    /// The producers of a node's inputs, in port order.
    pub fn operands(&self, node: NodeIndex) -> Vec<NodeIndex> {
        let mut edges: Vec<(u32, NodeIndex)> = self
            .graph
            .edges_directed(node, Direction::Incoming)
            .map(|edge| (*edge.weight(), edge.source()))
            .collect();
        edges.sort_unstable_by_key(|(port, _)| *port);
        edges.into_iter().map(|(_, source)| source).collect()
    }

    /// Adds a node and connects its operands to ports 0, 1, …
    pub fn add(&mut self, node: Node, operands: &[NodeIndex]) -> NodeIndex {
        let index = self.graph.add_node(node);
        for (port, operand) in (0u32..).zip(operands) {
            self.graph.add_edge(*operand, index, port);
        }
        index
    }

    /// Nodes whose values are wanted from outside: the result, the filter, the defaults.
    pub fn roots(&self) -> Vec<NodeIndex> {
        let defaults = self.inputs.iter().filter_map(|input| input.default);
        [self.result].into_iter().chain(self.keep).chain(defaults).collect()
    }

    /// All nodes, producers before consumers, ties in order of creation.
    ///
    /// Nodes are only ever added after their operands, so creation order is such an order.
    pub fn order(&self) -> impl DoubleEndedIterator<Item = NodeIndex> + use<> {
        (0..self.graph.node_count()).map(NodeIndex::new)
    }

    /// Every node of this plan and of the plans inside it.
    pub fn node_count(&self) -> usize {
        self.graph
            .node_weights()
            .map(|node| match &node.op {
                Op::Map(body) => 1 + body.node_count(),
                _ => 1,
            })
            .sum()
    }

    /// The media for which some node needs the given role.
    pub fn any_op(&self, test: &dyn Fn(&Op) -> bool) -> bool {
        self.graph
            .node_weights()
            .any(|node| test(&node.op) || matches!(&node.op, Op::Map(body) if body.any_op(test)))
    }
}

/// Plans compare by name only where operations do; bodies of maps are never merged.
impl PartialEq for Plan {
    fn eq(&self, _: &Plan) -> bool {
        false
    }
}
