"""Colours that widgets, movies and the report share.

Blue and orange, of unlike lightness, are told apart with any kind of colour
blindness, on grey images as well as on dark and light windows; so are the colours of
single cells from the orange of rejected ones.
"""

from __future__ import annotations

ACCEPTED = "#2f9fe0"
REJECTED = "#e8743b"
#: For single cells; none is near the colour of rejected ones.
CELL_COLOURS = (ACCEPTED, "#0fa67c", "#9a78e6", "#e069ad", "#c99a1c")
#: Of the first and the second of two results.
COMPARED = (ACCEPTED, CELL_COLOURS[4])


def cell_colour(cell_id: int) -> str:
    """Colour of the cell with this id, the same in all views."""
    return CELL_COLOURS[cell_id % len(CELL_COLOURS)]


def rgb(colour: str) -> tuple[float, float, float]:
    """Red, green and blue from 0 to 1 of a colour such as ``"#2f9fe0"``."""
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return red / 255, green / 255, blue / 255
