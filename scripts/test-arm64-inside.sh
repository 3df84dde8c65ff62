#!/bin/sh
# What scripts/test-arm64.sh runs in the emulated userland: the starter's probes, then the tests of each folder or file
# that is named, in a process of its own: emulation takes a core for each.
set -e
python3.11 scripts/check_probes.py models/snow-leopard-starter-1.uncia
running="" failed=0
for tests in "$@"; do
    log=/tmp/$(echo "$tests" | tr / -).log
    python3.11 -m pytest -q -p no:cacheprovider -m "not slow and not faults and not hardware" --durations=5 \
        --deselect tests/contract/test_result_writers.py::test_megadetector_utils_accepts_the_file "$tests" \
        > "$log" 2>&1 &
    running="$running $!:$log"
done
for one in $running; do
    wait "${one%%:*}" || failed=1
    cat "${one#*:}"
done
exit $failed
