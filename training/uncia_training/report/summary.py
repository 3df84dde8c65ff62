"""The report in a few sentences, for who reads no further.

Decides what is said first: how many of what is looked for are found, at how many false alarms; how systems rank, and
which of them these data cannot tell apart; and that sources may have been told apart in place of animals.
"""

from uncia_training.comparison.systems import OURS
from uncia_training.fitting.resampling import AT_1_PERCENT, FALSE_POSITIVE_RATE
from uncia_training.report.tables import Content, count, figure, text

TITLES = {
    AT_1_PERCENT: "recall of sequences at 1 % false alarms",
    "average_precision": "average precision of sequences",
}
NEARLY_ALL = 0.9  # of the positives in one source: then a source tells the class


def summary(content: Content, name: str) -> str:
    """Of the system that is shown, as a list."""
    shown = next(one for one in content["systems"] if one["name"] == name)
    lines = [_found(shown, content), *_ranks(content, shown), *_one_source(shown), *_unseen(content, name)]
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


def _ranks(content: Content, shown: Content) -> list[str]:
    """By each figure the systems from the best on, and which pairs of them the data cannot tell apart."""
    figures = shown["sequences"]
    negatives = figures["n"] - figures["positives"]
    lines = []
    for key, found in content["ranking"].items():
        if len(found["systems"]) < 2:
            continue
        order = ", ".join(f"{text(one['name'])} {figure(one, 'value')}" for one in found["systems"])
        most = f" (at most {int(FALSE_POSITIVE_RATE * negatives)} of {negatives})" if key == AT_1_PERCENT else ""
        lines.append(f"By {TITLES[key]}{most}: {order}. {_told(found['systems'], found['pairs'])}")
    return lines


def _told(systems: list[Content], pairs: list[Content]) -> str:
    """Of each system, those below it that the data cannot tell it from."""
    if all(one["told_apart"] for one in pairs):
        return "The data tell all of them apart."
    if not any(one["told_apart"] for one in pairs):
        return "The data cannot tell any two of them apart."
    equal = {
        system["name"]: [one["other"] for one in pairs if one["one"] == system["name"] and not one["told_apart"]]
        for system in systems
    }
    parts = [f"{text(name)} from {text(', '.join(others))}" for name, others in equal.items() if others]
    return f"The data cannot tell {'; nor '.join(parts)}."


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
