//! How each digit is written: its strokes in a unit square, in the variety that people write them in.
//!
//! x goes to the right, y goes down, both from 0 to 1; a digit is about 0.6 wide and 1 high. A stroke is a smooth curve
//! through its points; where the pen turns sharply, one stroke ends and the next begins at the same point.

use std::f64::consts::TAU;

use narrows_engine::random::Stream;

/// A place in the unit square.
pub(super) type Point = [f64; 2];

/// A smooth curve through these points.
pub(super) type Stroke = Vec<Point>;

/// A hand: random, but the same for the same seed, part and row.
pub(super) struct Pen {
    numbers: Stream,
}

impl Pen {
    /// The hand that draws from these numbers.
    pub fn new(numbers: Stream) -> Pen {
        Pen { numbers }
    }

    /// Uniform in [low, high).
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * f64::from(self.numbers.uniform())
    }

    /// Around 0 with standard deviation `deviation`, never beyond 2.5 times that.
    pub fn around_zero(&mut self, deviation: f64) -> f64 {
        f64::from(self.numbers.normal()).clamp(-2.5, 2.5) * deviation
    }

    /// True with probability `p`.
    fn chance(&mut self, p: f64) -> bool {
        self.between(0.0, 1.0) < p
    }

    /// About there: no hand meets the same place twice.
    fn at(&mut self, x: f64, y: f64) -> Point {
        [x + self.around_zero(0.024), y + self.around_zero(0.02)]
    }

    /// A stroke through about these places.
    fn through<const N: usize>(&mut self, places: [(f64, f64); N]) -> Stroke {
        places.iter().map(|&(x, y)| self.at(x, y)).collect()
    }

    /// A stroke from exactly `start` on.
    fn from<const N: usize>(&mut self, start: Point, places: [(f64, f64); N]) -> Stroke {
        let mut stroke = vec![start];
        stroke.extend(self.through(places));
        stroke
    }

    /// An ellipse from `turn` (0 at the right, 0.25 at the bottom) through `length` turns.
    fn ellipse(&mut self, centre: Point, radii: Point, turn: f64, length: f64) -> Stroke {
        const POINTS: usize = 12;
        let place = |i: usize| {
            let angle = TAU * (turn + length * i as f64 / POINTS as f64);
            [centre[0] + radii[0] * angle.cos(), centre[1] + radii[1] * angle.sin()]
        };
        (0..=POINTS).map(place).collect()
    }
}

/// The strokes of one digit, 0 to 9, in one of its forms.
pub(super) fn strokes(digit: u8, pen: &mut Pen) -> Vec<Stroke> {
    match digit {
        0 => zero(pen),
        1 => one(pen),
        2 => two(pen),
        3 => three(pen),
        4 => four(pen),
        5 => five(pen),
        6 => six(pen),
        7 => seven(pen),
        8 => eight(pen),
        _ => nine(pen),
    }
}

/// Round or narrow, closed, overlapping or not quite closed.
fn zero(pen: &mut Pen) -> Vec<Stroke> {
    let radii = [pen.between(0.21, 0.37), pen.between(0.44, 0.5)];
    let (turn, length) = (pen.between(0.66, 0.9), pen.between(0.95, 1.12));
    let mut ring = pen.ellipse([0.5, 0.5], radii, turn, -length);
    // Many end inside the place where they began.
    let inward = pen.between(0.0, 0.18);
    for point in ring.iter_mut().rev().take(2) {
        point[0] += (0.5 - point[0]) * inward;
        point[1] += (0.5 - point[1]) * inward;
    }
    vec![ring]
}

/// A plain line, one with an upstroke, or one with upstroke and foot.
fn one(pen: &mut Pen) -> Vec<Stroke> {
    let top = pen.at(0.52, 0.02);
    let bend = pen.around_zero(0.02);
    let mut strokes = vec![pen.from(top, [(0.51 + bend, 0.35), (0.5 + bend, 0.68), (0.5, 1.0)])];
    let form = pen.between(0.0, 1.0);
    if form > 0.55 {
        let reach = pen.between(0.1, 0.24);
        strokes.push(
            pen.from(top, [(0.52 - 0.5 * reach, 0.06 + 0.4 * reach), (0.52 - reach, 0.06 + 1.1 * reach)]),
        );
    }
    if form > 0.86 {
        let (left, right) = (pen.between(0.14, 0.24), pen.between(0.14, 0.26));
        strokes.push(pen.through([(0.5 - left, 1.0), (0.5 + right, 0.99)]));
    }
    strokes
}

/// With a corner at the foot, or with a loop.
fn two(pen: &mut Pen) -> Vec<Stroke> {
    let shoulder = pen.between(0.7, 0.8);
    let mut body = pen.through([
        (0.24, 0.24),
        (0.33, 0.06),
        (0.52, 0.0),
        (shoulder, 0.12),
        (shoulder, 0.32),
        (0.62, 0.56),
    ]);
    if pen.chance(0.35) {
        body.extend(pen.through([
            (0.44, 0.78),
            (0.26, 0.97),
            (0.17, 0.88),
            (0.3, 0.8),
            (0.52, 0.92),
            (0.84, 0.98),
        ]));
        return vec![body];
    }
    body.extend(pen.through([(0.42, 0.78)]));
    let corner = pen.at(0.2, 0.99);
    body.push(corner);
    let (lift, rise) = (pen.around_zero(0.035), pen.around_zero(0.03));
    vec![body, pen.from(corner, [(0.5, 0.97 + lift), (0.82, 0.98 + rise)])]
}

/// With a round or a flat top, its bows meeting in a point or in a small loop.
fn three(pen: &mut Pen) -> Vec<Stroke> {
    let waist = pen.at(0.47, 0.46);
    let below = pen.between(0.72, 0.8);
    let lower = pen.from(waist, [(0.68, 0.52), (below, 0.72), (0.68, 0.94), (0.45, 1.0), (0.22, 0.88)]);
    if pen.chance(0.14) {
        let corner = pen.at(0.74, 0.02);
        return vec![pen.from(corner, [(0.5, 0.03), (0.25, 0.02)]), vec![corner, waist], lower];
    }
    let above = pen.between(0.66, 0.74);
    let mut upper = pen.through([(0.25, 0.13), (0.45, 0.0), (above, 0.12), (0.66, 0.33)]);
    upper.push(waist);
    if pen.chance(0.2) {
        // Without lifting the pen: a small loop to the left.
        upper.extend(pen.through([(0.38, 0.47)]));
        upper.extend(lower.into_iter().skip(1));
        return vec![upper];
    }
    vec![upper, lower]
}

/// Open at the top, with two uprights, or closed to a point.
fn four(pen: &mut Pen) -> Vec<Stroke> {
    let bar = pen.between(0.5, 0.66);
    let reach = pen.between(0.74, 0.9);
    if pen.chance(0.6) {
        let corner = pen.at(0.2, bar);
        let start = pen.between(0.24, 0.36);
        let mut left = pen.through([(start, 0.02), (0.25, 0.28)]);
        left.push(corner);
        let crossbar = pen.from(corner, [(0.5, bar - 0.01), (reach, bar - 0.03)]);
        let (x, top) = (pen.between(0.62, 0.72), pen.between(0.0, 0.26));
        let foot = x - pen.between(-0.02, 0.09);
        return vec![left, crossbar, pen.through([(x, top), (0.5 * (x + foot), 0.6), (foot, 1.0)])];
    }
    let top = pen.at(0.62, 0.0);
    let corner = pen.at(0.17, bar + 0.04);
    let lean = pen.between(-0.03, 0.06);
    vec![
        vec![top, corner],
        pen.from(corner, [(0.5, bar + 0.04), (reach, bar + 0.03)]),
        pen.from(top, [(0.62 - 0.5 * lean, 0.5), (0.62 - lean, 1.0)]),
    ]
}

/// With its bar drawn first, last and not quite meeting, or short.
fn five(pen: &mut Pen) -> Vec<Stroke> {
    let top = pen.at(0.32, 0.03);
    let neck = pen.at(0.27, 0.43);
    let belly = pen.between(0.7, 0.8);
    let bowl = pen.from(neck, [(0.5, 0.36), (belly, 0.52), (belly, 0.78), (0.52, 1.0), (0.2, 0.9)]);
    let (reach, rise) = (pen.between(0.64, 0.84), pen.between(-0.05, 0.03));
    let gap = if pen.chance(0.3) { pen.between(0.0, 0.06) } else { 0.0 };
    let bar = pen.from(
        [top[0] + gap, top[1] - gap],
        [(0.5 * (top[0] + reach), 0.02 + 0.5 * rise), (reach, 0.02 + rise)],
    );
    vec![vec![top, neck], bowl, bar]
}

/// From a straight or a bent back into a large or a small bowl.
fn six(pen: &mut Pen) -> Vec<Stroke> {
    let bowl = pen.between(0.42, 0.6);
    let start = pen.between(0.52, 0.74);
    let right = pen.between(0.68, 0.78);
    let middle = 0.5 * (1.0 + bowl);
    let mut stroke =
        pen.through([(start, 0.01), (0.4, 0.2), (0.27, 0.5), (0.25, 0.78), (0.42, 0.99), (0.62, 0.95)]);
    stroke.extend(pen.through([(right, middle), (0.56, bowl), (0.36, bowl + 0.1), (0.26, middle + 0.06)]));
    vec![stroke]
}

/// With or without a bar through the middle, with or without a hook at the left.
fn seven(pen: &mut Pen) -> Vec<Stroke> {
    let corner = pen.at(0.78, 0.04);
    let left = pen.at(0.2, 0.05);
    let sag = pen.around_zero(0.025);
    let foot = pen.between(0.36, 0.56);
    let bend = pen.between(-0.02, 0.07);
    let middle = 0.5 * (0.78 + foot) - bend;
    let mut strokes = vec![
        pen.from(left, [(0.5, 0.04 + sag)]).into_iter().chain([corner]).collect(),
        pen.from(corner, [(middle, 0.48), (foot, 1.0)]),
    ];
    if pen.chance(0.35) {
        let (x, y) = (middle, pen.between(0.44, 0.58));
        strokes.push(pen.through([(x - 0.17, y + 0.01), (x + 0.18, y - 0.02)]));
    }
    if pen.chance(0.22) {
        strokes.push(pen.from(left, [(0.18, 0.18)]));
    }
    strokes
}

/// In one stroke that crosses itself, or as two rings.
fn eight(pen: &mut Pen) -> Vec<Stroke> {
    if pen.chance(0.22) {
        let waist = pen.between(0.42, 0.52);
        let (upper, lower) = (pen.between(0.17, 0.25), pen.between(0.22, 0.31));
        let (turn, close) = (pen.between(0.2, 0.3), pen.between(1.0, 1.06));
        return vec![
            pen.ellipse([0.5, 0.5 * waist], [upper, 0.5 * waist], turn, close),
            pen.ellipse([0.5, 0.5 * (1.0 + waist)], [lower, 0.5 * (1.0 - waist)], turn + 0.5, close),
        ];
    }
    let (upper, lower) = (pen.between(0.15, 0.24), pen.between(0.2, 0.29));
    let waist = pen.between(0.43, 0.52);
    let start = pen.at(0.5 + upper, 0.16);
    let mut stroke = vec![start];
    stroke.extend(pen.through([(0.51, 0.0), (0.5 - upper, 0.13), (0.5 - 0.8 * upper, 0.31), (0.5, waist)]));
    stroke.extend(pen.through([(0.5 + 0.85 * lower, 0.66), (0.5 + lower, 0.85), (0.5, 1.0)]));
    stroke.extend(pen.through([
        (0.5 - lower, 0.86),
        (0.5 - 0.85 * lower, 0.67),
        (0.5, waist),
        (0.5 + 0.8 * upper, 0.33),
    ]));
    // Some do not quite come back to where they began.
    let end = if pen.chance(0.4) { pen.at(0.53 + upper, 0.1) } else { start };
    stroke.push(end);
    vec![stroke]
}

/// With a straight, a bent or a hooked tail.
fn nine(pen: &mut Pen) -> Vec<Stroke> {
    let bowl = pen.between(0.42, 0.56);
    let left = pen.between(0.2, 0.3);
    let joint = pen.at(0.73, 0.16);
    let mut ring = vec![joint];
    ring.extend(pen.through([(0.52, 0.01), (left, 0.5 * bowl), (0.44, bowl), (0.64, 0.75 * bowl)]));
    ring.push(joint);
    let tail = match pen.between(0.0, 1.0) {
        form if form < 0.45 => pen.from(joint, [(0.71, 0.58), (0.66, 1.0)]),
        form if form < 0.7 => pen.from(joint, [(0.7, 0.5), (0.56, 0.82), (0.46, 1.0)]),
        _ => pen.from(joint, [(0.74, 0.5), (0.7, 0.82), (0.5, 1.0), (0.27, 0.92)]),
    };
    vec![ring, tail]
}
