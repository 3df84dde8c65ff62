"""The report in a few sentences, for who reads no further.

Decides what is said first: how many of what is looked for are found, at how many false alarms; how systems rank, and
which of them these data cannot tell apart; and that sources may have been told apart in place of animals.
"""

from uncia_training.comparison.systems import OURS
from uncia_training.report.ranking import ranking_lines
from uncia_training.report.tables import Content, count, figure, text

NEARLY_ALL = 0.9  # of the positives in one source: then a source tells the class


def summary(content: Content, name: str) -> str:
    """Of the system that is shown, as a list."""
    shown = next(one for one in content["systems"] if one["name"] == name)
    lines = [_found(shown, content), *map(text, ranking_lines(content)), *_one_source(shown), *_unseen(content, name)]
    return '<ul class="short">' + "".join(f"<li>{line}</li>" for line in lines) + "</ul>"


def _found(shown: Content, content: Content) -> str:
    figures, rate = shown["sequences"], content["settings"]["negatives_per_day"]
    positives, negatives = figures["positives"], figures["n"] - figures["positives"]
    found = count((figures["recall"] or 0.0) * positives)
    alarms = count((figures["false_positive_rate"] or 0.0) * negatives)
    int8 = ", in int8 as on the trap," if shown["name"] == OURS else ""
    return (
        f"<b>{text(shown['name'])}</b>{int8} finds {found} of {positives} sequences with what is looked for, and takes "
        f"{alarms} of {negatives} others for it: {figures['false_alarms_per_day']:.2f} false alarms a day where a trap "
        f"records {rate:.3g} other sequences a day."
    )


def _one_source(shown: Content) -> list[str]:
    """Where nearly all positives come from one source and others show none: what holds within that one."""
    sources = shown["sources"]
    name = max(sources, key=lambda source: sources[source]["positives"])
    own, positives = sources[name], sum(one["positives"] for one in sources.values())
    if own["positives"] < NEARLY_ALL * positives or all(one["positives"] for one in sources.values()):
        return []
    told = (
        f"{own['positives']} of {positives} pictures with what is looked for come from one source, {text(name)}: "
        "figures over all sources also reward telling sources apart."
    )
    if own["positives"] == own["n"]:
        return [f"{told} It shows nothing else, so that nothing here tells these two apart."]
    within = f"accuracy {figure(own, 'accuracy')}, ROC AUC {figure(own, 'roc_auc')}"
    return [f"{told} Within it, frames of {text(shown['name'])}: {within}."]


def _unseen(content: Content, name: str) -> list[str]:
    found = content["never_learnt_from"]
    if found is None:
        return []
    figures = next(one["sequences"] for one in found["systems"] if one["name"] == name)
    positives, negatives = figures["positives"], figures["n"] - figures["positives"]
    parts = []
    if positives:
        parts.append(f"finds {count(figures['recall'] * positives)} of {positives} with what is looked for")
    if negatives:
        parts.append(f"takes {count(figures['false_positive_rate'] * negatives)} of {negatives} others for it")
    return [f"Of the sequences that nothing learnt from, {text(name)} {' and '.join(parts)}."]
