"""A frame's region as the catalogue stores it: `left,top,width,height` in fractions of the oriented frame."""

from collections.abc import Iterable

from uncia_contract.pictures.region import Region


def region_text(sides: Iterable[float]) -> str:
    """The text for (left, top, width, height)."""
    return ",".join(f"{side:.6f}" for side in sides)


def region_of(text: str | None) -> Region | None:
    """The region in a row's text; None if there is none (the whole frame was scored)."""
    return Region(*map(float, text.split(","))) if text else None
