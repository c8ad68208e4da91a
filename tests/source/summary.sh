#!/bin/sh
# SPDX-License-Identifier: MIT
# The last line of `./setup test' tells the truth: counts, failures without a
# result, and the status.
set -eu
summary=${CLUSTERD_SOURCE:-.}/build-aux/summary
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# expect STATUS LINE FILE...
expect() {
	status=0
	wanted_status=$1 wanted=$2
	shift 2
	line=$("$summary" "$@" | tail -n 1) || true
	"$summary" "$@" >/dev/null || status=$?
	[ "$status $line" = "$wanted_status $wanted" ] || {
		echo "wanted: $wanted_status $wanted; got: $status $line"
		exit 1
	}
}

printf ':test-result: PASS\n' >"$dir/good.trs"
printf ':test-result: SKIP\n' >"$dir/skip.trs"
printf ':test-result: FAIL\n' >"$dir/bad.trs"
cat >"$dir/py.xml" <<'EOT'
<?xml version="1.0"?><testsuites><testsuite tests="4"><testcase classname="a" name="one" time="0" /><testcase classname="a" name="two" time="0"><failure message="x &lt;testcase ">text
more text</failure><system-out>words</system-out></testcase><testcase classname="a" name="three"><skipped type="pytest.skip" message="no">x</skipped></testcase><testcase classname="a" name="four"><error message="at teardown">x</error></testcase></testsuite></testsuites>
EOT

expect 0 '1 passed, 0 failed, 0 skipped' "$dir/good.trs"
expect 0 '1 passed, 0 failed, 1 skipped' "$dir/good.trs" "$dir/skip.trs"
expect 1 '1 passed, 1 failed, 0 skipped' "$dir/good.trs" "$dir/bad.trs"
expect 1 '2 passed, 2 failed, 1 skipped' "$dir/good.trs" "$dir/py.xml"
expect 1 '1 passed, 1 failed, 0 skipped' "$dir/good.trs" "$dir/absent.xml"
expect 1 '0 passed, 0 failed, 0 skipped'
expect 1 '0 passed, 0 failed, 1 skipped' "$dir/skip.trs"

# what failed is named
for name in 'FAILED a::two' 'FAILED a::four'; do
	"$summary" "$dir/py.xml" | grep -qx "$name" || { echo "not named: $name"; exit 1; }
done
