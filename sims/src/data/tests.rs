//! Tests of tables: what is written is read back, and what is damaged is refused.

use std::collections::BTreeMap;
use std::path::PathBuf;

use proptest::prelude::*;

use super::*;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs_err::write(&path, contents).unwrap();
        path
    }

    fn names(&self) -> Vec<String> {
        let entries = fs_err::read_dir(self.0.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }
}

/// A table with every kind, and with values that are hard to write.
fn sample() -> Table {
    let mut table = Table::new();
    table.push("step", vec![0_u64, 1, 2, u64::MAX]).unwrap();
    table
        .push("delta", vec![-1_i64, 0, i64::MAX, i64::MIN])
        .unwrap();
    table
        .push(
            "share, of all",
            vec![0.1, -0.0, f64::NAN, f64::NEG_INFINITY],
        )
        .unwrap();
    table.push("alive", vec![true, false, true, true]).unwrap();
    table
        .push(
            "name",
            vec!["", "1", "a \"quote\", and\r\na line", "naïve 🐑"],
        )
        .unwrap();
    table
        .metadata
        .insert("model".to_owned(), "wolfsheep".to_owned());
    table
}

fn numbers(rows: u64) -> Table {
    let mut table = Table::new();
    table.push("step", (0..rows).collect::<Vec<_>>()).unwrap();
    let halves = (0..rows).map(|row| row as f64 / 2.0);
    table.push("half", halves.collect::<Vec<_>>()).unwrap();
    table
}

/// What CSV keeps of a table, by the rule of [`Kind`].
fn as_csv_keeps(table: &Table) -> Table {
    let mut kept = Table::new();
    for Column { name, values } in table.columns() {
        let values = match values {
            values if values.is_empty() => Values::empty(Kind::Text),
            Values::I64(values) if values.iter().all(|value| *value >= 0) => {
                Values::U64(values.iter().map(|value| value.unsigned_abs()).collect())
            }
            values => values.clone(),
        };
        kept.push(name.as_str(), values).unwrap();
    }
    kept
}

fn check_identity(table: &Table) {
    let folder = Folder::new();
    let path = folder.path("t.parquet");
    write(&path, table).unwrap();
    assert_eq!(&read(&path).unwrap(), table);
    let path = folder.path("t.csv");
    write(&path, table).unwrap();
    assert_eq!(read(&path).unwrap(), as_csv_keeps(table));
}

#[test]
fn every_kind_is_read_back() {
    check_identity(&sample());
}

fn column(rows: usize) -> impl Strategy<Value = Values> {
    use prop::collection::vec;
    let float = prop_oneof![
        any::<f64>(),
        any::<u64>().prop_map(f64::from_bits),
        (-1000..1000_i32).prop_map(f64::from),
    ];
    let text = prop_oneof![
        any::<String>(),
        "[a-c,\"\r\n 0-9.]{0,6}",
        Just("NaN".to_owned())
    ];
    prop_oneof![
        vec(float, rows).prop_map(Values::from),
        vec(any::<i64>(), rows).prop_map(Values::from),
        vec(-2..5_i64, rows).prop_map(Values::from),
        vec(any::<u64>(), rows).prop_map(Values::from),
        vec(any::<bool>(), rows).prop_map(Values::from),
        vec(text, rows).prop_map(Values::from),
    ]
}

fn table() -> impl Strategy<Value = Table> {
    let columns = (0..40_usize).prop_flat_map(|rows| prop::collection::vec(column(rows), 1..6));
    let names = prop::collection::btree_set(any::<String>(), 6);
    let metadata = prop::collection::btree_map(any::<String>(), any::<String>(), 0..3);
    (columns, names, metadata).prop_map(|(columns, names, metadata)| {
        let mut table = Table::new();
        for (index, (values, name)) in columns.into_iter().zip(names).enumerate() {
            let name: String = format!("{index}{name}").chars().take(40).collect();
            table.push(name, values).unwrap();
        }
        table.metadata = metadata;
        table
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_is_written_is_read_back(table in table()) {
        check_identity(&table);
    }

    #[test]
    fn any_text_is_a_csv_or_an_error(text in "[a-b0-9,\"\r\n.-]{0,80}") {
        let folder = Folder::new();
        if let Ok(table) = read(folder.file("t.csv", text)) {
            check_identity(&table);
        }
    }

    #[test]
    fn any_bytes_are_refused_or_read(bytes: Vec<u8>) {
        let folder = Folder::new();
        let _ = read(folder.file("t.csv", &bytes));
        prop_assert!(read(folder.file("t.parquet", &bytes)).is_err());
    }
}

#[test]
fn csv_is_plain() {
    let folder = Folder::new();
    let path = folder.path("t.csv");
    write(&path, &sample()).unwrap();
    insta::assert_snapshot!(fs_err::read_to_string(path).unwrap().replace('\r', "<CR>"), @r#"
    step,delta,"share, of all",alive,name
    0,-1,0.1,true,""
    1,0,-0.0,false,"1"
    2,9223372036854775807,NaN,true,"a ""quote"", and<CR>
    a line"
    18446744073709551615,-9223372036854775808,-inf,true,"naïve 🐑"
    "#);
}

/// The kinds that a CSV file of one column is read as.
fn kind_of(fields: &str) -> Kind {
    let folder = Folder::new();
    let path = folder.file("t.csv", format!("x,y\n{}", fields.replace('\n', ",1\n")));
    read(path).unwrap().columns()[0].values.kind()
}

#[test]
fn csv_kinds_are_inferred() {
    assert_eq!(kind_of("1\n2\n"), Kind::U64);
    assert_eq!(kind_of("18446744073709551615\n"), Kind::U64);
    assert_eq!(kind_of("1\n-2\n"), Kind::I64);
    assert_eq!(kind_of("-1\n18446744073709551615\n"), Kind::F64);
    assert_eq!(kind_of("1\n2.5\n"), Kind::F64);
    assert_eq!(kind_of("1\n\n"), Kind::F64);
    assert_eq!(kind_of("1\ntrue\n"), Kind::Text);
    assert_eq!(kind_of("true\nfalse\n"), Kind::Bool);
    assert_eq!(kind_of("true\n\n"), Kind::Text);
    assert_eq!(kind_of("1\n\"2\"\n"), Kind::Text);
    assert_eq!(kind_of("\n\n"), Kind::Text);
    assert_eq!(kind_of("nan\ninf\n"), Kind::F64);
}

#[test]
fn csv_of_others_is_read() {
    let folder = Folder::new();
    let text = "\u{feff}\"step\",name\r\n\r\n1,a b\r2,\"c\"\"\"";
    let table = read(folder.file("t.csv", text)).unwrap();
    assert_eq!(table.column("step"), Some(&Values::from(vec![1_u64, 2])));
    assert_eq!(
        table.column("name"),
        Some(&Values::from(vec!["a b", "c\""]))
    );
}

#[test]
fn faults_of_csv_are_named() {
    let folder = Folder::new();
    let refusal = |text: &str| {
        let error = read(folder.file("t.csv", text)).unwrap_err().to_string();
        error.replace(&folder.path("").display().to_string(), "")
    };
    insta::assert_snapshot!(refusal(""), @"cannot read `t.csv`: it has no header");
    insta::assert_snapshot!(refusal("a,b\n1,2\n3\n"), @"cannot read `t.csv`: record 3: it has 1 fields, the header has 2");
    insta::assert_snapshot!(refusal("a\n\"1\n"), @"cannot read `t.csv`: record 2: a quote is not closed");
    insta::assert_snapshot!(refusal("a\n\"1\"2\n"), @"cannot read `t.csv`: record 2: something stands behind the closing quote of a field");
    insta::assert_snapshot!(refusal("a\n1\"2\n"), @"cannot read `t.csv`: record 2: a quote stands inside of a field that does not begin with one");
    insta::assert_snapshot!(refusal("a,a\n"), @"there are two columns `a`");
}

#[test]
fn a_table_checks_its_columns() {
    let mut table = numbers(2);
    assert!(matches!(
        table.push("step", vec![1.0, 2.0]),
        Err(Error::Twice { .. })
    ));
    assert!(matches!(
        table.push("", vec![1.0, 2.0]),
        Err(Error::BadName { .. })
    ));
    insta::assert_snapshot!(table.push("x", vec![1.0]).unwrap_err(), @"column `x` has 1 rows, the columns before it have 2");
    insta::assert_snapshot!(table.append(&sample()).unwrap_err(), @"the columns of the rows to be added are `step u64, delta i64, share, of all f64, alive bool, name text`, not `step u64, half f64`");
    assert_eq!(table.rows(), 2);
    assert!(matches!(Table::new().schema(), Err(Error::NoColumns)));
}

#[test]
fn only_a_finished_file_has_its_name() {
    for name in ["t.csv", "t.parquet"] {
        let folder = Folder::new();
        let table = numbers(3);
        let path = folder.path(name);
        let begin = || Writer::create(&path, &table.schema().unwrap(), &BTreeMap::new()).unwrap();
        let mut writer = begin();
        writer.append(&table).unwrap();
        assert_eq!(folder.names(), [format!("{name}.part")]);
        drop(writer);
        assert_eq!(folder.names(), [""; 0]);

        let mut writer = begin();
        writer.append(&table).unwrap();
        assert_eq!(writer.rows(), 3);
        writer.finish().unwrap();
        // A second run that breaks off leaves what the first one made.
        let mut writer = begin();
        assert!(writer.append(&sample()).is_err());
        drop(writer);
        assert_eq!(folder.names(), [name]);
        assert_eq!(read(&path).unwrap(), table);
    }
}

#[test]
fn pieces_do_not_change_the_file() {
    let rows = GROUP_ROWS + 1000;
    let folder = Folder::new();
    let table = numbers(rows as u64);
    for name in ["whole.parquet", "whole.csv"] {
        write(folder.path(name), &table).unwrap();
        let whole = fs_err::read(folder.path(name)).unwrap();
        let pieces = folder.path(name.replace("whole", "pieces").as_str());
        let mut writer =
            Writer::create(&pieces, &table.schema().unwrap(), &table.metadata).unwrap();
        let mut from = 0;
        for len in (1..).map(|piece| piece * 37) {
            let mut piece = Table::empty(&table.schema().unwrap(), BTreeMap::new());
            piece.extend(&table, from..rows.min(from + len));
            writer.append(&piece).unwrap();
            from += piece.rows();
            if from == rows {
                break;
            }
        }
        writer.finish().unwrap();
        assert!(fs_err::read(&pieces).unwrap() == whole, "{name}");
        assert_eq!(read(&pieces).unwrap(), table);
    }
}

/// Columns that repeat (steps, seeds, parameters, names) take next to nothing.
#[test]
fn what_repeats_is_stored_once() {
    let rows = 50_000_u64;
    let mut table = Table::new();
    table.push("seed", vec![42_u64; 50_000]).unwrap();
    table
        .push("step", (0..rows).map(|row| row / 500).collect::<Vec<_>>())
        .unwrap();
    let names = (0..rows).map(|row| format!("behaviour {}", row % 3));
    table.push("name", names.collect::<Vec<_>>()).unwrap();
    let folder = Folder::new();
    let path = folder.path("t.parquet");
    write(&path, &table).unwrap();
    let bytes = fs_err::metadata(path).unwrap().len();
    assert!(bytes < 20_000, "{bytes} bytes");
}

#[test]
fn files_are_put_together() {
    let folder = Folder::new();
    let mut first = numbers(3);
    first.metadata = BTreeMap::from([("model".into(), "sir".into()), ("seed".into(), "1".into())]);
    let mut second = numbers(GROUP_ROWS as u64 + 5);
    second.metadata = BTreeMap::from([("model".into(), "sir".into()), ("seed".into(), "2".into())]);
    let inputs = [
        folder.path("1.parquet"),
        folder.path("2.csv"),
        folder.path("2.parquet"),
    ];
    write(&inputs[0], &first).unwrap();
    write(&inputs[2], &second).unwrap();
    write(&inputs[1], &second).unwrap();

    let out = folder.path("out.parquet");
    let rows = concat(&[&inputs[0], &inputs[2]], &out).unwrap();
    let all = read(&out).unwrap();
    assert_eq!((rows, all.rows()), (GROUP_ROWS as u64 + 8, GROUP_ROWS + 8));
    assert_eq!(
        all.metadata,
        BTreeMap::from([("model".to_owned(), "sir".to_owned())])
    );
    first.append(&second).unwrap();
    assert_eq!(all.columns(), first.columns());

    // Other formats, into one of the inputs.
    concat(&inputs[..2], &inputs[1]).unwrap();
    assert_eq!(read(&inputs[1]).unwrap().columns(), first.columns());

    assert!(matches!(concat(&[] as &[&str], &out), Err(Error::NoInputs)));
    write(&inputs[1], &sample()).unwrap();
    assert!(matches!(
        concat(&inputs, &out),
        Err(Error::OtherColumns { .. })
    ));
    assert_eq!(read(&out).unwrap(), all);
}

/// Whether a column has a fraction shows only in one of the files.
#[test]
fn kinds_of_csv_files_are_inferred_together() {
    let folder = Folder::new();
    let inputs = [
        folder.file("1.csv", "x\n1\n"),
        folder.file("2.csv", "x\n-1\n"),
    ];
    let out = folder.path("out.parquet");
    concat(&inputs, &out).unwrap();
    assert_eq!(
        read(&out).unwrap().column("x"),
        Some(&Values::from(vec![1_i64, -1]))
    );
}

#[test]
fn limits_are_kept() {
    let folder = Folder::new();
    for name in ["t.csv", "t.parquet"] {
        let path = folder.path(name);
        write(&path, &numbers(100)).unwrap();
        let with = |rows_max, bytes_max| {
            let limits = Limits {
                rows_max,
                bytes_max,
            };
            let refusal = read_within(&path, limits).map(|table| table.rows());
            refusal.map_err(|error| error.to_string().replace(&path.display().to_string(), name))
        };
        assert_eq!(with(100, 1600), Ok(100));
        let rows = format!("`{name}` has 100 rows, over the limit of 99");
        assert_eq!(with(99, 1600), Err(rows));
        assert!(with(100, 1500).is_err_and(|error| error.contains("bytes of values")));
    }
}

/// A few bytes may say that a text of a mebibyte comes again and again; what it unfolds to is bounded.
#[test]
fn a_dictionary_does_not_unfold_over_the_limit() {
    let mut table = Table::new();
    table.push("text", vec!["x".repeat(60_000); 5_000]).unwrap();
    let folder = Folder::new();
    let path = folder.path("t.parquet");
    write(&path, &table).unwrap();
    assert!(fs_err::metadata(&path).unwrap().len() < 40_000);
    let limits = Limits {
        rows_max: 10_000,
        bytes_max: 100_000_000,
    };
    let refusal = read_within(&path, limits).unwrap_err();
    assert!(refusal.to_string().contains("bytes of text"), "{refusal}");
}

#[test]
fn what_is_no_table_is_refused() {
    let folder = Folder::new();
    assert!(matches!(
        read(folder.path("t.json")),
        Err(Error::Ending { .. })
    ));
    assert!(matches!(
        read(folder.path("missing.csv")),
        Err(Error::Io(_))
    ));
    fs_err::create_dir(folder.path("folder.csv")).unwrap();
    assert!(matches!(
        read(folder.path("folder.csv")),
        Err(Error::NotAFile { .. })
    ));
    let missing = folder.path("no/such/folder/t.csv");
    assert!(matches!(write(missing, &sample()), Err(Error::Io(_))));
}

/// Every byte of a file is changed, and it is cut off at every place: an error or a table, within the limits.
#[test]
fn damaged_parquet_is_refused_or_read() {
    let folder = Folder::new();
    let path = folder.path("t.parquet");
    let mut table = Table::new();
    for Column { name, values } in sample().columns() {
        let mut longer = values.clone();
        for _ in 0..5 {
            longer.extend(values, 0..values.len());
        }
        table.push(name.as_str(), longer).unwrap();
    }
    write(&path, &table).unwrap();
    let whole = fs_err::read(&path).unwrap();
    let limits = Limits {
        rows_max: 10_000,
        bytes_max: 10_000_000,
    };
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= [0x01, 0x80, 0xff][at % 3];
        let _ = read_within(folder.file("d.parquet", &damaged), limits);
        if at % 8 == 0 {
            assert!(read(folder.file("d.parquet", &whole[..at])).is_err());
        }
    }
}

/// A footer between the marks that a file begins and ends with.
fn with_footer(footer: &[u8]) -> Vec<u8> {
    let len = u32::try_from(footer.len()).unwrap().to_le_bytes();
    [b"PAR1".as_slice(), footer, &len, b"PAR1"].concat()
}

/// What a library would allocate, or recurse into, before it could refuse.
#[test]
fn footers_are_bounded_before_they_are_believed() {
    let folder = Folder::new();
    let refusal = |footer: &[u8]| {
        let path = folder.file("t.parquet", with_footer(footer));
        read(&path)
            .unwrap_err()
            .to_string()
            .replace(&path.display().to_string(), "t")
    };
    // Field 2, a list of 2^28 structures.
    let long = [0x29, 0xfc, 0x80, 0x80, 0x80, 0x80, 0x01];
    insta::assert_snapshot!(refusal(&long), @"cannot read `t`: its footer describes more columns than a table may have");
    // Two elements, each with one child (field 5).
    let deep = [0x29, 0x2c, 0x55, 0x02, 0x00, 0x55, 0x02, 0x00, 0x00];
    insta::assert_snapshot!(refusal(&deep), @"cannot read `t`: its footer describes columns inside of columns");
    // Lists of lists (field 3).
    let nested = [[0x39].as_slice(), &[0x19; 1000]].concat();
    insta::assert_snapshot!(refusal(&nested), @"cannot read `t`: its footer is nested deeper than the format");
    insta::assert_snapshot!(refusal(&[0x15]), @"cannot read `t`: its footer ends early");
    insta::assert_snapshot!(refusal(&[0x00, 0x00]), @"cannot read `t`: its footer is longer than what it holds");
    let far = [b"PAR1".as_slice(), &u32::MAX.to_le_bytes(), b"PAR1"].concat();
    let refusal = read(folder.file("t.parquet", far)).unwrap_err();
    assert!(matches!(
        refusal,
        Error::TooLarge {
            found: 0xffff_ffff,
            ..
        }
    ));
}

#[test]
fn pages_are_bounded_before_they_are_believed() {
    let folder = Folder::new();
    let refusal = |header: &[u8]| {
        let path = folder.file("t.parquet", header);
        let chunk = guard::Chunk {
            begin: 0,
            bytes: i64::try_from(header.len()).unwrap(),
        };
        let file = fs_err::File::open(&path).unwrap();
        let found = guard::check_pages(Path::new("t"), &file, chunk);
        found.map_err(|error| error.to_string())
    };
    // Fields 2 and 3: sizes, as zigzag numbers; then field 7, a dictionary: its values and their encoding.
    let page = |unfolded: &[u8], values: &[u8], encoding: u8| {
        let sizes = [[0x25].as_slice(), unfolded, &[0x15, 0x00]].concat();
        [
            sizes.as_slice(),
            &[0x4c, 0x15],
            values,
            &[0x15, encoding, 0x00, 0x00],
        ]
        .concat()
    };
    assert_eq!(refusal(&page(&[0x20], &[0x08], 0)).unwrap(), 16);
    let too_large = refusal(&page(&[0xfe, 0xff, 0xff, 0xff, 0x0f], &[0x08], 0)).unwrap_err();
    insta::assert_snapshot!(too_large, @"cannot read `t`: the header of the page at byte 0 asks for less than nothing, or for more than a page may have");
    let too_many = refusal(&page(&[0x20], &[0xfe, 0xff, 0xff, 0xff, 0x0f], 0)).unwrap_err();
    insta::assert_snapshot!(too_many, @"cannot read `t`: the header of the page at byte 0 promises more values than fit in");
    let delta = refusal(&page(&[0x20], &[0x08], 10)).unwrap_err();
    insta::assert_snapshot!(delta, @"cannot read `t`: the header of the page at byte 0 asks for an encoding other than plain, dictionary and runs");
    insta::assert_snapshot!(refusal(&[0x25, 0x00, 0x15, 0x02, 0x00]).unwrap_err(), @"cannot read `t`: the header of the page at byte 0 asks for more bytes than its column has");
}
