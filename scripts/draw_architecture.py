"""Draw docs/architecture.svg: packages and their sub-packages, in the order of their layers (pyproject.toml).

In a box, each part may import the parts below it. An arrow between boxes means "may import".
"""

import ast
import tomllib
from html import escape
from pathlib import Path
from textwrap import wrap

ROOT = Path(__file__).resolve().parents[1]
WIDTH, ROW, PAD = 272, 22, 12
LETTER, PURPOSE = 8, 140  # pixels of a letter of a part's name; letters that fit beside it
MACHINES = {
    "edge": "the trap",
    "collector": "the base station",
    "training": "the workstation",
    "converter": "the workstation",
    "backbones": "pretrained networks",
    "contract": "what two machines must agree on",
    "simulation": "all of it on a desktop",
}


def layers(package: str) -> list[str]:
    """The rows of a package's box: its layers from the top, each with the parts of that layer."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    for contract in contracts:
        if contract.get("containers") == [f"uncia_{package}"]:
            return [" · ".join(part.strip() for part in layer.split("|")) for layer in contract["layers"]]
    modules = sorted(path.stem for path in (ROOT / package / f"uncia_{package}").glob("*.py") if path.stem[0] != "_")
    return [" · ".join(modules[start : start + 2]) for start in range(0, len(modules), 2)]


def purpose(package: str, row: str) -> str:
    """The first docstring lines of a row's parts, shortened if they are too long together."""
    first_lines = []
    for part in row.split(" · "):
        place = ROOT / package / f"uncia_{package}" / part
        module = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
        first_lines.append((ast.get_docstring(ast.parse(module.read_text())) or "").splitlines()[0])
    if len(" ".join(first_lines)) > PURPOSE:
        first_lines = [line.split(":")[0].removesuffix(".") + "." for line in first_lines]
    return " ".join(first_lines)


def box(package: str, left: int, top: int, width: int) -> tuple[str, int]:
    """A package's box as SVG, and its height in pixels."""
    rows = [line for row in layers(package) for line in wrap(row, (width - 2 * PAD) // LETTER, subsequent_indent="  ")]
    height = PAD * 2 + 34 + ROW * len(rows)
    lines = [
        f'<rect x="{left}" y="{top}" width="{width}" height="{height}" rx="6" class="box"/>',
        f'<text x="{left + PAD}" y="{top + 24}" class="name">{package}</text>',
        f'<text x="{left + PAD}" y="{top + 40}" class="machine">{escape(MACHINES[package])}</text>',
    ]
    for number, row in enumerate(rows):
        y = top + 64 + number * ROW
        lines.append(f'<text x="{left + PAD}" y="{y}" class="part" xml:space="preserve">{escape(row)}</text>')
        if package == "contract":
            lines.append(f'<text x="{left + 216}" y="{y}" class="machine">{escape(purpose(package, row))}</text>')
    return "\n".join(lines), height


def arrow(x: int, above: int, below: int) -> str:
    """An arrow from a box down to one that it may import."""
    return f'<path d="M{x} {above} V{below - 8}" class="arrow" marker-end="url(#head)"/>'


def picture() -> str:
    """The whole drawing as SVG."""
    gap, wide = 24, 4 * WIDTH + 3 * 24
    parts, columns = [], ("edge", "collector", "training", "converter")
    drawn, top = box("simulation", 20, 20, 2 * WIDTH + gap)
    parts.append(drawn)
    above = {0: 20 + top, 1: 20 + top}
    second = 20 + top + 36
    bottoms = []
    for number, package in enumerate(columns):
        left = 20 + number * (WIDTH + gap)
        drawn, height = box(package, left, second, WIDTH)
        parts.append(drawn)
        bottoms.append(second + height)
        if number in above:
            parts.append(arrow(left + WIDTH // 2, above[number], second))
    third = max(bottoms) + 36
    left = 20 + 2 * (WIDTH + gap)
    drawn, height = box("backbones", left, third, 2 * WIDTH + gap)
    parts.append(drawn)
    parts += [arrow(left + column * (WIDTH + gap) + WIDTH // 2, bottoms[2 + column], third) for column in (0, 1)]
    last = third + height + 36
    drawn, height = box("contract", 20, last, wide)
    parts.append(drawn)
    parts += [arrow(20 + column * (WIDTH + gap) + WIDTH // 2, bottoms[column], last) for column in (0, 1)]
    parts.append(arrow(left + WIDTH + gap // 2, last - 36, last))
    style = (
        ".box{fill:#fbfaf7;stroke:#5b6b73}.name{font:bold 17px sans-serif;fill:#1d2b33}"
        ".machine{font:12px sans-serif;fill:#5b6b73}.part{font:13px monospace;fill:#1d2b33}"
        ".arrow{stroke:#5b6b73;fill:none;stroke-width:1.5}"
    )
    head = (
        '<marker id="head" markerWidth="8" markerHeight="8" refX="4" refY="4" orient="auto">'
        '<path d="M0 0 L8 4 L0 8 z" fill="#5b6b73"/></marker>'
    )
    size = f'width="{wide + 40}" height="{last + height + 20}"'
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size}>\n<style>{style}</style>\n<defs>{head}</defs>\n'
        f'<rect width="100%" height="100%" fill="white"/>\n{body}\n</svg>\n'
    )


if __name__ == "__main__":
    (ROOT / "docs" / "architecture.svg").write_text(picture(), encoding="utf-8")
