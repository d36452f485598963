//! The codes as points of a plane, coloured by label; a row's picture appears under the pointer.

use serde_json::json;

use super::axis::Axis;
use super::html::{coordinate, escape, whole};
use super::page::Section;
use super::sheet::{Ink, Sheet};
use super::{CodeMap, PictureShape, ReportError, ReportInput, palette};

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 526.0;
const LEFT: f64 = 74.0;
const RIGHT: f64 = 630.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 470.0;
/// The most points, so that the page stays light with a picture for each; colour pictures weigh three times as much.
const MOST_POINTS: usize = 2000;
const MOST_COLOUR_PICTURES: usize = 600;
/// The most labels that get a legend and a name on the map.
const MOST_NAMES: usize = 20;
/// Longest side of a picture on the sheet.
const LONGEST: usize = 28;

/// The most points that are drawn, with their rows as pictures of that shape.
pub(super) fn most_points(picture: Option<PictureShape>) -> usize {
    match picture {
        Some(shape) if shape.channels > 1 => MOST_COLOUR_PICTURES,
        _ => MOST_POINTS,
    }
}

/// The section with the map, when there are codes.
pub(super) fn section(input: &ReportInput, sheets: &mut Vec<Sheet>) -> Result<Option<Section>, ReportError> {
    let Some(codes) = input.codes.as_ref().filter(|codes| !codes.points.is_empty()) else { return Ok(None) };
    let sheet_shape = input.picture.filter(|_| codes.thumbnails.len() == codes.points.len());
    let every = codes.points.len().div_ceil(most_points(sheet_shape)).max(1);
    let rows: Vec<usize> = (0..codes.points.len())
        .step_by(every)
        .filter(|row| codes.points[*row].0.is_finite() && codes.points[*row].1.is_finite())
        .collect();
    let sheet = match sheet_shape {
        Some(shape) => {
            let pictures: Vec<&[f32]> = rows.iter().map(|row| codes.thumbnails[*row].as_slice()).collect();
            Some(Sheet::draw("rows", &pictures, shape, Ink::Levels, 50, LONGEST)?)
        }
        None => None,
    };
    let places = places(codes, &rows);
    let html = format!(
        "{}{}",
        about(codes, rows.len(), input.classes.is_some()),
        map(codes, &places, sheet.as_ref())
    );
    sheets.extend(sheet);
    Ok(Some(Section { id: "codes", title: "The codes", html }))
}

/// A point on the map: where, and its label.
struct Place {
    x: f64,
    y: f64,
    label: usize,
}

fn axes(codes: &CodeMap, rows: &[usize]) -> (Axis, Axis) {
    let across = rows.iter().map(|row| f64::from(codes.points[*row].0));
    let up = rows.iter().map(|row| f64::from(codes.points[*row].1));
    (Axis::fit(across, LEFT, RIGHT, false).widened(0.03), Axis::fit(up, BOTTOM, TOP, false).widened(0.03))
}

fn places(codes: &CodeMap, rows: &[usize]) -> (Axis, Axis, Vec<Place>) {
    let (x, y) = axes(codes, rows);
    let place = |row: &usize| {
        let (across, up) = codes.points[*row];
        let label =
            codes.labels.as_ref().and_then(|labels| labels.get(*row)).map_or(0, |label| *label as usize);
        Place { x: x.place(f64::from(across)), y: y.place(f64::from(up)), label }
    };
    let places = rows.iter().map(place).collect();
    (x, y, places)
}

/// The sentence above the map, and the legend.
fn about(codes: &CodeMap, shown: usize, classifier: bool) -> String {
    let mut text = escape(&codes.about);
    if shown < codes.points.len() {
        text.push_str(&format!(
            " {} of {} rows are shown.",
            whole(shown as f64),
            whole(codes.points.len() as f64)
        ));
    }
    match (codes.labels.is_some(), classifier) {
        (true, true) => text.push_str(" Colours are the true classes."),
        (true, false) => text.push_str(" Colours are labels; the autoencoder has not seen them."),
        (false, _) => {}
    }
    let mut html = if text.trim().is_empty() { String::new() } else { format!("<p>{}</p>\n", text.trim()) };
    if codes.labels.is_some() && codes.label_names.len() <= MOST_NAMES {
        html.push_str("<p class=\"legend\">");
        for (index, name) in codes.label_names.iter().enumerate() {
            let colour = palette::label(index);
            html.push_str(&format!("<span class=\"key dot\" style=\"--c:{colour}\">{}</span>", escape(name)));
        }
        html.push_str("</p>\n");
    }
    html
}

/// The map itself, with the data that its few lines of script look up.
fn map(codes: &CodeMap, (x, y, places): &(Axis, Axis, Vec<Place>), sheet: Option<&Sheet>) -> String {
    let words = format!(
        "map of {} codes; across: {}; up: {}",
        whole(places.len() as f64),
        codes.axes[0],
        codes.axes[1]
    );
    let points: Vec<_> = places
        .iter()
        .enumerate()
        .map(|(index, Place { x, y, label })| {
            let (left, top) = sheet.map_or((0, 0), |sheet| sheet.place(index));
            json!([x.round() as i64, y.round() as i64, label, left, top])
        })
        .collect();
    let names = if codes.labels.is_some() { codes.label_names.as_slice() } else { &[] };
    let data = json!({ "points": points, "names": names }).to_string().replace('<', "\\u003c");
    let picture = sheet.map_or_else(String::new, |sheet| {
        format!("<span class=\"tile {}\" role=\"img\" aria-label=\"the row\"></span>", sheet.name)
    });
    let hover = if sheet.is_some() || !names.is_empty() {
        format!(
            "<div class=\"tip\" hidden>{picture}<span class=\"tip-name\"></span></div>\n\
             <script type=\"application/json\">{data}</script>\n"
        )
    } else {
        String::new()
    };
    format!(
        "<div class=\"map\">\n<svg class=\"chart\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
         aria-label=\"{words}\"><title>{words}</title>\n{}{}{}<circle class=\"ring\" r=\"6\" cx=\"-9\" cy=\"-9\"/>\
         </svg>\n{hover}</div>\n",
        grid(codes, x, y),
        dots(places),
        names_on_map(codes, places),
        words = escape(&words),
    )
}

/// Grid lines, ticks and the axes' names.
fn grid(codes: &CodeMap, x: &Axis, y: &Axis) -> String {
    let mut svg = String::new();
    for (place, label) in x.ticks() {
        let place = coordinate(place);
        svg.push_str(&format!(
            "<line class=\"grid\" x1=\"{place}\" x2=\"{place}\" y1=\"{TOP}\" y2=\"{BOTTOM}\"/>\
             <text class=\"middle\" x=\"{place}\" y=\"{}\">{label}</text>\n",
            BOTTOM + 20.0
        ));
    }
    for (place, label) in y.ticks() {
        let place = coordinate(place);
        svg.push_str(&format!(
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{place}\" y2=\"{place}\"/>\
             <text class=\"end\" x=\"{}\" y=\"{place}\" dy=\"0.35em\">{label}</text>\n",
            LEFT - 8.0
        ));
    }
    let (across, up) = ((LEFT + RIGHT) / 2.0, (TOP + BOTTOM) / 2.0);
    svg + &format!(
        "<text class=\"middle quiet\" x=\"{across}\" y=\"{}\">{}</text>\
         <text class=\"middle quiet\" transform=\"translate(16 {up}) rotate(-90)\">{}</text>\n",
        HEIGHT - 6.0,
        escape(&codes.axes[0]),
        escape(&codes.axes[1])
    )
}

/// The points: one path a label, each point a line of no length with round ends, which is the shortest to write.
fn dots(places: &[Place]) -> String {
    let labels = places.iter().map(|place| place.label).max().map_or(0, |most| most + 1);
    let mut paths = vec![String::new(); palette::LABELS.len().min(labels)];
    for Place { x, y, label } in places {
        let colours = paths.len();
        paths[label % colours].push_str(&format!("M{} {}h0", coordinate(*x), coordinate(*y)));
    }
    let drawn = paths.iter().enumerate().filter(|(_, path)| !path.is_empty());
    drawn
        .map(|(index, path)| {
            format!("<path class=\"dots\" stroke=\"{}\" d=\"{path}\"/>\n", palette::label(index))
        })
        .collect()
}

/// Each label's name in the middle of its points, so that nobody has to tell ten colours apart.
fn names_on_map(codes: &CodeMap, places: &[Place]) -> String {
    if codes.labels.is_none() || codes.label_names.len() > MOST_NAMES {
        return String::new();
    }
    let mut svg = String::new();
    for (label, name) in codes.label_names.iter().enumerate() {
        let own: Vec<&Place> = places.iter().filter(|place| place.label == label).collect();
        if own.is_empty() {
            continue;
        }
        let middle = |mut values: Vec<f64>| {
            values.sort_by(f64::total_cmp);
            coordinate(values[values.len() / 2])
        };
        let across = middle(own.iter().map(|place| place.x).collect());
        let up = middle(own.iter().map(|place| place.y).collect());
        let name = escape(name);
        svg.push_str(&format!(
            "<text class=\"middle halo\" x=\"{across}\" y=\"{up}\" dy=\"0.35em\">{name}</text>\n"
        ));
    }
    svg
}
