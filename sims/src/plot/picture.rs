//! Where everything of a plot stands: [`Picture`], a list of shapes and labels in pixels.

use super::axis::{Axis, Tick};
use super::error::Error;
use super::lines::{Line, Lines, Point};
use super::{Options, TEXT_MAX};

/// A place in pixels from the left and from the top.
pub(super) type Place = (f64, f64);

/// Red, green, blue.
pub(super) type Colour = (u8, u8, u8);

/// What is drawn, in this order.
#[derive(Debug)]
pub(super) struct Picture {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) shapes: Vec<Shape>,
    pub(super) labels: Vec<Label>,
}

#[derive(Debug)]
pub(super) enum Shape {
    /// A full rectangle between two corners.
    Box(Place, Place, Colour),
    /// A surface, of which what is below shines through.
    Band(Vec<Place>, Colour),
    /// A line of [`LINE_WIDTH`].
    Path(Vec<Place>, Colour),
}

/// Which part of a label stands at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    Left,
    Middle,
    Right,
}

/// A text; its place is half way between its top and its bottom.
#[derive(Debug)]
pub(super) struct Label {
    pub(super) place: Place,
    pub(super) text: String,
    pub(super) size: Size,
    pub(super) anchor: Anchor,
    pub(super) colour: Colour,
}

/// How large a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    Text,
    Title,
}

impl Size {
    /// The height of its lines, in pixels.
    pub(super) const fn height(self) -> f64 {
        match self {
            Self::Text => 13.0,
            Self::Title => 18.0,
        }
    }

    /// The width of a character, in pixels: that of a bitmap's letters; an image whose letters are chosen
    /// where it is shown has narrower ones.
    pub(super) const fn advance(self) -> f64 {
        match self {
            Self::Text => 8.0,
            Self::Title => 32.0 / 3.0,
        }
    }
}

pub(super) const LINE_WIDTH: f64 = 1.8;
/// How much of a band hides what is below it.
pub(super) const BAND_OPACITY: f64 = 0.18;

const INK: Colour = (0x22, 0x22, 0x22);
const GREY: Colour = (0x5a, 0x5a, 0x5a);
const GRID: Colour = (0xe4, 0xe4, 0xe4);
/// Told apart by colour-blind people. Source: Okabe and Ito, "Color Universal Design" (2008), without
/// yellow, which is too light for a line on white.
const PALETTE: [Colour; 7] = [
    (0x00, 0x72, 0xb2),
    (0xd5, 0x5e, 0x00),
    (0x00, 0x9e, 0x73),
    (0xcc, 0x79, 0xa7),
    (0xe6, 0x9f, 0x00),
    (0x56, 0xb4, 0xe9),
    (0x00, 0x00, 0x00),
];
/// Lengths, in pixels, of what is drawn and what is left out, for each round of the palette.
const DASHES: [Option<(f64, f64)>; 3] = [None, Some((9.0, 5.0)), Some((2.5, 3.5))];
/// From how many dashes of one line on they become longer, so that a picture stays small.
const DASHES_MAX: f64 = 2000.0;

const MARGIN: f64 = 16.0;
const LEGEND_ROW: f64 = 20.0;
const LEGEND_SAMPLE: f64 = 24.0;
/// How much of the width the legend takes at most.
const LEGEND_PART_MAX: f64 = 0.4;

/// The rectangle between the axes.
struct Frame {
    left: f64,
    top: f64,
    right: f64,
    bottom: f64,
    x: Axis,
    y: Axis,
}

impl Frame {
    fn across(&self, part: f64) -> f64 {
        self.left + part.clamp(0.0, 1.0) * (self.right - self.left)
    }

    fn down(&self, part: f64) -> f64 {
        self.bottom - part.clamp(0.0, 1.0) * (self.bottom - self.top)
    }
}

pub(super) fn of(lines: &Lines, options: &Options) -> Result<Picture, Error> {
    let (width, height) = (f64::from(options.width), f64::from(options.height));
    let mut picture = Picture {
        width: options.width,
        height: options.height,
        shapes: vec![Shape::Box((0.0, 0.0), (width, height), (0xff, 0xff, 0xff))],
        labels: Vec::new(),
    };

    let mut top = MARGIN;
    if let Some(title) = &options.title {
        picture.label(
            (MARGIN, top + 9.0),
            fit(title, width - 2.0 * MARGIN, Size::Title),
            Size::Title,
            INK,
        );
        top += 32.0;
    }
    let y_label = options.y_label.as_ref().or(lines.only.as_ref());
    if let Some(label) = y_label {
        picture.label(
            (MARGIN, top + 7.0),
            fit(label, width - 2.0 * MARGIN, Size::Text),
            Size::Text,
            GREY,
        );
        top += 24.0;
    }
    let legend = Legend::of(&lines.all, width);
    let bottom = height - MARGIN - 44.0;
    let y_ticks = lines.y.ticks(ticks_in(bottom - top, 56.0));
    let widest = y_ticks.iter().map(|tick| tick.label.chars().count()).max();
    let frame = Frame {
        left: MARGIN + widest.unwrap_or(0) as f64 * Size::Text.advance() + 8.0,
        top: top + 4.0,
        right: width - MARGIN - legend.width,
        bottom,
        x: lines.x,
        y: lines.y,
    };
    if frame.right - frame.left < 40.0 || frame.bottom - frame.top < 40.0 {
        return Err(Error::Size {
            width: options.width,
            height: options.height,
        });
    }
    picture.axes(
        &frame,
        &y_ticks,
        fit(
            options.x_label.as_ref().unwrap_or(&options.x),
            width,
            Size::Text,
        ),
    );
    for (index, line) in lines.all.iter().enumerate() {
        if line.has_band {
            picture.band(&frame, line, colour(index));
        }
    }
    for (index, line) in lines.all.iter().enumerate() {
        picture.line(&frame, line, index);
    }
    picture.legend(&legend, &frame);
    Ok(picture)
}

const fn colour(index: usize) -> Colour {
    PALETTE[index % PALETTE.len()]
}

/// How many ticks fit, with so many pixels for each.
fn ticks_in(pixels: f64, each: f64) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "1 to 100"
    )]
    let count = (pixels / each).clamp(1.0, 100.0) as u32;
    count
}

/// A text that takes no more than some pixels; control characters become spaces.
fn fit(text: &str, pixels: f64, size: Size) -> String {
    let room = (1..TEXT_MAX).take_while(|count| *count as f64 * size.advance() <= pixels);
    let room = room.last().unwrap_or(1);
    let shown = |c: char| if c.is_control() { ' ' } else { c };
    let text: Vec<char> = text.chars().take(TEXT_MAX + 1).map(shown).collect();
    if text.len() <= room {
        return text.into_iter().collect();
    }
    let kept = text.into_iter().take(room.saturating_sub(2));
    kept.chain("..".chars()).collect()
}

impl Picture {
    fn label(&mut self, place: Place, text: String, size: Size, colour: Colour) {
        self.labels.push(Label {
            place,
            text,
            size,
            anchor: Anchor::Left,
            colour,
        });
    }

    fn axes(&mut self, frame: &Frame, y_ticks: &[Tick], x_label: String) {
        let mut label = |place, text, anchor, colour| {
            self.labels.push(Label {
                place,
                text,
                size: Size::Text,
                anchor,
                colour,
            });
        };
        for tick in y_ticks {
            // Whole pixels, so that thin lines are sharp.
            let y = libm::round(frame.down(tick.at));
            self.shapes
                .push(Shape::Box((frame.left, y), (frame.right, y + 1.0), GRID));
            label(
                (frame.left - 8.0, y + 0.5),
                tick.label.clone(),
                Anchor::Right,
                GREY,
            );
        }
        let mut free_from = 0.0;
        let x_ticks = frame.x.ticks(ticks_in(frame.right - frame.left, 72.0));
        for tick in x_ticks {
            let x = libm::round(frame.across(tick.at));
            self.shapes.push(Shape::Box(
                (x, frame.bottom),
                (x + 1.0, frame.bottom + 5.0),
                GREY,
            ));
            let half = tick.label.chars().count() as f64 * Size::Text.advance() / 2.0;
            if x - half >= free_from {
                free_from = x + half + Size::Text.advance();
                label(
                    (x + 0.5, frame.bottom + 16.0),
                    tick.label,
                    Anchor::Middle,
                    GREY,
                );
            }
        }
        let bottom = libm::round(frame.bottom);
        self.shapes.push(Shape::Box(
            (frame.left, bottom),
            (frame.right, bottom + 1.0),
            GREY,
        ));
        let middle = f64::midpoint(frame.left, frame.right);
        label((middle, frame.bottom + 38.0), x_label, Anchor::Middle, GREY);
    }

    fn band(&mut self, frame: &Frame, line: &Line, colour: Colour) {
        for piece in band(frame, &line.points) {
            let above = piece.iter().map(|(x, low, _)| (*x, *low));
            let below = piece.iter().rev().map(|(x, _, high)| (*x, *high));
            self.shapes
                .push(Shape::Band(above.chain(below).collect(), colour));
        }
    }

    fn line(&mut self, frame: &Frame, line: &Line, index: usize) {
        let dashes = DASHES[index / PALETTE.len() % DASHES.len()];
        for piece in thin(frame, &line.points) {
            if let [(x, y)] = piece[..] {
                let half = LINE_WIDTH;
                self.shapes.push(Shape::Box(
                    (x - half, y - half),
                    (x + half, y + half),
                    colour(index),
                ));
                continue;
            }
            for part in dashed(piece, dashes) {
                self.shapes.push(Shape::Path(part, colour(index)));
            }
        }
    }

    fn legend(&mut self, legend: &Legend, frame: &Frame) {
        let left = frame.right + MARGIN;
        let room = (frame.bottom - frame.top + LEGEND_ROW / 2.0) / LEGEND_ROW;
        for (index, text) in legend.texts.iter().enumerate() {
            let y = frame.top + (index as f64 + 0.5) * LEGEND_ROW;
            let left_out = legend.texts.len() - index;
            let place = (left + LEGEND_SAMPLE + 8.0, y);
            if index as f64 + 2.0 > room && left_out > 1 {
                self.label(place, format!("and {left_out} more"), Size::Text, GREY);
                break;
            }
            let sample = vec![(left, y), (left + LEGEND_SAMPLE, y)];
            for part in dashed(sample, DASHES[index / PALETTE.len() % DASHES.len()]) {
                self.shapes.push(Shape::Path(part, colour(index)));
            }
            self.label(place, text.clone(), Size::Text, INK);
        }
    }
}

/// What stands at the right of the axes; nothing for one line.
struct Legend {
    texts: Vec<String>,
    width: f64,
}

impl Legend {
    fn of(lines: &[Line], width: f64) -> Self {
        if lines.len() < 2 {
            return Self {
                texts: Vec::new(),
                width: 0.0,
            };
        }
        let beside = MARGIN + LEGEND_SAMPLE + 8.0;
        let room = width * LEGEND_PART_MAX - beside;
        let texts = lines.iter().map(|line| fit(&line.label, room, Size::Text));
        let texts: Vec<String> = texts.collect();
        let longest = texts
            .iter()
            .map(|text| text.chars().count())
            .max()
            .unwrap_or(0);
        Self {
            texts,
            width: beside + longest as f64 * Size::Text.advance(),
        }
    }
}

/// Points, cut where there is no value, into groups of those in the same column of pixels.
fn columns<'a>(frame: &Frame, points: &'a [Point]) -> Vec<Vec<(f64, &'a [Point])>> {
    let across = |point: &Point| frame.across(frame.x.place(point.x));
    let wide = frame.right - frame.left;
    // Few points are drawn where they are.
    let is_long = points.len() as f64 > 2.0 * wide;
    let together = |a: &Point, b: &Point| {
        if a.mean.is_nan() || b.mean.is_nan() {
            return a.mean.is_nan() && b.mean.is_nan();
        }
        is_long
            && libm::floor(across(a))
                .total_cmp(&libm::floor(across(b)))
                .is_eq()
    };
    let mut pieces = vec![Vec::new()];
    for column in points.chunk_by(together) {
        match column.first() {
            Some(first) if !first.mean.is_nan() => {
                if let Some(piece) = pieces.last_mut() {
                    piece.push((across(first), column));
                }
            }
            Some(_) => pieces.push(Vec::new()),
            None => {}
        }
    }
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

/// The means as places, cut where there is no value. Of a column of pixels with many points the first, the
/// least, the greatest and the last stay.
fn thin(frame: &Frame, points: &[Point]) -> Vec<Vec<Place>> {
    let place = |point: &Point| {
        let x = frame.across(frame.x.place(point.x));
        (x, frame.down(frame.y.place(point.mean)))
    };
    let pieces = columns(frame, points).into_iter().map(|piece| {
        let mut places = Vec::new();
        for (_, column) in piece {
            let by_mean = |a: &usize, b: &usize| column[*a].mean.total_cmp(&column[*b].mean);
            let indices = || 0..column.len();
            let mut kept = vec![0, column.len() - 1];
            kept.extend(indices().min_by(by_mean));
            kept.extend(indices().max_by(by_mean));
            kept.sort_unstable();
            kept.dedup();
            places.extend(kept.into_iter().map(|index| place(&column[index])));
        }
        places
    });
    pieces.collect()
}

/// Least and greatest as (across, down of the least, down of the greatest), cut where there is no value.
fn band(frame: &Frame, points: &[Point]) -> Vec<Vec<(f64, f64, f64)>> {
    let pieces = columns(frame, points).into_iter().map(|piece| {
        let columns = piece.into_iter().map(|(x, column)| {
            let least = column
                .iter()
                .map(|point| point.least)
                .fold(f64::NAN, f64::min);
            let greatest = column
                .iter()
                .map(|point| point.greatest)
                .fold(f64::NAN, f64::max);
            (
                x,
                frame.down(frame.y.place(least)),
                frame.down(frame.y.place(greatest)),
            )
        });
        columns.collect()
    });
    pieces.collect()
}

/// Cuts a path into dashes.
fn dashed(path: Vec<Place>, dashes: Option<(f64, f64)>) -> Vec<Vec<Place>> {
    let Some((drawn, left_out)) = dashes else {
        return vec![path];
    };
    let distance =
        |a: Place, b: Place| ((a.0 - b.0) * (a.0 - b.0) + (a.1 - b.1) * (a.1 - b.1)).sqrt();
    let whole: f64 = path.windows(2).map(|ends| distance(ends[0], ends[1])).sum();
    let longer = (whole / (drawn + left_out) / DASHES_MAX).max(1.0);
    let lengths = [drawn * longer, left_out * longer];
    let mut parts = Vec::new();
    let mut part: Vec<Place> = path.first().copied().into_iter().collect();
    let mut gap = 0; // 1 inside of a gap
    let mut left = lengths[gap];
    for ends in path.windows(2) {
        let (mut from, to) = (ends[0], ends[1]);
        loop {
            let far = distance(from, to);
            if far < left || far == 0.0 {
                left -= far;
                part.push(to);
                break;
            }
            let share = left / far;
            from = (
                from.0 + (to.0 - from.0) * share,
                from.1 + (to.1 - from.1) * share,
            );
            part.push(from);
            if gap == 0 {
                parts.push(std::mem::take(&mut part));
            }
            part = vec![from];
            gap = 1 - gap;
            left = lengths[gap];
        }
    }
    if gap == 0 && part.len() > 1 {
        parts.push(part);
    }
    parts
}
