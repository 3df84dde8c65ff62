#!/bin/bash
# Runs the starter bundle's probes and tests of the contract and the trap in an emulated arm64 userland: on bookworm all,
# on trixie those that depend on the processor, the interpreter or numpy (docs/runtimes.md says which and why).
# Needs root, Debian's debootstrap, qemu-user-static and binfmt-support, and the package index: up to 30 minutes.
# Fails rather than skips: a test that is skipped there counts as failed (tests/conftest.py). The userland is unpacked,
# not configured: its maintainer scripts would take longer than the tests. RELEASE is the Debian below Raspberry Pi OS:
# bookworm (Python 3.11, the default) or trixie (3.13). WORK names where it is kept (default: ./runs/arm64-RELEASE, made
# again only when it is incomplete or another one is asked for), MIRROR which mirror of Debian is asked.
set -euo pipefail
cd "$(dirname "$0")/.."
started=$SECONDS
RELEASE=${RELEASE:-bookworm}
WORK=${WORK:-$PWD/runs/arm64-$RELEASE}
ROOT=$WORK/root
PIP=${PIP:-.venv/bin/python -m pip}
SYSTEM=python3,mosquitto,openssl,tcc,libc6-dev
# What the emulated processor can do, as the Raspberry Pi 4's (Cortex-A72). By default qemu offers more than any Pi has;
# of that, qemu 7.2 emulates SME wrongly, and XNNPACK's kernels for it score nonsense (docs/decisions/0007-runtimes.md).
CPU=${CPU:-cortex-a72}
PACKAGES="numpy pillow msgspec ai-edge-litert paho-mqtt cryptography watchdog gpiozero pytest hypothesis"
EVERY_TEST="tests/contract tests/edge"
PROVING="tests/contract/model/test_classifier.py tests/contract/pictures/test_preprocessing.py \
tests/contract/scoring/test_schema_1.py tests/edge/test_footprint.py::test_all_of_the_trap_imports_on_numpy_2 \
tests/edge/test_footprint.py::test_the_trap_imports_nothing_of_the_workstation \
tests/edge/cli/test_card.py::test_a_card_becomes_sequences_a_table_and_megadetector_json"

fail() { echo "test-arm64: $*" >&2; exit 1; }
say() { echo "test-arm64: $* ($((SECONDS - started)) s)"; }

case $RELEASE in
    bookworm) PYTHON=3.11 GLIBC="34 28 27 17" TESTS=${TESTS:-$EVERY_TEST} ;;
    trixie) PYTHON=3.13 GLIBC="41 39 38 34 28 27 17" TESTS=${TESTS:-$PROVING} ;;
    *) fail "no release $RELEASE; expected bookworm or trixie" ;;
esac
[ "$(id -u)" = 0 ] || fail "needs root (debootstrap, mounts, chroot); run it as root"
for tool in debootstrap dpkg-deb unshare chroot qemu-aarch64-static; do
    command -v "$tool" > /dev/null || fail "$tool is missing; apt-get install debootstrap qemu-user-static binfmt-support"
done
BINFMT=/proc/sys/fs/binfmt_misc
[ -e $BINFMT/status ] || mount -t binfmt_misc binfmt_misc $BINFMT || fail "cannot mount binfmt_misc"
[ -e $BINFMT/qemu-aarch64 ] || command -v update-binfmts > /dev/null \
    || fail "update-binfmts is missing, and qemu-aarch64 is not registered; apt-get install binfmt-support"
[ -e $BINFMT/qemu-aarch64 ] || update-binfmts --enable qemu-aarch64 || fail "qemu-aarch64 is not registered with binfmt"

wanted="$RELEASE $SYSTEM $PACKAGES $(sha256sum constraints.txt)"
if [ "$(cat "$WORK/complete" 2> /dev/null)" != "$wanted" ]; then
    rm -rf "$WORK"
    mkdir -p "$WORK"
    say "fetching Debian's $RELEASE for arm64"
    debootstrap --arch=arm64 --variant=minbase --foreign --include=$SYSTEM "$RELEASE" "$ROOT" ${MIRROR:+"$MIRROR"} \
        > "$WORK/debootstrap.log" || fail "debootstrap failed; see $WORK/debootstrap.log"
    for package in "$ROOT"/var/cache/apt/archives/*.deb; do dpkg-deb -x "$package" "$ROOT"; done
    say "fetching aarch64 wheels"
    platforms=(--platform manylinux2014_aarch64)
    for minor in $GLIBC; do platforms+=(--platform "manylinux_2_${minor}_aarch64"); done
    # shellcheck disable=SC2086
    $PIP install --quiet --disable-pip-version-check -c constraints.txt --target "$ROOT/opt/uncia" \
        --only-binary=:all: --python-version "$PYTHON" --implementation cp --abi "cp${PYTHON/./}" --abi abi3 --abi none \
        "${platforms[@]}" $PACKAGES || fail "an aarch64 wheel is missing"
    ln -sf tcc "$ROOT/usr/bin/cc"
    echo "$wanted" > "$WORK/complete"
fi

# What Linux says of a Raspberry Pi 4 (Cortex-A72). Without it XNNPACK's cpuinfo reads the host's and crashes.
for core in 0 1 2 3; do
    printf 'processor\t: %s\nBogoMIPS\t: 108.00\nFeatures\t: fp asimd evtstrm crc32 cpuid\n' "$core"
    printf 'CPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x0\nCPU part\t: 0xd08\nCPU revision\t: 3\n\n'
done > "$WORK/cpuinfo"

say "running the tests in it (Python $PYTHON)"
mkdir -p "$ROOT/work/uncia" "$ROOT/work/shared"
export WORK ROOT TESTS CPU PWD
unshare --mount --propagation private bash -euo pipefail -c '
    mount --bind "$PWD" "$ROOT/work/uncia"
    if [ -d "$PWD/../shared" ]; then mount --bind -o ro "$PWD/../shared" "$ROOT/work/shared"; fi
    mount -t proc proc "$ROOT/proc"
    mount -t sysfs sysfs "$ROOT/sys"
    mount --bind "$WORK/cpuinfo" "$ROOT/proc/cpuinfo"
    mount -t tmpfs tmpfs "$ROOT/tmp"
    mount --bind /dev "$ROOT/dev"
    exec chroot "$ROOT" /usr/bin/env -i PATH=/usr/bin:/bin HOME=/tmp LANG=C.UTF-8 UNCIA_ARM64=1 QEMU_CPU="$CPU" \
        PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=/opt/uncia:/work/uncia/contract:/work/uncia/edge \
        sh -ec "cd /work/uncia; exec scripts/test-arm64-inside.sh $TESTS"
' || fail "failed in the arm64 userland"
say "done"
[ $((SECONDS - started)) -lt 1800 ] || fail "took $((SECONDS - started)) s, expected under 1800"
