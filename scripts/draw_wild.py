"""Draw docs/wild.svg: how many wild snow leopards the starter bundle finds, and its false alarms.

The counts are from the table "live order" of the bundle's card; the lines are exact 95 % intervals.
Usage: python scripts/draw_wild.py
"""

import re
from html import escape
from pathlib import Path

from uncia_training.fitting.intervals import exact

ROOT = Path(__file__).resolve().parents[1]
CARD = ROOT / "models" / "snow-leopard-starter-2.md"
WIDTH, ROW, LEFT, RIGHT = 900, 26, 380, 760
FOUND = (  # first cell of the card's row, words of the picture; the count is in the third column
    ("bursts of three frames and more", "bursts of three frames and more"),
    ("... by day", "– by day"),
    ("... infrared", "– infrared"),
    ("one or two frames", "one or two frames"),
    ("... white flash", "– white flash"),
    ("... infrared", "– infrared"),
)
FALSE_ALARMS = (  # first cell, words; bursts and single pictures are two columns of the card
    ("nothing (fog, snow, flickering sun, infrared)", "nothing: fog, snow, sun"),
    ("livestock", "livestock"),
    ("deer", "deer"),
    ("predators and other animals", "predators and other animals"),
    ("single spotted cats: leopard cat, leopard, jaguar, cheetah", "leopard, jaguar, cheetah, ..."),
)
STYLE = """
text { font: 14px system-ui, 'DejaVu Sans', sans-serif; fill: #1d2429 }
.title { font-weight: 650; font-size: 16px } .note { font-size: 12.5px; fill: #55626c } .end { text-anchor: end }
.paper { fill: #fbfaf8; stroke: #d8d4cc } .grid { stroke: #d8d4cc } .found { stroke: #1f5f7a; fill: #1f5f7a }
.alarm { stroke: #b0491f; fill: #b0491f }
line.found, line.alarm { stroke-width: 5; stroke-opacity: .35; stroke-linecap: round }
@media (prefers-color-scheme: dark) {
.paper { fill: #12171c; stroke: #313b44 } .grid { stroke: #313b44 } text { fill: #e8edf1 } .note { fill: #a5b2bd }
.found { stroke: #4d9dbd; fill: #4d9dbd } .alarm { stroke: #e58a5f; fill: #e58a5f } }
"""


def counts(names: tuple[tuple[str, str], ...], column: int) -> list[tuple[str, int, int]]:
    """Words, hits and trials of each row of the card, in the card's order; a cell without a count is left out."""
    table = iter([cell.strip() for cell in line.split("|")] for line in CARD.read_text().splitlines())
    rows: list[tuple[str, int, int]] = []
    for first, words in names:
        cells = next(cells for cells in table if cells[1:2] == [first])
        told = re.match(r"(\d+)(?: of (\d+))?", cells[column])
        if told:
            trials = told[2] or re.findall(r" of (\d+)", cells[2])[0]
            rows.append((words, int(told[1]), int(trials)))
    return rows


def bar(row: tuple[str, int, int], y: int, kind: str) -> str:
    """One line: words, the interval, the share, the count."""
    words, hits, trials = row
    low, high = (LEFT + share * (RIGHT - LEFT) for share in exact(hits, trials))
    at = LEFT + hits / trials * (RIGHT - LEFT)
    indent = 60 if words[0] == "–" else 40
    return (
        f'<text x="{indent}" y="{y + 5}">{escape(words)}</text>'
        f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{y}" y2="{y}" class="{kind}"/>'
        f'<circle cx="{at:.1f}" cy="{y}" r="5.5" class="{kind}"/>'
        f'<text x="{WIDTH - 40}" y="{y + 5}" class="end">{hits} of {trials}</text>'
    )


def block(title: str, rows: list[tuple[str, int, int]], top: int, kind: str) -> tuple[str, int]:
    """A title and its lines, and where the next block begins."""
    lines = [f'<text x="24" y="{top + 5}" class="title">{title}</text>']
    lines += [bar(row, top + ROW * number, kind) for number, row in enumerate(rows, 1)]
    return "\n".join(lines), top + ROW * (len(rows) + 1) + 14


def picture() -> str:
    """The whole drawing as SVG."""
    found, second = block("Snow leopards found", counts(FOUND, 3), 62, "found")
    bursts, third = block("False alarms in bursts of", counts(FALSE_ALARMS, 2), second, "alarm")
    singles, bottom = block("False alarms in single pictures of", counts(FALSE_ALARMS, 3), third, "alarm")
    grid = "".join(
        f'<line x1="{x}" x2="{x}" y1="46" y2="{bottom - 24}" class="grid"/>'
        f'<text x="{x - 14}" y="36" class="note">{share} %</text>'
        for share in (0, 25, 50, 75, 100)
        for x in [LEFT + share * (RIGHT - LEFT) // 100]
    )
    note = "Dot: the counted share. Bar: its exact 95 % interval. The head was not trained on any of these pictures."
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom + 20}" role="img">\n'
        f"<title>Wild snow leopards that the starter bundle finds, and its false alarms</title>\n"
        f"<style>{STYLE}</style>\n"
        f'<rect class="paper" x="1" y="1" width="{WIDTH - 2}" height="{bottom + 18}" rx="12"/>\n{grid}\n'
        f'{found}\n{bursts}\n{singles}\n<text x="24" y="{bottom + 2}" class="note">{note}</text>\n</svg>\n'
    )


if __name__ == "__main__":
    (ROOT / "docs" / "wild.svg").write_text(picture(), encoding="utf-8")
