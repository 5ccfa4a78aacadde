//! How long a model is: in the lines of what a modeller writes, without blanks and comments, as rustfmt lays them out.

/// Lines of code of a model's file, without its tests.
fn lines(file: &str) -> usize {
    let text = file.split("#[cfg(test)]").next().unwrap_or_default();
    let code = |line: &&str| !line.is_empty() && !line.starts_with("//");
    text.lines().map(str::trim).filter(code).count()
}

/// The bounds are what Agents.jl's users need for the same, in round numbers: 42, 73 and 26 lines.
#[test]
fn models_are_as_short_as_elsewhere() {
    for (name, file, bound) in [
        ("flocking", include_str!("../src/models/flocking.rs"), 45),
        ("wolfsheep", include_str!("../src/models/wolfsheep.rs"), 80),
        ("schelling", include_str!("../src/models/schelling.rs"), 30),
    ] {
        let lines = lines(file);
        assert!(
            lines <= bound,
            "{name} has {lines} lines, more than {bound}"
        );
        for word in ["Box", "dyn ", "downcast", "rustfmt::skip"] {
            assert!(!file.contains(word), "{name} has a `{word}`");
        }
    }
}
