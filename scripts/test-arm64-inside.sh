#!/bin/sh
# Called by scripts/test-arm64.sh in the emulated userland: runs the starter bundle's probes, then the tests of the named
# folders and files and the named tests (FILE::TEST), in two processes at once, because an emulated process uses only one
# core.
set -e
python3 scripts/check_probes.py models/snow-leopard-starter-2.uncia
named() { for one; do case $one in *::*) echo "$one" ;; *) find "$one" -name 'test_*.py' ;; esac; done | sort; }
running="" failed=0
for half in 1 2; do
    log=/tmp/half-$half.log
    files=$(named "$@" | sed -n "$half~2p")
    [ -n "$files" ] || continue
    # shellcheck disable=SC2086
    python3 -m pytest -q -p no:cacheprovider -m "not slow and not faults and not hardware" --durations=5 \
        --deselect tests/contract/archive/test_result_writers.py::test_megadetector_utils_accepts_the_file $files \
        > "$log" 2>&1 &
    running="$running $!:$log"
done
for one in $running; do
    wait "${one%%:*}" || failed=1
    cat "${one#*:}"
done
exit $failed
