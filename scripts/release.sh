#!/usr/bin/env bash
# Builds dist/ and tests the wheel in an empty environment. Refuses a version without a section in CHANGELOG.md.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${1:-python3}
version=$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
if ! grep -q "^## ${version//./\\.}\b" CHANGELOG.md; then
    echo "release: CHANGELOG.md has no section '## $version'; write one (what a user notices, in plain lines)" >&2
    exit 2
fi
if [ -n "$(git status --porcelain --untracked-files=no)" ]; then
    echo "release: files differ from the last commit; commit or restore them first" >&2
    exit 2
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
constraints=$PWD/constraints.txt
"$python" -m venv "$work/build"
"$work/build/bin/pip" install --quiet --disable-pip-version-check 'build>=1.2,<2' 'twine>=5,<8'
rm -rf dist
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct) "$work/build/bin/python" -m build --outdir dist . >"$work/log" ||
    { tail -20 "$work/log" >&2; exit 1; }
"$work/build/bin/twine" check --strict dist/*

"$python" -m venv "$work/empty"
"$work/empty/bin/pip" install --quiet --disable-pip-version-check -c "$constraints" "$(echo "$PWD"/dist/*.whl)[simulation]"
cd "$work" # from here the code of the clone cannot be imported
env -u PYTHONPATH "$work/empty/bin/uncia-simulate" --version
env -u PYTHONPATH "$work/empty/bin/uncia-simulate" --out "$work/out" --json "$work/outcome.json"
"$work/empty/bin/python" - "$work/outcome.json" <<'PYTHON'
import json, sys
totals = json.load(open(sys.argv[1]))["totals"]
assert totals["positive"] == totals["delivered"] == 2, totals
PYTHON
echo "release: $version is in dist/"
