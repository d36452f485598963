//! The `[model]` section: the network.

use toml::Value;

use super::bottleneck::Bottleneck;
use super::layers::LayerRecipe;
use super::part::{part, section};
use super::setting::wrong_value;
use super::{Limits, RecipeProblem, Setting};

section! {
    /// The network: its layers, units and starting weights.
    pub struct ModelRecipe {
        /// What is learned: to rebuild each row from a short code, to tell its class, or how probable rows are.
        kind: ModelKind = ModelKind::Autoencoder, Limits::ANY;
        /// The encoder's layers before the code, from the input on: widths, or layers of other kinds; may be empty.
        hidden: Vec<LayerRecipe> = vec![LayerRecipe::Dense(128)], Limits::WIDTH;
        /// Units in the code, K; in a classifier the width of the last hidden layer. 0: what the last of model.hidden says is the code.
        code: usize = 16, Limits::between(0.0, 100_000.0);
        /// The decoder's layers between code and output, or "mirror" for the encoder's in reverse; in a classifier those between code and
        /// classes, of which a mirror has none.
        decoder: Decoder = Decoder::Mirror, Limits::WIDTH;
        /// How a mirrored decoder makes maps grow where the encoder's shrink.
        growth: Growth = Growth::Transposed, Limits::ANY;
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
            if matches!(kind, ModelKind::Classifier | ModelKind::Segmenter) { OutputChoice::Categorical } else { OutputChoice::Auto }, Limits::ANY;
        /// Starting weights; "auto" suits them to the activation.
        initial: Initial = Initial::Auto, Limits::ANY;
        /// Share of hidden units that are silenced at random in each training step.
        dropout: f64 = 0.0, Limits::RATE;
        /// Share of inputs that are silenced at random in each training step.
        input_dropout: f64 = 0.0, Limits::RATE;
        /// Whether hidden units are normalised over the batch in training, and by running means in use.
        batch_normalisation: bool = false, Limits::ANY;
        /// Networks beside a classifier's that tell the classes from what a layer in between says, in training only: a list of tables such as
        /// { after = 9, layers = ["global-pool", 100], weight = 0.3 }, the layer of model.hidden from 1, layers as there, and what the loss
        /// is multiplied by.
        auxiliary: AuxiliaryHeads = AuxiliaryHeads::default(), Limits::ANY;
    }
}

section! {
    /// A network beside the network.
    pub struct AuxiliaryRecipe {
        /// The layer of model.hidden, from 1, whose values it hears.
        after: usize = 1, Limits::WIDTH;
        /// Its layers, as in model.hidden; behind them a number for each class.
        layers: Vec<LayerRecipe> = Vec::new(), Limits::WIDTH;
        /// What its loss is multiplied by.
        weight: f64 = 0.3, Limits::POSITIVE;
    }
}

part! {
    /// What a network is trained to do.
    pub enum ModelKind: "autoencoder" {
        /// Rebuilds its input from a code.
        Autoencoder = "autoencoder",
        /// Gives a confidence for each class.
        Classifier = "classifier",
        /// Gives a confidence for each class at each pixel of a picture.
        Segmenter = "segmenter",
        /// Restricted Boltzmann machines, each trained on what the one below says: one machine where model.hidden is empty, else a
        /// deep belief network.
        Boltzmann = "boltzmann",
    }
}

part! {
    /// How a mirrored decoder makes maps grow where the encoder's shrink. Its output has the input's height and width, whatever they are.
    pub enum Growth: "transposed" {
        /// Convolutions and pooling are undone by transposed convolutions of the same windows.
        Transposed = "transposed",
        /// Pooling is undone by repeating pixels, convolutions by transposed convolutions.
        Repeat = "repeat",
        /// Pooling is undone by putting pixels back to where it found them, zeros elsewhere, convolutions by transposed convolutions.
        Unpool = "unpool",
        /// Pixels are repeated, and then convolved with stride 1, so that every pixel is met by as many weights (Odena et al. 2016).
        Upsample = "upsample",
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
    /// The encoder's layers in reverse.
    Mirror,
    /// Layers written out, from the code on; may be empty.
    Layers(Vec<LayerRecipe>),
}

/// Networks beside the network.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AuxiliaryHeads(pub Vec<AuxiliaryRecipe>);

impl Setting for AuxiliaryHeads {
    fn expected(_: Limits) -> String {
        "a list of tables, in brackets".to_string()
    }

    fn read(value: &Value, limits: Limits, path: &str, problems: &mut Vec<RecipeProblem>) -> Option<Self> {
        Vec::read(value, limits, path, problems).map(Self)
    }

    fn write(&self) -> Option<Value> {
        self.0.write()
    }
}

impl ModelRecipe {
    /// Layers between code and output.
    pub fn decoder_depth(&self) -> usize {
        match &self.decoder {
            Decoder::Mirror => self.hidden.len(),
            Decoder::Layers(layers) => layers.len(),
        }
    }

    /// Whether the decoder is the encoder's mirror image, derived from it or written out alike.
    pub fn is_mirrored(&self) -> bool {
        match &self.decoder {
            Decoder::Mirror => true,
            Decoder::Layers(layers) => {
                let dense = layers.iter().all(LayerRecipe::is_dense);
                // Where the last hidden layer is the code, a mirror image has one layer fewer.
                self.code > 0 && dense && layers.iter().rev().eq(&self.hidden)
            }
        }
    }
}

impl Setting for Decoder {
    fn expected(limits: Limits) -> String {
        format!("\"mirror\" or {}", Vec::<LayerRecipe>::expected(limits))
    }

    fn read(value: &Value, limits: Limits, path: &str, problems: &mut Vec<RecipeProblem>) -> Option<Self> {
        match value {
            Value::String(word) if word == "mirror" => Some(Self::Mirror),
            Value::Array(_) => Vec::read(value, limits, path, problems).map(Self::Layers),
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
            Self::Layers(layers) => layers.write(),
        }
    }
}
