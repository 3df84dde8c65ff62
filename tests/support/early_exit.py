"""Early exit in the trap's order of scoring, from given scores."""

from collections.abc import Callable

from uncia_contract.bursts.decisions import Decision, DecisionRule, EarlyExit


def decide_early(score: Callable[[int], float], frames: int, rule: DecisionRule) -> tuple[Decision, dict[int, float]]:
    """The verdict, equal to that of scoring every frame, with the fewest scored frames.

    Args:
        score: gives the calibrated probability of the frame with that index.
        frames: how many the sequence has.
        rule: the bundle's.

    Returns:
        The verdict, and the scores by index of the frames that were scored.
    """
    early_exit = EarlyExit(range(frames), rule)
    while certain := early_exit.certain():
        early_exit.scores[certain[0]] = score(certain[0])
    return early_exit.decide(), early_exit.scores
