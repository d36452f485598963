//! Convolutions of pictures that show little but background: what is summed once for many places has the values and bits of any other sum.

mod executor_support;

use executor_support::{check, numbers, pool, roundings_of, run};
use narrows_engine::cpu::Level;
use narrows_engine::reference::Feed;
use narrows_engine::{Convolution, Graph};

/// Height, width, channels and the kernel's size; channels of the result; strides.
const FORMS: [([usize; 4], usize, [usize; 2]); 10] = [
    ([14, 14, 32, 3], 64, [2, 2]),
    ([12, 12, 64, 3], 64, [1, 1]),
    ([14, 14, 2, 7], 64, [1, 1]),
    ([12, 12, 5, 3], 1, [1, 1]),
    ([13, 13, 25, 3], 50, [1, 1]),
    ([11, 40, 5, 3], 20, [1, 1]),
    ([9, 9, 1, 7], 8, [1, 1]),
    ([6, 7, 70, 2], 130, [1, 2]),
    ([12, 10, 16, 3], 1, [1, 1]),
    ([5, 70, 16, 3], 20, [1, 1]),
];

/// One pixel everywhere, in some pictures with little in it, but for a patch in the middle.
fn picture([height, width, channels]: [usize; 3], number: u32) -> Vec<f32> {
    let mut paper = numbers(channels, -1.0, 1.0, 100 + number);
    if number % 2 == 1 {
        paper
            .iter_mut()
            .enumerate()
            .filter(|(channel, _)| channel % 8 != 3)
            .for_each(|(_, value)| *value = 0.0);
    }
    let ink = numbers(height * width * channels, -1.0, 1.0, number);
    let inside = |at: usize, size: usize| (size / 3..size - size / 3).contains(&at);
    let value = |at: usize| {
        let (pixel, channel) = (at / channels, at % channels);
        let drawn = inside(pixel / width, height) && inside(pixel % width, width);
        // Of every other pixel the last channel alone tells it from paper.
        if drawn && (pixel % 2 == 1 || channel + 1 == channels) { ink[at] } else { paper[channel] }
    };
    (0..height * width * channels).map(value).collect()
}

fn form(stride: [usize; 2]) -> Convolution {
    Convolution { stride, before: [1; 2], after: [1; 2], ..Convolution::default() }
}

/// Down by one kernel and up by another, from images of the same sizes.
fn graph(
    count: usize,
    ([height, width, inputs, size], outputs, stride): ([usize; 4], usize, [usize; 2]),
) -> Graph {
    let graph = Graph::new();
    let x = graph.input("x", [count, height, width, inputs]);
    let kernel = graph.state("kernel", [size, size, inputs, outputs]);
    graph.output("down", x.convolution(kernel, &form(stride)).tanh());
    let large = [stride[0] * (height - 1) + size - 2, stride[1] * (width - 1) + size - 2];
    graph.output("up", x.transposed_convolution(kernel, &form(stride), large));
    graph
}

fn feed(images: Vec<f32>, ([.., inputs, size], outputs, _): ([usize; 4], usize, [usize; 2])) -> Feed {
    let weights = numbers(size * size * inputs * outputs, -1.0, 1.0, 7);
    Feed::new().input("x", images).state("kernel", weights)
}

fn pictures(count: u32, ([height, width, inputs, _], ..): ([usize; 4], usize, [usize; 2])) -> Vec<Vec<f32>> {
    (0..count).map(|number| picture([height, width, inputs], number)).collect()
}

#[test]
fn pictures_on_paper_are_right() {
    for case in FORMS {
        let images = pictures(3, case).concat();
        let size = case.0[3] * case.0[3] * case.0[2];
        check(&format!("{case:?}"), &graph(3, case), &feed(images, case), roundings_of(4.0, size as f64));
    }
}

/// Alone, behind others whose paper is another, and with another number of threads.
#[test]
fn pictures_on_paper_do_not_depend_on_their_company() {
    for level in Level::all_available() {
        for case in FORMS {
            let all = pictures(4, case);
            let together = run(&graph(4, case), &feed(all.concat(), case), &pool(2), level, 1).unwrap();
            for (number, own) in all.into_iter().enumerate() {
                let alone = run(&graph(1, case), &feed(own, case), &pool(1), level, 1).unwrap();
                for ((name, of_all), (_, of_one)) in together.outputs.iter().zip(&alone.outputs) {
                    let bits =
                        |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<u32>>();
                    let expected = bits(&of_all[number * of_one.len()..][..of_one.len()]);
                    assert!(expected == bits(of_one), "{name} of {case:?} at {}", level.name());
                }
            }
        }
    }
}
