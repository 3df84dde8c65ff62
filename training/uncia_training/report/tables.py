"""The report's tables as HTML: cells with their intervals, nothing that a data set says taken for markup."""

import html
from collections.abc import Iterable, Sequence
from typing import Any

Content = dict[str, Any]


def cell(figures: Content, name: str, digits: int = 3, signed: bool = False) -> str:
    """A figure, and its interval below it."""
    value, _, spread = figure(figures, name, digits, signed).partition(" ")
    return value + (f"<small>{spread}</small>" if spread else "")


def table(
    titles: Sequence[str],
    rows: Iterable[Sequence[str]],
    over: str = "",
    ours: Sequence[bool] | None = None,
    wordy: int | None = None,
) -> str:
    """A table; `over` is a row above the titles, `ours` marks rows, the column number `wordy` holds sentences."""

    def cells(tag: str, row: Sequence[str]) -> str:
        return "".join(
            f"<{tag}{' class=text' if number == wordy else ''}>{shown}</{tag}>" for number, shown in enumerate(row)
        )

    body = "".join(
        f"<tr{' class=ours' if ours and ours[number] else ''}>{cells('td', row)}</tr>"
        for number, row in enumerate(rows)
    )
    head = cells("th", titles)
    return f'<div class="wide"><table><thead>{over}<tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def count(value: float) -> str:
    """How many, mean of the deals: `12` or `12.5`."""
    return f"{round(value, 1):g}"


def text(value: object) -> str:
    """Anything as text that HTML shows as it is."""
    return html.escape(str(value))


def figure(figures: Content, name: str, digits: int = 3, signed: bool = False) -> str:
    """One figure with its interval, or a dash; `signed` shows which way a difference goes."""
    value, spread = figures.get(name), figures.get(f"{name}_interval")
    if value is None:
        return "–"
    ends = f" ({_number(spread[0], digits, signed)} to {_number(spread[1], digits, signed)})" if spread else ""
    return _number(value, digits, signed) + ends


def _number(value: float, digits: int, signed: bool) -> str:
    rounded = round(value, digits) + 0.0  # no minus before a zero
    return f"{rounded:{'+' if signed and rounded else ''}.{digits}f}".replace("-", "\N{MINUS SIGN}")
