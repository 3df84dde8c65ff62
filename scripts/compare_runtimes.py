"""Compare two runs of score_runtime.py; exit code 1 and the reason if the two runtimes differ too much.

1. The probabilities of 99 % of the pictures differ by at most 2/256, and those of all by at most 6/256.
2. No sequence's verdict changes, unless the first run's confidence is within 0.03 of the threshold.
"""

import sys
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

MOST_OF_99_PERCENT, MOST, MARGIN = 2.0, 6.0, 0.03  # the first two in steps of 1/256


def main() -> int:
    """Compare the files A.npz and B.npz of the command line; return the exit code."""
    a, b = (dict(np.load(argument)) for argument in sys.argv[1:3])
    if any(not np.array_equal(a[part], b[part]) for part in ("bundle", "pictures")):
        print("compare_runtimes: expected the same bundle and pictures in both runs", file=sys.stderr)
        return 2
    for line in described(a, b):
        print(line)
    broken = list(problems(a, b))
    for problem in broken:
        print(f"compare_runtimes: {problem}", file=sys.stderr)
    return int(bool(broken))


def described(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each measured difference."""
    steps, apart = np.abs(a["features"] - b["features"]).round(), _apart(a, b)
    yield f"features: at most {steps.max():.0f} quantisation steps apart, {(steps == 0).mean():.2%} equal"
    yield (
        f"probabilities ({len(apart)} pictures): 99 % within {np.quantile(apart, 0.99):.3f}/256, "
        f"at most {apart.max():.3f}/256"
    )
    largest = np.abs(a["confidences"] - b["confidences"]).max()
    yield f"sequences ({len(a['confidences'])}): at most {largest:.5f} apart, {_changed(a, b).sum()} verdicts changed"


def problems(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each broken rule, with the measured value."""
    apart = _apart(a, b)
    usual = float(np.quantile(apart, 0.99))
    if not usual <= MOST_OF_99_PERCENT:
        yield f"99 % of probabilities lie within {usual:.2f}/256, expected within {MOST_OF_99_PERCENT:g}/256 (#1)"
    if not apart.max() <= MOST:
        yield f"a probability is {apart.max():.2f}/256 off, expected at most {MOST:g}/256 (#1)"
    far = _changed(a, b) & ~(np.abs(a["confidences"] - float(a["threshold"])) <= MARGIN)
    if far.any():
        yield f"{far.sum()} verdicts change that are not within {MARGIN} of the threshold (#2)"


def _apart(a: Mapping[str, Any], b: Mapping[str, Any]) -> Any:
    return np.abs(a["probabilities"] - b["probabilities"]) * 256


def _changed(a: Mapping[str, Any], b: Mapping[str, Any]) -> Any:
    threshold = float(a["threshold"])
    return (a["confidences"] >= threshold) != (b["confidences"] >= threshold)


if __name__ == "__main__":
    sys.exit(main())
