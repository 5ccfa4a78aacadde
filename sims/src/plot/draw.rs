//! A picture as SVG, with the letters of whoever shows it, or as PNG, with letters of its own.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::error::Error;
use super::letters;
use super::picture::{
    Anchor, BAND_OPACITY, Colour, LINE_WIDTH, Label, Picture, Place, Shape, Size,
};

/// An SVG image counts in tenths of a pixel, for its backend knows only whole numbers.
const SVG_UNITS: u32 = 10;
/// A PNG image is drawn with so many dots on each side of a pixel, which are then mixed: smooth edges.
const PNG_UNITS: u32 = 3;

pub(super) fn svg(picture: &Picture) -> Result<String, Error> {
    let size = (picture.width * SVG_UNITS, picture.height * SVG_UNITS);
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, size).into_drawing_area();
        let canvas = Canvas {
            area: &area,
            units: f64::from(SVG_UNITS),
            is_bitmap: false,
        };
        for shape in &picture.shapes {
            canvas.shape(shape).map_err(draw)?;
        }
        for label in &picture.labels {
            canvas.label(label).map_err(draw)?;
        }
        area.present().map_err(draw)?;
    }
    let sides = |width: u32, height: u32| format!(r#"<svg width="{width}" height="{height}""#);
    Ok(text.replacen(
        &sides(size.0, size.1),
        &format!(r#"{} role="img""#, sides(picture.width, picture.height)),
        1,
    ))
}

pub(super) fn png(picture: &Picture) -> Result<Vec<u8>, Error> {
    let (width, height) = (picture.width * PNG_UNITS, picture.height * PNG_UNITS);
    let mut dots = vec![0xff; width as usize * height as usize * 3];
    {
        let backend = BitMapBackend::with_buffer(&mut dots, (width, height));
        let area = backend.into_drawing_area();
        let canvas = Canvas {
            area: &area,
            units: f64::from(PNG_UNITS),
            is_bitmap: true,
        };
        for shape in &picture.shapes {
            canvas.shape(shape).map_err(draw)?;
        }
        area.present().map_err(draw)?;
    }
    for label in &picture.labels {
        write(&mut dots, width as usize, label);
    }
    let mut image = Vec::new();
    let mut encoder = png::Encoder::new(&mut image, picture.width, picture.height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().map_err(draw)?;
    writer
        .write_image_data(&mixed(&dots, width as usize))
        .map_err(draw)?;
    writer.finish().map_err(draw)?;
    Ok(image)
}

fn draw(cause: impl std::fmt::Display) -> Error {
    Error::Draw(cause.to_string())
}

/// What shapes are drawn on.
struct Canvas<'a, B: DrawingBackend> {
    area: &'a DrawingArea<B, Shift>,
    /// Dots for a pixel.
    units: f64,
    is_bitmap: bool,
}

type Drawn<B> = Result<(), DrawingAreaErrorKind<<B as DrawingBackend>::ErrorType>>;

impl<B: DrawingBackend> Canvas<'_, B> {
    fn dots(&self, length: f64) -> i32 {
        let dots = libm::round(length * self.units);
        #[expect(
            clippy::cast_possible_truncation,
            reason = "saturates, and sides are bounded"
        )]
        let dots = dots as i32;
        dots
    }

    fn place(&self, (x, y): Place) -> (i32, i32) {
        (self.dots(x), self.dots(y))
    }

    fn shape(&self, shape: &Shape) -> Drawn<B> {
        match shape {
            Shape::Box(from, to, colour) => {
                let (right, bottom) = self.place(*to);
                // A bitmap's rectangle has its last dot inside.
                let last = i32::from(self.is_bitmap);
                let corners = [self.place(*from), (right - last, bottom - last)];
                self.area
                    .draw(&Rectangle::new(corners, rgb(*colour).filled()))
            }
            Shape::Band(places, colour) => {
                let places: Vec<_> = places.iter().map(|place| self.place(*place)).collect();
                let colour = rgb(*colour).mix(BAND_OPACITY);
                self.area.draw(&Polygon::new(places, colour.filled()))
            }
            Shape::Path(places, colour) if self.is_bitmap => self.brush(places, *colour),
            Shape::Path(places, colour) => {
                let width = self.dots(LINE_WIDTH).unsigned_abs();
                let places: Vec<_> = places.iter().map(|place| self.place(*place)).collect();
                let style = rgb(*colour).stroke_width(width);
                self.area.draw(&PathElement::new(places, style))
            }
        }
    }

    /// A path as a round brush leaves it; the backend's own wide lines have spikes where they turn.
    fn brush(&self, places: &[Place], colour: Colour) -> Drawn<B> {
        let half = LINE_WIDTH / 2.0;
        let radius = self.dots(half).unsigned_abs();
        let style = rgb(colour).filled();
        for place in places {
            self.area
                .draw(&Circle::new(self.place(*place), radius, style))?;
        }
        for ends in places.windows(2) {
            let (from, to) = (ends[0], ends[1]);
            let (x, y) = (to.0 - from.0, to.1 - from.1);
            let far = (x * x + y * y).sqrt();
            if far * self.units < 1.0 {
                continue;
            }
            let (x, y) = (x / far * half, y / far * half);
            let corners = vec![
                self.place((from.0 - y, from.1 + x)),
                self.place((from.0 + y, from.1 - x)),
                self.place((to.0 + y, to.1 - x)),
                self.place((to.0 - y, to.1 + x)),
            ];
            self.area.draw(&Polygon::new(corners, style))?;
        }
        Ok(())
    }

    fn label(&self, label: &Label) -> Drawn<B> {
        let horizontal = match label.anchor {
            Anchor::Left => HPos::Left,
            Anchor::Middle => HPos::Center,
            Anchor::Right => HPos::Right,
        };
        let colour = rgb(label.colour);
        // The backend divides by this, to guess what of a line's height the letters take.
        let size = label.size.height() * self.units * 1.24;
        let style = TextStyle::from(("sans-serif", size).into_font())
            .color(&colour)
            .pos(Pos::new(horizontal, VPos::Center));
        let text = Text::new(label.text.as_str(), self.place(label.place), style);
        self.area.draw(&text)
    }
}

const fn rgb((red, green, blue): Colour) -> RGBColor {
    RGBColor(red, green, blue)
}

/// Dots of the picture for a dot of a letter: letters are higher than they are wide.
const fn letter_dots(size: Size) -> (usize, usize) {
    match size {
        Size::Text => (3, 4),
        Size::Title => (4, 6),
    }
}

/// Writes a label into dots; what is outside is left out.
fn write(dots: &mut [u8], width: usize, label: &Label) {
    let (wide, high) = letter_dots(label.size);
    let units = f64::from(PNG_UNITS);
    let length = (label.text.chars().count() * letters::SIDE * wide) as f64;
    let left = match label.anchor {
        Anchor::Left => 0.0,
        Anchor::Middle => length / 2.0,
        Anchor::Right => length,
    };
    // Whole pixels, so that the same letter looks the same everywhere.
    let begin = |place: f64, before: f64| libm::round((place * units - before) / units) * units;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not negative, and sides are bounded"
    )]
    let (left, top) = (
        begin(label.place.0, left).max(0.0) as usize,
        begin(label.place.1, (letters::SIDE * high) as f64 / 2.0).max(0.0) as usize,
    );
    let (red, green, blue) = label.colour;
    for (index, letter) in label.text.chars().enumerate() {
        let left = left + index * letters::SIDE * wide;
        for (column, row) in letters::dots(letter) {
            let across = left + column * wide..left + (column + 1) * wide;
            for y in top + row * high..top + (row + 1) * high {
                for x in across.clone().filter(|x| *x < width) {
                    let at = (y * width + x) * 3;
                    if let Some(dot) = dots.get_mut(at..at + 3) {
                        dot.copy_from_slice(&[red, green, blue]);
                    }
                }
            }
        }
    }
}

/// Pixels, each the mean of its dots.
fn mixed(dots: &[u8], width: usize) -> Vec<u8> {
    let units = PNG_UNITS as usize;
    let mut pixels = Vec::with_capacity(dots.len() / units / units);
    for rows in dots.chunks_exact(width * 3 * units) {
        for pixel in 0..width / units {
            for channel in 0..3 {
                let each = (0..units).flat_map(|y| (0..units).map(move |x| (x, y)));
                let sum: usize = each
                    .filter_map(|(x, y)| rows.get((y * width + pixel * units + x) * 3 + channel))
                    .map(|value| usize::from(*value))
                    .sum();
                pixels.push(u8::try_from(sum / units / units).unwrap_or(u8::MAX));
            }
        }
    }
    pixels
}
