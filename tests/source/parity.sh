#!/bin/sh
# SPDX-License-Identifier: MIT
# doc/node-parity.md and the tests that show its rows agree
# (build-aux/check-parity), and a breach is seen.
set -eu
source=${CLUSTERD_SOURCE:-.}
check=$source/build-aux/check-parity

"$check" "$source" || exit 1

tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
mkdir -p "$tree/doc" "$tree/tests"
cat >"$tree/tests/test_a.py" <<'EOT'
@shows("node-C1")
@pytest.mark.parametrize("how", [pytest.param(1, marks=shows("node-C2"))])
def test_one(cluster):
EOT
# written in two parts, so that this file shows nothing itself
word=shows
echo "/* a.c: something.  $word: node-C3 */" >"$tree/tests/a.c"

accepted() {
	echo "$1" >"$tree/doc/node-parity.md"
	"$check" "$tree" >/dev/null || { echo "refused: $1"; exit 1; }
}
refused() {
	echo "$1" >"$tree/doc/node-parity.md"
	! "$check" "$tree" >/dev/null || { echo "not seen: $1"; exit 1; }
}

# shellcheck disable=SC2016	# backquotes of the page
{
accepted '| C1 | in Node | here | now | `test_a.py::test_one` |'
accepted '| C2 | in Node | here | now | `test_a.py::test_one` |'
accepted '| C3 | in Node | here | now | `a.c` |'
accepted '| C4 | in Node | here | now | missing: all of it |'
accepted '| C1 | in Node | here | now | `test_a.py::test_one`, missing: the rest |'
accepted '| C1 | in Node | here | now | `test_a.py::test_one`, missing: that `x` shows it |'
accepted '| C4 | in Node | a reason | never | |'
refused '| C4 | in Node | here | now | |'
refused '| C4 | in Node | here | now | `test_a.py::test_one` |'
refused '| C1 | in Node | here | now | `test_a.py::test_two` |'
refused '| C1 | in Node | here | now | `test_a.py::test_one`, `a.c` |'
refused '| C4 | in Node | | never | |'
refused '| C4 | in Node | here | soon | |'
refused '| C4 | in Node | here | now |'
}
