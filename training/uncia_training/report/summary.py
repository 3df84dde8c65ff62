"""Summarizes the report in a few sentences.

Decides the first sentences: how many positive sequences are found, with how many false alarms; how systems rank, and
between which of them the data show no difference; and a warning if the source alone tells the class.
"""

from uncia_training.comparison.systems import OURS
from uncia_training.report.ranking import ranking_lines
from uncia_training.report.tables import Content, count, figure, text

NEARLY_ALL = 0.9  # with this share of the positives in one source, the source alone tells the class


def summary(content: Content, name: str) -> str:
    """HTML of the sentences about the system with this name, as a list."""
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
        f"<b>{text(shown['name'])}</b>{int8} finds {found} of {positives} positive sequences, with false alarms in "
        f"{alarms} of {negatives} negative ones: {figures['false_alarms_per_day']:.2f} false alarms a day if a trap "
        f"records {rate:.3g} negative sequences a day."
    )


def _one_source(shown: Content) -> list[str]:
    """A warning if nearly all positives are of one source and another has none, with the figures within that source."""
    sources = shown["sources"]
    name = max(sources, key=lambda source: sources[source]["positives"])
    own, positives = sources[name], sum(one["positives"] for one in sources.values())
    if own["positives"] < NEARLY_ALL * positives or all(one["positives"] for one in sources.values()):
        return []
    told = (
        f"{own['positives']} of {positives} positive pictures come from one source, {text(name)}: figures over all "
        "sources are also high for a system that recognizes the source, not the animal."
    )
    if own["positives"] == own["n"]:
        return [f"{told} This source has no negatives, so these data cannot show which of the two it is."]
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
        parts.append(f"finds {count(figures['recall'] * positives)} of {positives} positive ones")
    if negatives:
        parts.append(
            f"has {count(figures['false_positive_rate'] * negatives)} false alarms in {negatives} negative ones"
        )
    return [f"Of the sequences not used for training, {text(name)} {' and '.join(parts)}."]
