#!/bin/sh
# Three ways in which pods communicate; README.md says which is where.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
medium=${MEDIUM:-medium}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export MEDIUM_DATA="${MEDIUM_DATA:-$work/data}"
cp -r "$here/sort" "$here/both" "$work"
cd "$work"

# A pod with some words, and the reference that reads it.
printf 'pear\napple\nfig\n' > words.txt
"$medium" --quiet pod new words > /dev/null
"$medium" --quiet pod put words.txt words:/ > /dev/null
words=$("$medium" --quiet pod share words)

# 1. External payload, and 2. shared output.
sed -i "s/WORDS/$words/" sort/recipe.json
sorted=$("$medium" --quiet --json recipe run sort | sed 's/.*"reference":"\([0-9a-f]*\)".*/\1/')

# 3. Shared payload.
sed -i "s/SORTED/$sorted/" both/recipe.json
"$medium" --quiet --json task run both > record.json
output=$(sed 's/.*"path":"\([^"]*\)".*/\1/' record.json)
cat "$output/report.txt"
