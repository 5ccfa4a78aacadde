//! Patterns of Life whose fate is known exactly (the wiki of Life's users has all of them).

use sims::models::life::Life;
use sims::rle::Pattern;
use sims::run::Run;

use crate::{run, ticks};

fn born(rle: &str) -> Run<Life> {
    run(0, |life: &mut Life| {
        life.pattern = Pattern::parse(rle).unwrap();
    })
}

/// Who is alive, row by row.
fn cells(life: &Run<Life>) -> Vec<(i32, i32)> {
    let mut cells: Vec<_> = life
        .world
        .cells
        .iter()
        .map(|cell| (cell.y, cell.x))
        .collect();
    cells.sort_unstable();
    cells.into_iter().map(|(y, x)| (x, y)).collect()
}

fn moved(cells: &[(i32, i32)], dx: i32, dy: i32) -> Vec<(i32, i32)> {
    cells.iter().map(|(x, y)| (x + dx, y + dy)).collect()
}

/// It is moved by so much after `period` generations, and is another shape or elsewhere in those between.
fn check_period(name: &str, rle: &str, period: u64, (dx, dy): (i32, i32)) {
    let mut life = born(rle);
    let first = cells(&life);
    for generation in 1..=period {
        ticks(&mut life, 1);
        let (dx, dy) = if generation == period {
            (dx, dy)
        } else {
            (0, 0)
        };
        let same = cells(&life) == moved(&first, dx, dy);
        assert_eq!(same, generation == period, "{name} at {generation}");
    }
}

#[test]
fn oscillators_and_spaceships_come_back() {
    check_period("block", "2o$2o!", 1, (0, 0));
    check_period("blinker", "3o!", 2, (0, 0));
    let pulsar = "2b3o3b3o2$o4bobo4bo$o4bobo4bo$o4bobo4bo$2b3o3b3o2$2b3o3b3o$o4bobo4bo$o4bobo4bo$o4bobo4bo2$2b3o3b3o!";
    check_period("pulsar", pulsar, 3, (0, 0));
    check_period("pentadecathlon", "2bo4bo$2ob4ob2o$2bo4bo!", 15, (0, 0));
    check_period("glider", "bo$2bo$3o!", 4, (1, 1));
    check_period("lightweight spaceship", "bo2bo$o$o3bo$4o!", 4, (-2, 0));
}

#[test]
fn gospers_gun_shoots_a_glider_every_30_generations() {
    let gun = "24bo$22bobo$12b2o6b2o12b2o$11bo3bo4b2o12b2o$2o8bo5bo3b2o$2o8bo3bob2o4bobo$10bo5bo7bo$11bo3bo$12b2o!";
    let mut life = born(gun);
    let first = cells(&life);
    assert_eq!(first.len(), 36);
    for shot in 1..=10 {
        ticks(&mut life, 30);
        let now = cells(&life);
        assert_eq!(now.len(), first.len() + 5 * shot);
        assert!(
            first.iter().all(|cell| now.contains(cell)),
            "the gun is as it was"
        );
    }
}

/// The methuselahs: in which generation the last change of the population is over, and what it is then.
#[test]
fn methuselahs_settle_when_they_should() {
    for (name, rle, settled, population) in [
        ("R-pentomino", "b2o$2o$bo!", 1_103, 116),
        ("acorn", "bo$3bo$2o2b3o!", 5_206, 633),
    ] {
        let mut life = born(rle);
        ticks(&mut life, settled - 1);
        assert_ne!(life.world.cells.len(), population, "{name}");
        for _ in 0..60 {
            ticks(&mut life, 1);
            assert_eq!(life.world.cells.len(), population, "{name}");
        }
    }
}

/// The end of the numbers is no wall: a glider goes through it.
#[test]
fn the_plane_has_no_edge() {
    let mut life = born("bo$2bo$3o!");
    let places: Vec<_> = life.world.cells.iter().collect();
    let ids: Vec<_> = life.world.cells.ids().collect();
    for (id, mut cell) in ids.into_iter().zip(places) {
        (cell.x, cell.y) = (i32::MAX - 3 + cell.x, i32::MAX - 3 + cell.y);
        life.world.cells.set(id, cell);
    }
    ticks(&mut life, 40);
    let mut expected = moved(&[(1, 0), (2, 1), (0, 2), (1, 2), (2, 2)], 6, 6);
    expected = moved(&expected, i32::MIN, i32::MIN);
    assert_eq!(cells(&life), expected);
}
