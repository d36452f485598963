//! What the layers do: how much of the gradient reaches each of them over the epochs, and which values the code units take.

use super::axis::Axis;
use super::curves::{BOTTOM, EPOCH, HEIGHT, LEFT, RIGHT, TOP, WIDTH, grid, line};
use super::html::{coordinate, escape, number, whole};
use super::page::Section;
use super::{Histogram, ReportInput, palette};

/// More curves than this are told apart by nobody: of deeper networks the outermost and innermost layers are shown.
const MOST_LAYERS: usize = 10;

/// The section, when there is anything to show.
pub(super) fn section(input: &ReportInput) -> Option<Section> {
    let parts = [gradients(input), input.activations.as_ref().map(activations)];
    let html: String = parts.into_iter().flatten().collect();
    (!html.is_empty()).then_some(Section { id: "layers", title: "What its layers do", html })
}

/// A curve a layer, over at least two epochs.
fn gradients(input: &ReportInput) -> Option<String> {
    let all = &input.gradients;
    if all.len() < 2 || all.iter().any(|(_, points)| points.len() < 2) {
        return None;
    }
    let every = all.len().div_ceil(MOST_LAYERS);
    let layers: Vec<&(String, Vec<(usize, f64)>)> = all.iter().step_by(every).collect();
    let points = || layers.iter().flat_map(|(_, points)| points);
    let x = Axis::fit(points().map(|(epoch, _)| *epoch as f64), LEFT, RIGHT, false);
    let y = Axis::fit(points().map(|(_, norm)| *norm).filter(|norm| *norm > 0.0), BOTTOM, TOP, true)
        .reaching_zero();
    let mut legend = String::new();
    let mut curves = String::new();
    for (index, (name, points)) in layers.iter().enumerate() {
        let colour = palette::label(index);
        legend.push_str(&format!("<span class=\"key\" style=\"--c:{colour}\">{}</span>", escape(name)));
        // A logarithm of nothing is no number: the curve is broken there.
        let drawn: Vec<(usize, f64)> =
            points.iter().map(|(epoch, norm)| (*epoch, if *norm > 0.0 { *norm } else { f64::NAN })).collect();
        curves.push_str(&line(&drawn, &format!("class=\"curve\" style=\"--c:{colour}\""), &x, &y));
    }
    let scale = if y.is_logarithmic() { ", logarithmic scale" } else { "" };
    let words = "The norm of the gradient by each layer's weight, over the epochs";
    Some(format!(
        "<p>How much of the gradient reaches each layer: where curves lie far below the others, the layers hardly learn.</p>\n\
         <p class=\"legend\">{legend}<span class=\"unit\">norm of the gradient{scale}</span></p>\n\
         <svg class=\"chart\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{words}\"><title>{words}</title>\n\
         {}{curves}</svg>\n",
        grid(&x, &y, EPOCH),
    ))
}

/// A bar a stretch of values.
fn activations(histogram: &Histogram) -> String {
    let Histogram { from, to, counts, about } = histogram;
    let bins = counts.len();
    let (low, high) = (f64::from(*from), f64::from(*to));
    let x = Axis::fit([low, high].into_iter(), LEFT, RIGHT, false);
    let there = counts.iter().filter(|count| **count > 0).map(|count| *count as f64);
    let y = Axis::fit(there.chain([1.0]), BOTTOM, TOP, true).reaching_zero();
    let mut bars = String::new();
    for (bin, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let at = |edge: usize| low + (high - low) * edge as f64 / bins as f64;
        let (left, right) = (x.place(at(bin)), x.place(at(bin + 1)));
        // A single value stands on the bottom line of a logarithmic scale and would not be seen.
        let top = y.place(*count as f64).min(BOTTOM - 1.5);
        bars.push_str(&format!(
            "<rect class=\"bar\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"><title>{} to {}: {}</title></rect>\n",
            coordinate(left + 0.5),
            coordinate(top),
            coordinate((right - left - 1.0).max(0.5)),
            coordinate(BOTTOM - top),
            number(at(bin)),
            number(at(bin + 1)),
            whole(*count as f64)
        ));
    }
    let scale = if y.is_logarithmic() { ", logarithmic scale" } else { "" };
    let about = escape(about);
    format!(
        "<p>{about}</p>\n<p class=\"legend\"><span class=\"unit\">how often{scale}</span></p>\n\
         <svg class=\"chart\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{about}\"><title>{about}</title>\n\
         {}{bars}</svg>\n",
        grid(&x, &y, "value of a code unit"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_layer_has_a_curve_and_every_filled_stretch_a_bar() {
        let curve = |name: &str, norms: [f64; 3]| (name.to_owned(), (1..).zip(norms).collect());
        let input = ReportInput {
            gradients: vec![curve("encoder.0", [1e-5, 2e-5, 0.0]), curve("<output>", [1.0, 0.5, 0.1])],
            activations: Some(Histogram {
                from: 0.0,
                to: 1.0,
                counts: vec![900, 0, 1, 40],
                about: "a & b".into(),
            }),
            ..ReportInput::default()
        };
        let html = section(&input).unwrap().html;
        assert_eq!((html.matches("<path").count(), html.matches("<rect").count()), (2, 3));
        assert!(
            html.contains("&lt;output&gt;") && html.contains("a &amp; b") && html.contains("logarithmic")
        );
        assert!(html.contains("0.75 to 1: 40") && !html.contains("NaN") && !html.contains("inf"));
        assert!(section(&ReportInput::default()).is_none());
    }
}
