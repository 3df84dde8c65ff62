"""How far two runs of score_runtime.py lie apart: feature steps, probabilities, verdicts."""

import sys

import numpy as np


def main() -> None:
    """A.npz B.npz."""
    a, b = (np.load(argument) for argument in sys.argv[1:3])
    steps = np.abs(a["features"] - b["features"]).round()
    apart = np.abs(a["probabilities"] - b["probabilities"]) * 256
    confidences = np.abs(a["confidences"] - b["confidences"])
    threshold = float(a["threshold"])
    changed = (a["confidences"] >= threshold) != (b["confidences"] >= threshold)
    print(f"features: at most {steps.max():.0f} quantisation steps apart, {(steps == 0).mean():.2%} equal")
    print(
        f"probabilities ({len(apart)} pictures): 99 % within {np.quantile(apart, 0.99):.3f}/256, "
        f"at most {apart.max():.3f}/256"
    )
    print(f"sequences ({len(confidences)}): at most {confidences.max():.5f} apart, {changed.sum()} verdicts changed")


if __name__ == "__main__":
    main()
