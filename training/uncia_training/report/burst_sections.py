"""The sections of the report's page about single bursts: the effect of regions, and bursts not used for training.

Decides the words and tables; the figures are made by `burst_table`.
"""

from uncia_training.report.tables import Content, count, figure, table, text

MOST_BURSTS, MOST_FRAMES = 40, 12


def regions(content: Content) -> str:
    """HTML of the effect of regions, on the bursts in which they were found; empty if there is none."""
    found = content["regions"]
    if found is None:
        return ""
    right, bursts = found["right"], found["sequences"]
    return (
        "<h2>Effect of regions</h2>"
        f"<p>A region is the part of a picture that changes between the frames of a burst. Regions were found in "
        f"{found['pictures']} pictures of {bursts} bursts; all other pictures are scored as a whole in both cases. On "
        f"these {bursts} bursts uncia is right in {count(right['with'])} with regions and in {count(right['without'])} "
        f"without. Regions change the scores of {_change(found['positives'], 'positive')} and of "
        f"{_change(found['negatives'], 'negative')}; the first should rise, the second should not.</p>"
        + _bursts_with_regions(found["bursts"])
    )


def _change(gain: Content, what: str) -> str:
    shown = {"by": gain["raised_by"], "by_interval": gain["raised_by_interval"]}
    bursts = gain["sequences"]
    if not bursts:
        return f"no {what} burst"
    return f"{bursts} {what} burst{'s' * (bursts > 1)} by {figure(shown, 'by', 3, True)}"


def _bursts_with_regions(bursts: list[Content]) -> str:
    """A table of bursts, those with the largest change of the score first."""
    ordered = sorted(bursts, key=lambda one: -abs(one["with"] - one["without"]))
    rows = [
        [
            _named(one),
            text(one["label"]),
            f"{one['frames_with_region']} of {one['frames']}",
            f"{one['without']:.2f}",
            f"{one['with']:.2f}",
        ]
        for one in ordered[:MOST_BURSTS]
    ]
    more = len(bursts) - MOST_BURSTS
    return table(["burst", "shows", "frames with a region", "score, whole frames", "score, regions"], rows) + (
        f'<p class="note">And {more} more in report.json.</p>' if more > 0 else ""
    )


def _named(burst: Content) -> str:
    never = "<small>not used for training</small>" if burst["never_learnt_from"] else ""
    return _title(burst) + never


def _title(burst: Content) -> str:
    """The sequence's id, after its source unless the id begins with it."""
    source, sequence = burst["source"], burst["sequence"]
    return text(sequence if sequence.startswith(source) else f"{source} {sequence}")


def never_learnt_from(content: Content) -> str:
    """HTML of each system's scores of the pictures of split `test`; empty if there are none."""
    found = content["never_learnt_from"]
    if found is None:
        return ""
    rows = [[text(one["name"]), *_counts(one["frames"]), *_counts(one["sequences"])] for one in found["systems"]]
    over = '<tr class="over"><th></th><th colspan="2">frames</th><th colspan="2">sequences</th></tr>'
    shown = "".join(_burst(one) for one in found["bursts"][:MOST_BURSTS])
    return (
        "<h2>Not used for training</h2>"
        f"<p>{found['pictures']} pictures of split <i>test</i>, in {found['sequences']} "
        f"{'sequence' if found['sequences'] == 1 else 'sequences'}: in no fold were they used for a fit, a penalty or "
        "a threshold. The figures and the scores of single bursts are means over the fits of all folds.</p>"
        + table(["system", "found", "false alarms", "found", "false alarms"], rows, over)
        + shown
    )


def _counts(figures: Content) -> list[str]:
    """The positives found, such as `3 of 4`, and the false alarms of the negatives; means over the fits."""
    positives, negatives = figures["positives"], figures["n"] - figures["positives"]
    shares = ((figures["recall"], positives), (figures["false_positive_rate"], negatives))
    return [f"{count(share * many)} of {many}" if many else "\N{EN DASH}" for share, many in shares]


def _burst(burst: Content) -> str:
    """A table of one sequence: each system's score of each frame and of the sequence."""
    frames = min(burst["frames"], MOST_FRAMES)
    rows = [
        [
            text(one["system"]),
            *[f"{score:.2f}" for score in one["frames"][:frames]],
            f"<b>{one['sequence']:.2f}</b>",
            "alarm" if one["alarm"] else "none",
        ]
        for one in burst["scores"]
    ]
    more = f", the first {frames} of {burst['frames']} frames" if frames < burst["frames"] else ""
    titles = ["system", *[f"frame {number}" for number in range(1, frames + 1)], "sequence", "alarm"]
    return f"<h3>{_title(burst)}: {text(burst['label'])}{more}</h3>{table(titles, rows)}"
