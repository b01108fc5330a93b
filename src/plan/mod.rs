//! The execution plan: a typed DAG lowered from the IR, passes over it, and its printers.
//! Knows nothing of models; the runtime executes it.

pub mod arith;
pub mod graph;
pub mod lower;
pub mod passes;
pub mod print;

pub use graph::{Input, Node, Op, Plan, PluginCall, RenderPart, RenderTurn};
pub use lower::{lower, lower_evaluation, lower_test};
