"""A part of a frame, in fractions of its width and height."""

import msgspec


class Region(msgspec.Struct, frozen=True):
    """A part of the oriented frame, in fractions of its width and height; it never leaves the frame."""

    left: float
    top: float
    width: float
    height: float
