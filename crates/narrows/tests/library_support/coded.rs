//! A bottleneck in training, in a graph of its own, on made rows.

use super::{numbers, recipe};
use narrows::autoencoder::bottleneck::{self, Coded};
use narrows::engine::Graph;
use narrows::engine::reference::{Evaluation, Feed, evaluate};
use narrows::network::{Mode, Network, Pass};
use narrows::recipe::Bottleneck;

pub const ROWS: usize = 6;
pub const FEATURES: usize = 5;

/// A code in training, in a graph, with its parameters.
pub fn training<'g>(graph: &'g Graph, settings: &[&str]) -> (Coded<'g>, Pass<'g>) {
    let network = Network::new(&recipe(settings).model, FEATURES, 0).unwrap();
    let x = graph.input("x", [ROWS, FEATURES]);
    let row_ids = graph.indices("row ids", [ROWS]);
    let mut pass = Pass::new(Mode::Training(row_ids));
    let values = network.encode(graph, &mut pass, x);
    let weight = graph.scalar("weight");
    graph.output("values", values);
    let coded = bottleneck::training(graph, &network, &mut pass, values, row_ids, weight);
    graph.output("code", coded.code);
    if let Some(cost) = coded.cost {
        graph.output("cost", cost);
    }
    (coded, pass)
}

pub fn feed(settings: &[&str]) -> Feed {
    let network = Network::new(&recipe(settings).model, FEATURES, 0).unwrap();
    let mut feed = Feed::new()
        .input("x", numbers(ROWS * FEATURES, -1.0, 1.0, 1))
        .input("row ids", (0..ROWS as u32).map(|row| row * 3))
        .scalar("weight", 1.0)
        .keyed(5, 2);
    for layer in network.all_layers() {
        let salt = layer.name.len() as u32;
        feed = feed
            .state(
                &format!("{}.weight", layer.name),
                numbers(layer.inputs() * layer.outputs(), -1.0, 1.0, salt),
            )
            .state(&format!("{}.bias", layer.name), numbers(layer.outputs(), -0.5, 0.5, salt));
    }
    if let Bottleneck::TopK { .. } = network.bottleneck {
        feed = feed.state("bottleneck.idle", vec![0.0; network.code()]);
        feed = feed.state("bottleneck.favour", vec![0.0; network.code()]);
    }
    feed
}

pub fn evaluated(settings: &[&str], feed: &Feed) -> Evaluation {
    let graph = Graph::new();
    training(&graph, settings);
    evaluate(&graph, feed).unwrap()
}
