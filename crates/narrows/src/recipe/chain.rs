//! Where the rows come from that a Boltzmann machine unlearns.

use super::Limits;
use super::part::part;

part! {
    /// How a Boltzmann machine draws the rows that it unlearns, while it learns the data's.
    pub enum Chain: "contrastive" {
        /// From the batch's own rows: contrastive divergence (Hinton 2002).
        Contrastive = "contrastive" {
            /// Gibbs steps, k.
            steps: usize = 1, Limits::between(1.0, 1000.0);
            /// Whether visible units give their means instead of draws: quicker to learn features by, no longer the machine's own rows.
            means: bool = false, Limits::ANY;
        },
        /// From where chains of their own stood after the step before (Tieleman 2008).
        Persistent = "persistent" {
            /// Gibbs steps, k.
            steps: usize = 1, Limits::between(1.0, 1000.0);
        },
    }
}
