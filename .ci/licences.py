#!/usr/bin/env python3
"""Checks the dependency tree against deny.toml where cargo-deny is not installed.

Covers what `cargo deny check licenses bans sources` does with the lists this project uses: on the targets that
deny.toml names, every package has a licence expression that the allowed licences satisfy, with those that are
excepted for it alone (an exception for nobody is a fault), no dependency has a wildcard version, none is on
the list of the banned, and every one comes from Rust's own registry or from this repository. It reads the licence that
a package declares; cargo-deny also reads the licence texts. Duplicate versions are listed, not refused.

    .ci/licences.py          exit 0 and a summary, or exit 1 and a line for each fault
    .ci/licences.py --test   checks the checker
"""

import json
import pathlib
import re
import subprocess
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
TOKEN = re.compile(r"\s*(\(|\)|/|[A-Za-z0-9.+:-]+)")


class Malformed(Exception):
    """A licence expression that cannot be read."""


def satisfied(expression: str, allowed: set[str]) -> bool:
    """Whether an SPDX expression can be met with the allowed licences alone.

    `expression := conjunction { OR conjunction }`, `conjunction := term { AND term }`,
    `term := "(" expression ")" | licence [ WITH exception ]`. The old `A/B` is read as `A OR B`.
    """
    tokens, at = [], 0
    while at < len(expression.rstrip()):
        match = TOKEN.match(expression, at)
        if not match:
            raise Malformed(f"`{expression}` at column {at + 1}")
        tokens.append("OR" if match[1] == "/" else match[1])
        at = match.end()
    tokens.reverse()

    def take(word: str) -> bool:
        if tokens and tokens[-1] == word:
            tokens.pop()
            return True
        return False

    def term() -> bool:
        if take("("):
            value = any_of()
            if not take(")"):
                raise Malformed(f"`{expression}` lacks a `)`")
            return value
        if not tokens or tokens[-1] in (")", "OR", "AND", "WITH"):
            raise Malformed(f"`{expression}` lacks a licence")
        name = tokens.pop()
        if take("WITH"):
            if not tokens:
                raise Malformed(f"`{expression}` lacks an exception")
            name = f"{name} WITH {tokens.pop()}"
        return name in allowed

    def all_of() -> bool:
        value = term()
        while take("AND"):
            value = term() and value
        return value

    def any_of() -> bool:
        value = all_of()
        while take("OR"):
            value = all_of() or value
        return value

    value = any_of()
    if tokens:
        raise Malformed(f"`{expression}` goes on after its end")
    return value


def faults_of(metadata: dict, policy: dict) -> list[str]:
    """What is wrong with a dependency tree, one line each."""
    allowed = set(policy["licenses"]["allow"])
    excepted = {
        entry["crate"]: set(entry["allow"]) for entry in policy["licenses"].get("exceptions", [])
    }
    banned = {entry["name"] for entry in policy["bans"].get("deny", [])}
    names = {package["name"] for package in metadata["packages"]}
    faults = [f"{name}: is excepted, but nothing needs it" for name in excepted if name not in names]
    for package in metadata["packages"]:
        its_own = excepted.get(package["name"], set())
        name = f"{package['name']} {package['version']}"
        source = package["source"]
        # Cargo's name for Rust's own registry ends so; another registry or a repository does not.
        own = re.fullmatch(r"registry\+https://[a-z.]+/rust-lang/crates\W?io-index", source or "")
        if source is not None and own is None:
            faults.append(f"{name}: comes from {source}")
        if package["name"] in banned:
            faults.append(f"{name}: is banned by deny.toml")
        expression = package["license"]
        try:
            if expression is None:
                faults.append(f"{name}: declares no licence")
            elif not satisfied(expression, allowed | its_own):
                faults.append(f"{name}: `{expression}` is not met by deny.toml's allowed licences")
        except Malformed as error:
            faults.append(f"{name}: {error}")
        if source is not None:
            continue  # What others depend on is theirs to say.
        for dependency in package["dependencies"]:
            if dependency["req"] == "*" and dependency.get("path") is None:
                faults.append(f"{name}: depends on any version of {dependency['name']}")
    return faults


def doubles_of(metadata: dict) -> list[str]:
    """Packages that are there in several versions."""
    versions: dict[str, list[str]] = {}
    for package in metadata["packages"]:
        versions.setdefault(package["name"], []).append(package["version"])
    return [f"{name} {' '.join(of)}" for name, of in sorted(versions.items()) if len(of) > 1]


def test() -> None:
    """Data in, data out."""
    allowed = {"MIT", "Apache-2.0", "Unicode-3.0", "Apache-2.0 WITH LLVM-exception"}
    for expression, wanted in [
        ("MIT", True),
        ("GPL-2.0-only", False),
        ("MIT/Apache-2.0", True),
        ("Apache-2.0 OR GPL-2.0-only", True),
        ("MIT AND GPL-2.0-only", False),
        ("(MIT OR Apache-2.0) AND Unicode-3.0", True),
        ("(MIT OR Apache-2.0) AND NCSA", False),
        ("NCSA OR MIT AND Unicode-3.0", True),
        ("Apache-2.0 WITH LLVM-exception", True),
        ("GPL-2.0-only WITH Classpath-exception-2.0", False),
    ]:
        assert satisfied(expression, allowed) is wanted, expression
    for expression in ["", "MIT OR", "(MIT", "MIT)", "MIT Apache-2.0", "MIT WITH", "MIT,Zlib"]:
        try:
            satisfied(expression, allowed)
        except Malformed:
            continue
        raise AssertionError(f"{expression!r} was read")
    package = {
        "name": "p",
        "version": "1.0.0",
        "source": None,
        "license": "MIT",
        "dependencies": [{"name": "q", "req": "*", "path": None}],
    }
    stranger = package | {"source": "git+ssh://elsewhere/p", "license": None, "dependencies": []}
    policy = {"licenses": {"allow": ["MIT"]}, "bans": {"deny": [{"name": "q"}]}}
    found = faults_of({"packages": [package, stranger, stranger | {"name": "q"}]}, policy)
    assert len(found) == 6, found
    policy["licenses"]["exceptions"] = [
        {"crate": "p", "allow": ["MPL-2.0"]},
        {"crate": "r", "allow": ["MPL-2.0"]},
    ]
    weak = package | {"license": "LGPL-3.0-or-later OR MPL-2.0", "dependencies": []}
    found = faults_of({"packages": [weak, weak | {"name": "s"}]}, policy)
    assert len(found) == 2, found
    assert "r: is excepted" in found[0] and found[1].startswith("s 1.0.0: `LGPL"), found


def main() -> int:
    if "--test" in sys.argv[1:]:
        test()
        return 0
    policy = tomllib.loads((ROOT / "deny.toml").read_text(encoding="utf-8"))
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--all-features"]
    for target in policy["graph"]["targets"]:
        command += ["--filter-platform", target]
    asked = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    metadata = json.loads(asked.stdout)
    faults = faults_of(metadata, policy)
    for fault in faults:
        print(f"error: {fault}", file=sys.stderr)
    for double in doubles_of(metadata):
        print(f"in several versions: {double}")
    print(f"{len(metadata['packages'])} packages, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
