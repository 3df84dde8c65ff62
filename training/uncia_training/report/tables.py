"""Makes the report's tables as HTML: cells with intervals, and text of a data set escaped."""

import html
from collections.abc import Iterable, Sequence
from typing import Any

Content = dict[str, Any]


def cell(figures: Content, name: str, digits: int = 3, signed: bool = False) -> str:
    """HTML of a figure, with its interval below it."""
    value, _, spread = figure(figures, name, digits, signed).partition(" ")
    return value + (f"<small>{spread}</small>" if spread else "")


def table(
    titles: Sequence[str],
    rows: Iterable[Sequence[str]],
    over: str = "",
    ours: Sequence[bool] | None = None,
    wordy: int | None = None,
) -> str:
    """HTML of a table; `over` is a row above the titles, `ours` marks rows, column number `wordy` has sentences."""

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
    """A number of items, which can be the mean of the deals: `12` or `12.5`."""
    return f"{round(value, 1):g}"


def text(value: object) -> str:
    """Any value as text, escaped for HTML."""
    return html.escape(str(value))


def figure(figures: Content, name: str, digits: int = 3, signed: bool = False) -> str:
    """One figure with its interval, or a dash if it is None; `signed` adds the sign of a difference."""
    value, spread = figures.get(name), figures.get(f"{name}_interval")
    if value is None:
        return "–"
    ends = f" ({_number(spread[0], digits, signed)} to {_number(spread[1], digits, signed)})" if spread else ""
    return _number(value, digits, signed) + ends


def _number(value: float, digits: int, signed: bool) -> str:
    rounded = round(value, digits) + 0.0  # no minus before a zero
    return f"{rounded:{'+' if signed and rounded else ''}.{digits}f}".replace("-", "\N{MINUS SIGN}")
