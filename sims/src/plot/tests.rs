//! Tests of plots: the same bytes, the right lines, and nothing that is not bounded.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// Sheep and wolves of a few seeds and two parameters, without a random source: waves.
fn sweep(steps: u32) -> Table {
    let mut step = Vec::new();
    let mut seed = Vec::new();
    let mut gain = Vec::new();
    let mut sheep = Vec::new();
    let mut wolves = Vec::new();
    for gain_now in [10.0, 20.0] {
        for seed_now in 0..5_u32 {
            for now in 0..steps {
                let phase = f64::from(now) / 12.0 + f64::from(seed_now) * 0.15;
                step.push(u64::from(now));
                seed.push(u64::from(seed_now));
                gain.push(gain_now);
                sheep.push(250.0 + 12.0 * gain_now * libm::cos(phase / 2.0));
                wolves.push(120.0 + 4.0 * gain_now * libm::sin(phase / 2.0));
            }
        }
    }
    let mut table = Table::new();
    table.push("step", step).unwrap();
    table.push("seed", seed).unwrap();
    table.push("gain", gain).unwrap();
    table.push("sheep", sheep).unwrap();
    table.push("wolves", wolves).unwrap();
    table.metadata = BTreeMap::from([(PARAMETERS.to_owned(), "gain".to_owned())]);
    table
}

fn of(columns: &[(&str, &[f64])]) -> Table {
    let mut table = Table::new();
    for (name, values) in columns {
        table.push(*name, values.to_vec()).unwrap();
    }
    table
}

/// A picture's lines, each as the places it goes through.
fn paths(table: &Table, options: &Options) -> Vec<Vec<picture::Place>> {
    let picture = picture::of(&lines(table, options).unwrap(), options).unwrap();
    let shapes = picture.shapes.into_iter();
    let paths = shapes.filter_map(|shape| match shape {
        picture::Shape::Path(places, _) => Some(places),
        picture::Shape::Box(..) | picture::Shape::Band(..) => None,
    });
    paths.collect()
}

/// The labels of a picture, in the order in which they are written.
fn labels(table: &Table, options: &Options) -> Vec<String> {
    let picture = picture::of(&lines(table, options).unwrap(), options).unwrap();
    picture.labels.into_iter().map(|label| label.text).collect()
}

/// Pixels of a PNG, as (width, height, bytes).
fn pixels(image: &[u8]) -> (u32, u32, Vec<u8>) {
    let mut reader = png::Decoder::new(std::io::Cursor::new(image))
        .read_info()
        .unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    (info.width, info.height, pixels)
}

fn titled() -> Options {
    Options {
        title: Some("Sheep & wolves <5 seeds>".to_owned()),
        ..Options::default()
    }
}

/// The bytes of an SVG image are the same on every machine.
#[test]
fn an_svg_image_does_not_change() {
    let image = svg(&sweep(300), &titled()).unwrap();
    assert!(image.contains("Sheep &amp; wolves &lt;5 seeds&gt;"));
    insta::assert_snapshot!(image.lines().next().unwrap(), @r#"<svg width="960" height="600" role="img" viewBox="0 0 9600 6000" xmlns="http://www.w3.org/2000/svg">"#);
    insta::assert_snapshot!(blake3::hash(image.as_bytes()), @"049d4160f5ab0ac316124c527388c1c890b3f507177f6a184e43989d1b475288");
}

#[test]
fn a_png_image_has_its_size_and_its_colours() {
    let small = Options {
        width: 320,
        height: 200,
        ..titled()
    };
    let image = png(&sweep(60), &small).unwrap();
    assert_eq!(image, png(&sweep(60), &small).unwrap());
    let (width, height, pixels) = pixels(&image);
    assert_eq!((width, height), (320, 200));
    let count = |colour: [u8; 3]| pixels.chunks(3).filter(|pixel| **pixel == colour).count();
    assert!(count([0xff; 3]) > 20_000, "the ground is white");
    for colour in [
        [0x00, 0x72, 0xb2],
        [0xd5, 0x5e, 0x00],
        [0x00, 0x9e, 0x73],
        [0x22; 3],
    ] {
        assert!(count(colour) > 10, "{colour:?}");
    }
}

#[test]
fn the_ending_chooses_the_format() {
    let folder = tempfile::tempdir().unwrap();
    let table = sweep(10);
    for (name, begin) in [("a.svg", &b"<svg"[..]), ("a.PNG", &b"\x89PNG"[..])] {
        let path = folder.path().join(name);
        plot(&table, &Options::default(), &path).unwrap();
        assert!(fs_err::read(&path).unwrap().starts_with(begin));
    }
    let refusal = plot(&table, &Options::default(), folder.path().join("a.pdf"));
    assert!(matches!(refusal, Err(Error::Ending { .. })));
    assert_eq!(fs_err::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn seeds_become_a_mean_and_a_band() {
    let mut table = of(&[
        ("step", &[0.0, 1.0, 0.0, 1.0]),
        ("seed", &[1.0, 1.0, 2.0, 2.0]),
        ("sheep", &[10.0, 20.0, 30.0, 20.0]),
    ]);
    let options = Options::default();
    let found = lines(&table, &options).unwrap();
    let [line] = &found.all[..] else {
        panic!("one line: {:?}", found.all)
    };
    assert!(line.has_band);
    let points: Vec<_> = line
        .points
        .iter()
        .map(|p| (p.x, p.least, p.mean, p.greatest))
        .collect();
    assert_eq!(points, [(0.0, 10.0, 20.0, 30.0), (1.0, 20.0, 20.0, 20.0)]);
    // A parameter makes lines of its own; one that never changes does not.
    table.push("gain", vec![2.0, 2.0, 10.0, 10.0]).unwrap();
    table.push("loss", vec![1.0; 4]).unwrap();
    table.metadata = [(PARAMETERS.to_owned(), "gain, loss, gone".to_owned())].into();
    let found = lines(&table, &options).unwrap();
    let names: Vec<_> = found.all.iter().map(|line| line.label.as_str()).collect();
    assert_eq!(names, ["gain = 2", "gain = 10"]);
    assert!(found.all.iter().all(|line| !line.has_band));
}

#[test]
fn texts_can_be_groups() {
    let mut table = of(&[
        ("step", &[0.0, 0.0]),
        ("a", &[1.0, 2.0]),
        ("b", &[3.0, 4.0]),
    ]);
    table.push("kind", vec!["wolf", "sheep"]).unwrap();
    let options = Options {
        group: Some(vec!["kind".to_owned(), "kind".to_owned()]),
        ..Options::default()
    };
    let found = lines(&table, &options).unwrap();
    let names: Vec<_> = found.all.iter().map(|line| line.label.as_str()).collect();
    assert_eq!(
        names,
        [
            "a, kind = sheep",
            "a, kind = wolf",
            "b, kind = sheep",
            "b, kind = wolf"
        ]
    );
}

#[test]
fn peaks_stay_when_points_are_left_out() {
    let rows = 200_000_u32;
    let value = |row: u32| match row {
        77_777 => 1000.0,
        99_999 => -500.0,
        _ => f64::from(row % 10),
    };
    let mut table = Table::new();
    table
        .push("step", (0..u64::from(rows)).collect::<Vec<_>>())
        .unwrap();
    table
        .push("x", (0..rows).map(value).collect::<Vec<_>>())
        .unwrap();
    let all = paths(&table, &Options::default());
    let [path] = &all[..] else { panic!("one line") };
    assert!(path.len() <= 4 * 960, "{} points", path.len());
    // 1000 and -500 are the ends of the axis.
    let heights = || path.iter().map(|(_, y)| *y);
    let (top, bottom) = (
        heights().fold(f64::MAX, f64::min),
        heights().fold(0.0, f64::max),
    );
    assert!(bottom - top > 400.0, "{top} to {bottom}");
    assert!(svg(&table, &Options::default()).unwrap().len() < 100_000);
}

#[test]
fn a_line_is_broken_where_there_is_no_value() {
    let table = of(&[
        ("step", &[0.0, 1.0, 2.0, 3.0, 4.0, f64::NAN]),
        ("x", &[1.0, 2.0, f64::NAN, f64::INFINITY, 3.0, 4.0]),
    ]);
    let all = paths(&table, &Options::default());
    assert_eq!(all.len(), 1); // the last point, alone, is a dot
    assert_eq!(all[0].len(), 2);
}

#[test]
fn ticks_are_round() {
    let ticks = |low: f64, high: f64, log| {
        let axis = axis::Axis::over([(low, high)].into_iter(), log).unwrap();
        let labels = axis.ticks(6).into_iter().map(|tick| tick.label);
        labels.collect::<Vec<_>>().join(" ")
    };
    insta::assert_snapshot!(ticks(0.0, 1.0, false), @"0 0.2 0.4 0.6 0.8 1");
    insta::assert_snapshot!(ticks(-0.3, 0.3, false), @"-0.3 -0.2 -0.1 0 0.1 0.2 0.3");
    insta::assert_snapshot!(ticks(0.0, 123_456_789.0, false), @"0 5e7 1e8");
    insta::assert_snapshot!(ticks(-1e300, 1e300, false), @"-1e300 -5e299 0 5e299 1e300");
    insta::assert_snapshot!(ticks(2.0e-7, 3.0e-7, false), @"2e-7 2.2e-7 2.4e-7 2.6e-7 2.8e-7 3e-7");
    insta::assert_snapshot!(ticks(5.0, 5.0, false), @"4.6 4.8 5 5.2 5.4");
    insta::assert_snapshot!(ticks(0.0, 0.0, false), @"-1 -0.5 0 0.5 1");
    insta::assert_snapshot!(ticks(5e-324, 1e-323, false), @"-1 -0.5 0 0.5 1");
    insta::assert_snapshot!(ticks(1.0, 100.0, true), @"1 2 5 10 20 50 100");
    insta::assert_snapshot!(ticks(1.0, 1e12, true), @"1 100 10000 1e6 1e8 1e10 1e12");
    insta::assert_snapshot!(ticks(3.0, 7.0, true), @"3 4 5 6 7");
    insta::assert_snapshot!(ticks(7.0, 7.0, true), @"5 10 20");
    insta::assert_snapshot!(ticks(5e-324, 1e300, true), @"1e-312 1e-208 1e-104 1 1e104 1e208");
}

#[test]
fn logarithmic_axes_leave_out_what_is_not_over_zero() {
    let table = of(&[
        ("step", &[0.0, 1.0, 10.0, 100.0]),
        ("x", &[1.0, 1.0, -5.0, 100.0]),
    ]);
    let options = Options {
        x_log: true,
        y_log: true,
        ..Options::default()
    };
    let found = lines(&table, &options).unwrap();
    let xs: Vec<_> = found.all[0].points.iter().map(|point| point.x).collect();
    assert_eq!(xs, [1.0, 10.0, 100.0]);
    assert!(found.all[0].points[1].mean.is_nan());
    assert!(labels(&table, &options).contains(&"100".to_owned()));
}

#[test]
fn refusals_say_what_to_do() {
    let table = sweep(2);
    let refusal = |options: Options| {
        let error = svg(&table, &options).unwrap_err();
        format!("{error}; {}", error.hint())
    };
    let names = |names: &[&str]| {
        names
            .iter()
            .map(|name| (*name).to_owned())
            .collect::<Vec<_>>()
    };
    let some = Options::default;
    insta::assert_snapshot!(refusal(Options { y: names(&["goats"]), ..some() }), @"there is no column `goats`; the columns are step, seed, gain, sheep, wolves");
    insta::assert_snapshot!(refusal(Options { width: 5000, ..some() }), @"a plot of 5000 x 600 pixels cannot be made: sides are 160 to 4096 pixels, all in all at most 8294400; for example 960 x 600");
    insta::assert_snapshot!(refusal(Options { group: Some(names(&["wolves"])), ..some() }), @"the plot would have 38 lines, and 21 can be told apart; draw fewer columns, group by fewer columns, or select some rows first");
    insta::assert_snapshot!(refusal(Options { group: Some(names(&["sheep", "wolves", "gain"])), ..some() }), @"there is nothing to plot: no column of numbers is left for the vertical axis; check which columns are drawn, and whether a logarithmic axis leaves anything over zero");
    let table = of(&[("step", &[0.0, 1.0]), ("x", &[f64::NAN, f64::NAN])]);
    insta::assert_snapshot!(svg(&table, &some()).unwrap_err(), @"there is nothing to plot: no row has a number on both axes");
}

#[test]
fn a_full_legend_says_what_it_leaves_out() {
    let mut table = of(&[("step", &[0.0, 1.0])]);
    for index in 0..LINES_MAX {
        table
            .push(format!("series {index}"), vec![0.0, index as f64])
            .unwrap();
    }
    let short = Options {
        height: 200,
        ..Options::default()
    };
    assert_eq!(labels(&table, &short).last().unwrap(), "and 16 more");
    assert_eq!(
        labels(&table, &Options::default()).last().unwrap(),
        "series 20"
    );
    table.push("one more", vec![0.0, 1.0]).unwrap();
    assert!(matches!(
        svg(&table, &short),
        Err(Error::TooManyLines { lines: 22 })
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Whatever the numbers are, there is a picture inside of its frame, or a reason.
    #[test]
    fn any_numbers_are_a_bounded_picture(
        rows in prop::collection::vec((any::<f64>(), any::<f64>(), -3.0..3.0), 0..60),
        x_log: bool,
        y_log: bool,
        title in prop::option::of(any::<String>()),
    ) {
        let column = |pick: fn(&(f64, f64, f64)) -> f64| rows.iter().map(pick).collect::<Vec<_>>();
        let table = of(&[
            ("step", &column(|row| row.0)),
            ("wild", &column(|row| row.1)),
            ("tame", &column(|row| row.2)),
        ]);
        let options = Options { x_log, y_log, title, width: 200, height: 160, ..Options::default() };
        match lines(&table, &options) {
            Err(Error::Nothing { .. }) => {}
            Err(other) => prop_assert!(false, "{other}"),
            Ok(found) => match picture::of(&found, &options) {
                Err(Error::Size { .. }) => {}
                Err(other) => prop_assert!(false, "{other}"),
                Ok(picture) => {
                    for shape in &picture.shapes {
                        if let picture::Shape::Path(places, _) | picture::Shape::Band(places, _) = shape {
                            for (x, y) in places {
                                prop_assert!((0.0..=200.0).contains(x) && (0.0..=160.0).contains(y));
                            }
                        }
                    }
                    prop_assert!(draw::svg(&picture).unwrap().len() < 200_000);
                    prop_assert!(draw::png(&picture).unwrap().len() > 100);
                }
            },
        }
    }
}
