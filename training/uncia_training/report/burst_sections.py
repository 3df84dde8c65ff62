"""The sections of the report's page that tell of single bursts: what regions bring, and bursts never learnt from.

Decides the words and tables; what is told is `burst_table`.
"""

from uncia_training.report.tables import Content, count, figure, table, text

MOST_BURSTS, MOST_FRAMES = 40, 12


def regions(content: Content) -> str:
    """What regions bring, on the bursts in which they were found."""
    found = content["regions"]
    if found is None:
        return ""
    right, bursts = found["right"], found["sequences"]
    return (
        "<h2>What regions bring</h2>"
        f"<p>A burst finds its own animal: what changes between its frames. Regions were found in {found['pictures']} "
        f"pictures of {bursts} bursts; all other pictures are scored as a whole either way. On these {bursts} bursts "
        f"uncia is right in {count(right['with'])} with regions and in {count(right['without'])} without. Regions "
        f"change the scores of {_change(found['positives'], 'with what is looked for')} and of "
        f"{_change(found['negatives'], 'without it')}; the first should rise, the second should not.</p>"
        + _bursts_with_regions(found["bursts"])
    )


def _change(gain: Content, what: str) -> str:
    shown = {"by": gain["raised_by"], "by_interval": gain["raised_by_interval"]}
    bursts = gain["sequences"]
    if not bursts:
        return f"no burst {what}"
    return f"{bursts} burst{'s' * (bursts > 1)} {what} by {figure(shown, 'by', 3, True)}"


def _bursts_with_regions(bursts: list[Content]) -> str:
    """Those whose score regions change most first."""
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
    never = "<small>never learnt from</small>" if burst["never_learnt_from"] else ""
    return _title(burst) + never


def _title(burst: Content) -> str:
    """The sequence, behind its source where it does not begin with it."""
    source, sequence = burst["source"], burst["sequence"]
    return text(sequence if sequence.startswith(source) else f"{source} {sequence}")


def never_learnt_from(content: Content) -> str:
    """What each system says of the pictures of split `test`."""
    found = content["never_learnt_from"]
    if found is None:
        return ""
    rows = [[text(one["name"]), *_counts(one["frames"]), *_counts(one["sequences"])] for one in found["systems"]]
    over = '<tr class="over"><th></th><th colspan="2">frames</th><th colspan="2">sequences</th></tr>'
    shown = "".join(_burst(one) for one in found["bursts"][:MOST_BURSTS])
    return (
        "<h2>Never learnt from</h2>"
        f"<p>{found['pictures']} pictures of split <i>test</i>, in {found['sequences']} "
        f"{'sequence' if found['sequences'] == 1 else 'sequences'}: in no fold did a fit, a penalty or a threshold see "
        "them. Figures are means over the fits of all folds, and so are the scores of the single bursts.</p>"
        + table(["system", "found", "false alarms", "found", "false alarms"], rows, over)
        + shown
    )


def _counts(figures: Content) -> list[str]:
    """Such as `3 of 4` positives found, and how many of the negatives were; means over the fits."""
    positives, negatives = figures["positives"], figures["n"] - figures["positives"]
    shares = ((figures["recall"], positives), (figures["false_positive_rate"], negatives))
    return [f"{count(share * many)} of {many}" if many else "\N{EN DASH}" for share, many in shares]


def _burst(burst: Content) -> str:
    """One sequence: what each system gives each of its frames, and the whole."""
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
