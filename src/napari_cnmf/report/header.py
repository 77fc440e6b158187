"""The lines above a picture: what the movie is and what was found."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version

from matplotlib.figure import Figure

from napari_cnmf.formats.results import MovieInfo
from napari_cnmf.report.style import LABEL_PT, SOFT, TEXT


def draw_header(figure: Figure, movie: MovieInfo, facts: Sequence[str]) -> None:
    """Write the movie's name and size, and some facts, above everything."""
    n_frames, height, width = movie.shape
    rate = movie.frame_rate_hz
    timing = f" at {rate:g} Hz ({duration(n_frames / rate)})" if rate else ""
    facts = [f"{height} x {width} px", f"{n_frames:,} frames{timing}", *facts]
    figure.text(
        0.02, 0.965, movie_name(movie), fontsize=17, color=TEXT, weight="bold",
        va="center",
    )  # fmt: skip
    figure.text(
        0.02, 0.932, "   \u00b7   ".join(facts), fontsize=LABEL_PT + 2, color=SOFT,
        va="center",
    )  # fmt: skip
    figure.text(
        0.985, 0.965, f"napari-cnmf {version('napari-cnmf')}", fontsize=LABEL_PT,
        color=SOFT, ha="right", va="center",
    )  # fmt: skip


def movie_name(movie: MovieInfo) -> str:
    """Name of the movie's file; of its first file and their number if several."""
    if not movie.files:
        return "Movie from memory"
    more = f" and {len(movie.files) - 1} more" if len(movie.files) > 1 else ""
    return movie.files[0].name + more


def duration(seconds: float) -> str:
    """Length of a recording in words, such as ``1 min 40 s``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"
