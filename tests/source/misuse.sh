#!/bin/sh
# SPDX-License-Identifier: MIT
# Each function of the SDK is called wrongly by some test (build-aux/check-misuse),
# and a breach is seen.
set -eu
source=${CLUSTERD_SOURCE:-.}
check=$source/build-aux/check-misuse

"$check" "$source" || exit 1

tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
mkdir -p "$tree/daemon/plugin" "$tree/tests/plugins/misuse" "$tree/tests/system"
printf 'API(const char *, one, (void), ())\nAPI_OWN(two)\n' >"$tree/daemon/plugin/api.def"
echo 'def test_two(cluster):' >"$tree/tests/system/test_a.py"

# expect STATUS ROWS ELSEWHERE
expect() {
	echo "$2" >"$tree/tests/plugins/misuse/a.def"
	echo "$3" >"$tree/tests/plugins/misuse/elsewhere"
	status=0
	"$check" "$tree" >/dev/null || status=$?
	[ $status -eq "$1" ] || { echo "status $status: $2, $3"; exit 1; }
}
thread='
THREAD(one, 0, 0, b)'
expect 0 "ROW(one, a, 0, 0, b)$thread" 'two test_a.py::test_two'
expect 0 "DEAD(one, REQUEST, 0, 0, b)$thread" 'two test_a.py::test_two'
expect 0 "PHASE(START, one, 0, b)$thread" 'two test_a.py::test_two'
expect 1 "ROW(one, a, 0, 0, b)$thread" ''
expect 1 '' 'two test_a.py::test_two'
expect 1 "$thread" 'two test_a.py::test_two'
expect 1 'ROW(one, a, 0, 0, b)' 'two test_a.py::test_two'
expect 1 "ROW(one, a, 0, 0, b)$thread" 'two test_a.py::test_three'
expect 1 "ROW(one, a, 0, 0, b)$thread" 'two test_b.py::test_two'
expect 1 "ROW(two, a, 0, 0, b)$thread" 'two test_a.py::test_two'
expect 1 "ROW(three, a, 0, 0, b)$thread" 'one test_a.py::test_two'
expect 1 "ROW(one, a, 0, 0, b)$thread
THREAD(two, 0, 0, b)" 'two test_a.py::test_two'
