//! What can go wrong in the engine, with the facts that the message needs.

use crate::graph::shape::Shape;

/// An error of the engine. Messages name the operation and its place in the network.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// Two operands whose shapes do not go together.
    #[error("{place}: {operation} cannot combine shapes {left} and {right}")]
    Shapes {
        /// Operation name.
        operation: &'static str,
        /// Name path of the place in the network.
        place: String,
        /// Left operand.
        left: Shape,
        /// Right operand.
        right: Shape,
    },
    /// One operand that the operation cannot take.
    #[error("{place}: {operation} cannot take shape {shape}: {expected}")]
    Operand {
        /// Operation name.
        operation: &'static str,
        /// Name path of the place in the network.
        place: String,
        /// The operand's shape.
        shape: Shape,
        /// What was expected of it.
        expected: String,
    },
    /// A tensor of the wrong element type.
    #[error("{place}: {operation} expects {expected} values, found {found}")]
    Kind {
        /// Operation name.
        operation: &'static str,
        /// Name path of the place in the network.
        place: String,
        /// Expected element type.
        expected: &'static str,
        /// Found element type.
        found: &'static str,
    },
    /// Two states, inputs, scalars or outputs of one name.
    #[error("{kind} `{name}` is declared twice")]
    DuplicateName {
        /// What is declared.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// An operation without a derivative was asked for one.
    #[error("{operation} has no derivative; wrap it in stop_gradient or leave it out of the loss")]
    NoDerivative {
        /// Operation name.
        operation: &'static str,
    },
    /// A name that a run needs is not there, or has another size.
    #[error("{kind} `{name}`: expected {expected} values, found {found}")]
    Feed {
        /// What is fed: input, state or scalar.
        kind: &'static str,
        /// Its name.
        name: String,
        /// Values expected.
        expected: usize,
        /// Values found.
        found: usize,
    },
    /// An instruction set was forced that this machine lacks.
    #[error("this machine does not have the instruction set `{level}`")]
    Level {
        /// The level asked for.
        level: &'static str,
    },
    /// The plan breaks a rule that the verifier guards.
    #[error("the plan is unsound: {what}")]
    Unsound {
        /// Which steps clash, and where.
        what: String,
    },
    /// Threads could not be started.
    #[error("cannot start {threads} threads: {reason}")]
    Threads {
        /// Threads asked for.
        threads: usize,
        /// What the system said.
        reason: String,
    },
}
