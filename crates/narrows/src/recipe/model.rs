//! The `[model]` section: the network.

use toml::Value;

use super::bottleneck::Bottleneck;
use super::part::{part, section};
use super::setting::wrong_value;
use super::{Limits, RecipeProblem, Setting};

section! {
    /// The network: its layers, units and starting weights.
    pub struct ModelRecipe {
        /// What is learned: to rebuild each row from a short code, to tell its class, or how probable rows are.
        kind: ModelKind = ModelKind::Autoencoder, Limits::ANY;
        /// Widths of the encoder's layers before the code, from the input on; may be empty.
        hidden: Vec<usize> = vec![128], Limits::WIDTH;
        /// Units in the code, K; in a classifier the width of the last hidden layer.
        code: usize = 16, Limits::WIDTH;
        /// The decoder's widths between code and output, or "mirror" for the encoder's in reverse.
        decoder: Decoder = Decoder::Mirror, Limits::WIDTH;
        /// What each hidden unit does with its sum.
        activation: Activation =
            if kind == ModelKind::Boltzmann { Activation::Sigmoid } else { Activation::Silu }, Limits::ANY;
        /// The same for the code; left out, "identity", and in a classifier and in Boltzmann machines that of the hidden layers.
        code_activation: Activation =
            if kind == ModelKind::Autoencoder { Activation::Identity } else { activation }, Limits::ANY;
        /// What stands between encoder and decoder, and so what a code is.
        bottleneck: Bottleneck = Bottleneck::Plain, Limits::ANY;
        /// Whether each decoder layer's weight is that of its encoder layer, transposed: one parameter for both.
        tied: bool = kind == ModelKind::Boltzmann, Limits::ANY;
        /// What the outputs are, and with it the loss; "auto" chooses from the data.
        output: OutputChoice =
            if kind == ModelKind::Classifier { OutputChoice::Categorical } else { OutputChoice::Auto }, Limits::ANY;
        /// Starting weights; "auto" suits them to the activation.
        initial: Initial = Initial::Auto, Limits::ANY;
        /// Share of hidden units that are silenced at random in each training step.
        dropout: f64 = 0.0, Limits::RATE;
        /// Share of inputs that are silenced at random in each training step.
        input_dropout: f64 = 0.0, Limits::RATE;
        /// Whether hidden units are normalised over the batch in training, and by running means in use.
        batch_normalisation: bool = false, Limits::ANY;
    }
}

part! {
    /// What a network is trained to do.
    pub enum ModelKind: "autoencoder" {
        /// Rebuilds its input from a code.
        Autoencoder = "autoencoder",
        /// Gives a confidence for each class.
        Classifier = "classifier",
        /// Restricted Boltzmann machines, each trained on what the one below says: one machine where model.hidden is empty, else a
        /// deep belief network.
        Boltzmann = "boltzmann",
    }
}

part! {
    /// What a unit does with its weighted sum a.
    pub enum Activation: "silu" {
        /// a itself: a linear unit.
        Identity = "identity",
        /// 1 / (1 + exp(−a)).
        Sigmoid = "sigmoid",
        /// The hyperbolic tangent of a.
        Tanh = "tanh",
        /// max(a, 0).
        Relu = "relu",
        /// a where positive, a little of it elsewhere.
        LeakyRelu = "leaky-relu",
        /// a where positive, exp(a) − 1 elsewhere.
        Elu = "elu",
        /// a · sigmoid(a).
        Silu = "silu",
        /// a · Φ(a), Φ the normal distribution function.
        Gelu = "gelu",
        /// log(1 + exp(a)).
        Softplus = "softplus",
        /// exp(a), divided by its sum over the layer.
        Softmax = "softmax",
    }
}

part! {
    /// What the outputs are, and with it the loss, summed over features and averaged over rows.
    pub enum OutputChoice: "auto" {
        /// Chosen from the data.
        Auto = "auto",
        /// Real numbers: linear units, squared error.
        Gaussian = "gaussian",
        /// Values from 0 to 1: sigmoid units, cross-entropy.
        Bernoulli = "bernoulli",
        /// One class out of several: softmax, cross-entropy.
        Categorical = "categorical",
    }
}

part! {
    /// Starting weights of a layer.
    pub enum Initial: "auto" {
        /// He for rectified units, LeCun for linear ones, Glorot for the others; for Boltzmann machines normal, 0.01.
        Auto = "auto",
        /// Uniform, variance 2 / (inputs + outputs) (Glorot and Bengio 2010).
        GlorotUniform = "glorot-uniform",
        /// Normal, variance 2 / (inputs + outputs).
        GlorotNormal = "glorot-normal",
        /// Uniform, variance 2 / inputs (He et al. 2015).
        HeUniform = "he-uniform",
        /// Normal, variance 2 / inputs.
        HeNormal = "he-normal",
        /// Normal, variance 1 / inputs (LeCun et al. 1998).
        Lecun = "lecun",
        /// Normal, with a deviation of its own; small for Boltzmann machines (Hinton 2012).
        Normal = "normal" {
            /// That deviation.
            deviation: f64 = 0.01, Limits::POSITIVE;
        },
        /// Orthogonal rows or columns (Saxe et al. 2014).
        Orthogonal = "orthogonal",
        /// A few normal weights a unit, the others 0 (Martens 2010).
        Sparse = "sparse" {
            /// Weights of each unit that do not start at 0.
            connections: usize = 15, Limits::WIDTH;
        },
        /// The same number everywhere; for tests, since equal units learn the same.
        Constant = "constant" {
            /// That number.
            value: f64 = 0.0, Limits::ANY;
        },
    }
}

/// The decoder's layers between code and output.
#[derive(Debug, Clone, PartialEq)]
pub enum Decoder {
    /// The encoder's widths in reverse.
    Mirror,
    /// Widths written out, from the code on; may be empty.
    Widths(Vec<usize>),
}

impl ModelRecipe {
    /// The decoder's widths between code and output, from the code on, mirrored or written out.
    pub fn decoder_widths(&self) -> Vec<usize> {
        match &self.decoder {
            Decoder::Mirror => self.hidden.iter().rev().copied().collect(),
            Decoder::Widths(widths) => widths.clone(),
        }
    }
}

impl Setting for Decoder {
    fn expected(limits: Limits) -> String {
        format!("\"mirror\" or {}", Vec::<usize>::expected(limits))
    }

    fn read(value: &Value, limits: Limits, path: &str, problems: &mut Vec<RecipeProblem>) -> Option<Self> {
        match value {
            Value::String(word) if word == "mirror" => Some(Self::Mirror),
            Value::Array(_) => Vec::read(value, limits, path, problems).map(Self::Widths),
            _ => {
                let hint = Some("write \"mirror\", or widths such as [250, 500]".to_string());
                wrong_value(value, Self::expected(limits), path, problems, hint);
                None
            }
        }
    }

    fn write(&self) -> Option<Value> {
        match self {
            Self::Mirror => Some(Value::String("mirror".to_string())),
            Self::Widths(widths) => widths.write(),
        }
    }
}
