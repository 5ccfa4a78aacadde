//! Tables are read by pandas as what they were written as.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use sims::data::{self, Table};

/// A Python that has pandas and pyarrow: the machine's own, or one in an environment that is made once per
/// target directory. `None`, with the reason printed, where neither can be had; with `CI=true` that fails.
fn python() -> Option<&'static Path> {
    static PYTHON: OnceLock<Option<PathBuf>> = OnceLock::new();
    PYTHON
        .get_or_init(|| match find_python() {
            Ok(python) => Some(python),
            Err(reason) => {
                let must = std::env::var("CI").is_ok_and(|ci| ci == "true");
                assert!(!must, "pandas must be there with CI=true: {reason}");
                // Not by a macro: what these print is shown only for tests that fail.
                let said = format!("skipped: no pandas to read tables with: {reason}\n");
                let _ = std::io::stderr().write_all(said.as_bytes());
                None
            }
        })
        .as_deref()
}

fn find_python() -> Result<PathBuf, String> {
    let own = PathBuf::from("python3");
    if has_pandas(&own) {
        return Ok(own);
    }
    let temp = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let made = temp.join("pandas");
    let python = made.join("bin/python");
    fs_err::create_dir_all(temp).map_err(|cause| cause.to_string())?;
    // Two test processes may be here at once; the lock ends with the process that holds it.
    let lock = fs_err::File::create(temp.join("pandas.lock")).map_err(|cause| cause.to_string())?;
    lock.file().lock().map_err(|cause| cause.to_string())?;
    if !has_pandas(&python) {
        let mut make = Command::new("python3");
        run(make.args(["-m", "venv", "--clear"]).arg(&made))?;
        let mut install = Command::new(&python);
        run(install.args(["-m", "pip", "install", "--quiet", "pandas", "pyarrow"]))?;
    }
    Ok(python)
}

fn has_pandas(python: &Path) -> bool {
    run(Command::new(python).args(["-c", "import pandas, pyarrow"])).is_ok()
}

/// What a command printed, or why it failed.
fn run(command: &mut Command) -> Result<String, String> {
    let out = command
        .output()
        .map_err(|cause| format!("{command:?}: {cause}"))?;
    let errors = String::from_utf8_lossy(&out.stderr);
    if !out.status.success() {
        return Err(format!("{command:?}: {}: {}", out.status, errors.trim()));
    }
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}

fn sample() -> Table {
    let mut table = Table::new();
    table.push("step", vec![0_u64, 1, u64::MAX]).unwrap();
    table.push("delta", vec![-1_i64, 0, i64::MAX]).unwrap();
    let shares = vec![0.1, f64::NAN, f64::NEG_INFINITY];
    table.push("share, of all", shares).unwrap();
    table.push("tiny", vec![5e-324, 1e300, -0.0]).unwrap();
    table.push("alive", vec![true, false, true]).unwrap();
    let names = vec!["sheep", "a \"quote\", and\na line", "naïve 🐑"];
    table.push("name", names).unwrap();
    let pairs = [("model", "wolfsheep"), ("seed", "42")];
    table.metadata = pairs.map(|(key, value)| (key.into(), value.into())).into();
    table
}

/// Reads the file named first and compares it, bit by bit, with what [`sample`] says.
const CHECK: &str = r#"
import math, struct, sys
import pandas
import pyarrow.parquet

path = sys.argv[1]
parquet = path.endswith(".parquet")
if parquet:
    table = pandas.read_parquet(path)
    stored = pyarrow.parquet.read_metadata(path)
    assert stored.metadata == {b"model": b"wolfsheep", b"seed": b"42"}, stored.metadata
    assert stored.row_group(0).column(0).compression == "SNAPPY"
else:
    table = pandas.read_csv(path, float_precision="round_trip")

kinds = {name: str(table[name].dtype) for name in table}
assert kinds.pop("name") in ("object", "str", "string"), kinds
assert kinds == {
    "step": "uint64", "delta": "int64", "share, of all": "float64", "tiny": "float64", "alive": "bool",
}, kinds
assert list(table["step"]) == [0, 1, 2**64 - 1]
assert list(table["delta"]) == [-1, 0, 2**63 - 1]
bits = lambda values: [struct.pack("<d", value) for value in values]
share = list(table["share, of all"])
assert math.isnan(share.pop(1)) and bits(share) == bits([0.1, -math.inf]), share
assert bits(table["tiny"]) == bits([5e-324, 1e300, -0.0]), list(table["tiny"])
assert list(table["alive"]) == [True, False, True]
assert list(table["name"]) == ["sheep", 'a "quote", and\na line', "naïve 🐑"], list(table["name"])
print(len(table), "rows")
"#;

#[test]
fn pandas_reads_what_was_written() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    for name in ["table.parquet", "table.csv"] {
        let path = folder.path().join(name);
        data::write(&path, &sample()).unwrap();
        let said = run(Command::new(python).args(["-c", CHECK]).arg(&path)).unwrap();
        assert_eq!(said.trim(), "3 rows", "{name}");
    }
}

/// Writes what pandas makes of its own accord: columns that may lack values, other widths of numbers.
const WRITE: &str = r#"
import sys
import pandas

table = pandas.DataFrame({
    "step": pandas.array([0, 1, 2], dtype="uint32"),
    "small": pandas.array([-1, 2, 3], dtype="int8"),
    "share": [0.5, None, 1.5],
    "half": pandas.array([0.5, 1.0, 1.5], dtype="float32"),
    "alive": [True, False, True],
    "name": ["a", "b, c", "d"],
})
table.to_parquet(sys.argv[1], index=False)
table.to_csv(sys.argv[2], index=False)
"#;

#[test]
fn what_pandas_writes_is_read() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (parquet, csv) = (folder.path().join("t.parquet"), folder.path().join("t.csv"));
    run(Command::new(python)
        .args(["-c", WRITE])
        .arg(&parquet)
        .arg(&csv))
    .unwrap();
    let mut expected = Table::new();
    expected.push("step", vec![0_u64, 1, 2]).unwrap();
    expected.push("small", vec![-1_i64, 2, 3]).unwrap();
    expected.push("share", vec![0.5, f64::NAN, 1.5]).unwrap();
    expected.push("half", vec![0.5, 1.0, 1.5]).unwrap();
    let mut from_csv = expected.clone();
    expected.push("alive", vec![true, false, true]).unwrap();
    expected.push("name", vec!["a", "b, c", "d"]).unwrap();
    assert_eq!(data::read(&parquet).unwrap().columns(), expected.columns());
    // Python writes `True`, which is a text here.
    from_csv
        .push("alive", vec!["True", "False", "True"])
        .unwrap();
    from_csv.push("name", vec!["a", "b, c", "d"]).unwrap();
    assert_eq!(data::read(&csv).unwrap(), from_csv);
}
