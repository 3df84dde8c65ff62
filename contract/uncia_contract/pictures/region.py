"""`Region`: a part of a frame."""

import msgspec


class Region(msgspec.Struct, frozen=True):
    """A part of the oriented frame, in fractions of its width and height, within the frame."""

    left: float
    top: float
    width: float
    height: float
