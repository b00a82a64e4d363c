# Helpers of tools/check: run a step, count its tests, keep its output for the end.
passed=0
failed=0
started=$SECONDS
logs=$(mktemp -d "${TMPDIR:-/tmp}/chancery-check.XXXXXX")

note() { printf '[%4ds] %s\n' $((SECONDS - started)) "$*"; }

# section NAME COMMAND...: one step that counts as one test.
section() {
    local name=$1 log="$logs/${1//[^a-z0-9]/_}.log"
    shift
    note "$name"
    if "$@" >"$log" 2>&1; then
        passed=$((passed + 1))
        return 0
    fi
    failed=$((failed + 1))
    note "FAILED: $name; end of its output:"
    tail -n 40 "$log"
    return 1
}

# build PRESET [TARGET...]
build() {
    local preset=$1
    shift
    cmake --preset "$preset" -Wno-dev >/dev/null && cmake --build --preset "$preset" -j2 ${1:+--target "$@"}
}

# count_ctest FILE: adds the counts of a ctest run (JUnit) to the totals.
count_ctest() {
    local total bad
    [ -s "$1" ] || { failed=$((failed + 1)); note "FAILED: no test ran"; return; }
    total=$(sed -n 's/.*<testsuite[^>]*tests="\([0-9]*\)".*/\1/p;s/^[[:space:]]*tests="\([0-9]*\)".*/\1/p' "$1" | head -n 1)
    bad=$(grep -c '<testcase .*status="\(fail\|notrun\|disabled\)"' "$1")
    [ "${total:-0}" -gt 0 ] || { failed=$((failed + 1)); note "FAILED: no test ran"; return; }
    passed=$((passed + total - bad))
    failed=$((failed + bad))
}

# tests NAME PRESET LABELS [PRESET LABELS ...]
tests() {
    local name=$1 preset labels report
    shift
    note "tests: $name"
    while [ $# -gt 0 ]; do
        preset=$1 labels=$2
        shift 2
        report="$logs/$preset-${labels//[^a-z]/_}.xml"
        ctest --test-dir "build/$preset" -j2 -L "$labels" --output-on-failure --output-junit "$report" \
            --no-tests=error >"$report.log" 2>&1
        count_ctest "$report"
        grep -E '^ *[0-9]+ - |Failed|\*\*\*' "$report.log" | grep -vE 'Passed' | tail -n 30
        if ! grep -q '100% tests passed' "$report.log"; then
            tail -n 120 "$report.log"
        fi
    done
}

# fuzz_smoke SECONDS: runs each fuzz target that long over its corpus; a crash fails.
fuzz_smoke() {
    local seconds=$1 target name
    note "fuzz smoke run"
    local found=0
    for target in build/fuzz/fuzz/fuzz_*; do
        [ -x "$target" ] || continue
        found=1
        name=${target##*/}
        mkdir -p "$logs/corpus/$name"
        local seeds=()
        [ -d "tests/fuzz/corpus/$name" ] && seeds=("tests/fuzz/corpus/$name")
        if "$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=8192 \
            -artifact_prefix="$logs/" "$logs/corpus/$name" "${seeds[@]}" >"$logs/$name.log" 2>&1; then
            passed=$((passed + 1))
        else
            failed=$((failed + 1))
            note "FAILED: $name"
            tail -n 30 "$logs/$name.log"
        fi
    done
    [ $found -eq 1 ] || { failed=$((failed + 1)); note "FAILED: no fuzz target was built"; }
}

finish() {
    note "logs: $logs"
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
    exit $?
}
