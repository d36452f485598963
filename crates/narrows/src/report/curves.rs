//! The training and held-out loss over the epochs.

use super::axis::Axis;
use super::html::{coordinate, escape, number};
use super::{ReportInput, page::Section};

pub(super) const WIDTH: f64 = 640.0;
pub(super) const HEIGHT: f64 = 328.0;
pub(super) const LEFT: f64 = 70.0;
pub(super) const RIGHT: f64 = 626.0;
pub(super) const TOP: f64 = 14.0;
pub(super) const BOTTOM: f64 = 272.0;

/// The section with the curves, when there is a history.
pub(super) fn section(input: &ReportInput) -> Option<Section> {
    let history = &input.history;
    let (first, last) = (history.first()?, history.last()?);
    let x = Axis::fit(history.iter().map(|point| point.epoch as f64), LEFT, RIGHT, false);
    let losses = history.iter().flat_map(|point| [Some(point.train_loss), point.held_out_loss]).flatten();
    let y = Axis::fit(losses, BOTTOM, TOP, true).reaching_zero();

    let train: Vec<_> = history.iter().map(|point| (point.epoch, point.train_loss)).collect();
    let held_out: Vec<_> =
        history.iter().filter_map(|point| point.held_out_loss.map(|loss| (point.epoch, loss))).collect();
    let best = input.best_epoch.and_then(|best| held_out.iter().find(|(epoch, _)| *epoch == best));
    let marker = best.map(|(epoch, loss)| best_marker(*epoch, *loss, &x, &y)).unwrap_or_default();

    let words = format!(
        "{} over {} epochs: training from {} to {}{}",
        input.loss_name,
        history.len(),
        number(first.train_loss),
        number(last.train_loss),
        last.held_out_loss.map(|loss| format!(", held-out at the end {}", number(loss))).unwrap_or_default()
    );
    let scale = if y.is_logarithmic() { ", logarithmic scale" } else { "" };
    let html = format!(
        "<p class=\"legend\"><span class=\"key train\">training</span>{}<span class=\"unit\">{}{scale}</span></p>\n\
         <svg class=\"chart\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\"><title>{}</title>\n\
         {}{}{}{marker}</svg>\n",
        if held_out.is_empty() { "" } else { "<span class=\"key held-out\">held out</span>" },
        escape(&input.loss_name),
        escape(&words),
        escape(&words),
        grid(&x, &y, EPOCH),
        line(&train, "class=\"curve train\"", &x, &y),
        line(&held_out, "class=\"curve held-out\"", &x, &y),
    );
    Some(Section { id: "curves", title: "How it learned", html })
}

/// The name of an axis of epochs, which are whole numbers.
pub(super) const EPOCH: &str = "epoch";

/// Grid lines, tick labels and the name of the lower axis.
pub(super) fn grid(x: &Axis, y: &Axis, across: &str) -> String {
    let mut svg = String::new();
    for (place, label) in y.ticks() {
        let place = coordinate(place);
        svg.push_str(&format!(
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{place}\" y2=\"{place}\"/>\
             <text class=\"end\" x=\"{}\" y=\"{place}\" dy=\"0.35em\">{label}</text>\n",
            LEFT - 10.0
        ));
    }
    let ticks = if across == EPOCH { x.whole_ticks() } else { x.ticks() };
    for (place, label) in ticks {
        let place = coordinate(place);
        svg.push_str(&format!(
            "<text class=\"middle\" x=\"{place}\" y=\"{}\">{label}</text>\n",
            BOTTOM + 22.0
        ));
    }
    let middle = (LEFT + RIGHT) / 2.0;
    svg + &format!("<text class=\"middle quiet\" x=\"{middle}\" y=\"{}\">{across}</text>\n", HEIGHT - 6.0)
}

/// One curve, broken where a value is not a number; a single point is drawn as a dot.
pub(super) fn line(points: &[(usize, f64)], attributes: &str, x: &Axis, y: &Axis) -> String {
    let mut path = String::new();
    for stretch in points.split(|(_, loss)| !loss.is_finite()) {
        for (index, (epoch, loss)) in stretch.iter().enumerate() {
            let command = if index == 0 { 'M' } else { 'L' };
            let (x, y) = (coordinate(x.place(*epoch as f64)), coordinate(y.place(*loss)));
            path.push_str(&format!("{command}{x} {y}"));
        }
        if stretch.len() == 1 {
            path.push_str("h0");
        }
    }
    if path.is_empty() { path } else { format!("<path {attributes} d=\"{path}\"/>\n") }
}

/// A dot at the epoch whose weights were kept.
fn best_marker(epoch: usize, loss: f64, x: &Axis, y: &Axis) -> String {
    let (x, y) = (coordinate(x.place(epoch as f64)), coordinate(y.place(loss)));
    let words = format!("weights kept from epoch {epoch}, held-out {}", number(loss));
    format!("<circle class=\"best\" cx=\"{x}\" cy=\"{y}\" r=\"5\"><title>{words}</title></circle>\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::EpochPoint;

    fn history(losses: &[f64]) -> ReportInput {
        let point = |(index, loss): (usize, &f64)| EpochPoint {
            epoch: index + 1,
            train_loss: *loss,
            held_out_loss: Some(loss * 1.1),
        };
        let history = losses.iter().enumerate().map(point).collect();
        ReportInput { history, loss_name: "loss".into(), best_epoch: Some(2), ..ReportInput::default() }
    }

    #[test]
    fn both_curves_are_drawn_and_the_best_epoch_marked() {
        let html = section(&history(&[10.0, 8.0, 9.0])).unwrap().html;
        assert_eq!(html.matches("<path class=\"curve").count(), 2);
        assert!(html.contains("weights kept from epoch 2, held-out 8.8"));
        assert!(html.contains("loss over 3 epochs: training from 10 to 9, held-out at the end 9.9"));
        assert!(!html.contains("logarithmic"));
    }

    #[test]
    fn lower_losses_are_drawn_lower() {
        let input = history(&[10.0, 5.0]);
        let html = section(&input).unwrap().html;
        let path = html.split("curve train\" d=\"M").nth(1).unwrap().split('"').next().unwrap();
        let heights: Vec<f64> =
            path.split('L').map(|point| point.split(' ').nth(1).unwrap().parse().unwrap()).collect();
        assert!(heights[0] < heights[1], "{path}: an SVG's y grows downwards");
    }

    #[test]
    fn a_broken_run_is_drawn_as_far_as_it_has_numbers() {
        let html = section(&history(&[10.0, f64::NAN, 9.0, 500.0])).unwrap().html;
        assert!(html.contains("logarithmic scale"));
        assert!(!html.contains("NaN") && !html.contains("inf"));
        assert!(html.contains("h0"));
        assert!(section(&history(&[])).is_none());
    }
}
