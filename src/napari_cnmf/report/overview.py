"""The page of a batch: a table of all movies, and the key pictures of each.

One HTML file that needs nothing else: pictures are in it, and there is no script.
While the batch runs, a browser loads it again by itself.
"""

from __future__ import annotations

import os
from base64 import b64encode
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from html import escape
from importlib.metadata import version
from pathlib import Path
from urllib.parse import quote

from napari_cnmf.formats.atomic import replacing
from napari_cnmf.report.header import duration
from napari_cnmf.report.outcome import STATES, Findings, Outcome
from napari_cnmf.report.page_style import STYLE

_REFRESH_S = 15
#: Heading, and whether its column holds numbers.
_COLUMNS = (
    ("Movie", False),
    ("State", False),
    ("Frames", True),
    ("Field (px)", True),
    ("Length", True),
    ("Accepted", True),
    ("Rejected", True),
    ("Bad frames", True),
    ("Motion left (px)", True),
    ("Warnings", True),
    ("Time", True),
)
#: Files of a run that the page leads to.
_LINKS = (
    ("report.png", "all panels"),
    ("motion.png", "registration"),
    ("run.log", "log"),
    ("", "folder"),
)
_UNKNOWN = "\N{EN DASH}"


def write_overview(outcomes: Sequence[Outcome], path: Path, title: str) -> None:
    """Write the page; an older one is replaced.

    Parameters
    ----------
    outcomes : sequence of Outcome
        All movies, in order.
    path : Path
        The HTML file; links to the folders of the runs are relative to it.
    title : str
        Name of the batch.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    parts = [_head(outcomes, title), _table(outcomes)]
    parts += [_section(n, o, path.parent) for n, o in enumerate(outcomes, 1)]
    with replacing(path) as temporary:
        text = "\n".join([*parts, "</main></body></html>\n"])
        temporary.write_text(text, encoding="utf-8")


def _head(outcomes: Sequence[Outcome], title: str) -> str:
    """Begin the page: what this is, and how far it is."""
    is_over = not any(o.state in ("waiting", "running") for o in outcomes)
    again = "" if is_over else f'<meta http-equiv="refresh" content="{_REFRESH_S}">'
    counts = Counter(outcome.state for outcome in outcomes)
    states = ", ".join(f"{counts[state]} {state}" for state in STATES if counts[state])
    n_cells = sum(o.findings.n_accepted or 0 for o in outcomes if o.findings)
    movies = "movie" if len(outcomes) == 1 else "movies"
    facts = (
        f"{len(outcomes)} {movies}: {states} \N{MIDDLE DOT} {n_cells:,} cells accepted"
    )
    now = datetime.now().astimezone().strftime("%d %B %Y, %H:%M")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"{again}\n<title>{escape(title)}</title>\n<style>{STYLE}</style></head>\n"
        f"<body><main>\n<header><h1>{escape(title)}</h1>\n<p>{facts}</p>\n"
        f"<small>{now}, napari-cnmf {version('napari-cnmf')}</small></header>"
    )


def _table(outcomes: Sequence[Outcome]) -> str:
    """List all movies."""
    heads = "".join(
        f'<th class="{"number" if is_number else "text"}">{escape(name)}</th>'
        for name, is_number in _COLUMNS
    )
    rows = "\n".join(_row(n, outcome) for n, outcome in enumerate(outcomes, 1))
    return (
        f'<div class="wide"><table><thead><tr>{heads}</tr></thead>\n'
        f"<tbody>\n{rows}\n</tbody></table></div>"
    )


def _row(number: int, outcome: Outcome) -> str:
    """List one movie: its numbers, or why there are none."""
    found = outcome.findings
    begun = outcome.state != STATES[0]
    place = f' href="#movie-{number}"' if begun else ""
    name = f"<td><a{place}>{escape(outcome.name)}</a></td>"
    state = f"<td>{_state(outcome)}</td>"
    if found is None:
        width = len(_COLUMNS) - 3
        time = duration(outcome.seconds) if outcome.seconds else ""
        return (
            f'<tr>{name}{state}<td class="why" colspan="{width}">'
            f'{escape(outcome.reason)}</td><td class="number">{time}</td></tr>'
        )
    cells = "".join(f'<td class="number">{escape(text)}</td>' for text in _texts(found))
    return f"<tr>{name}{state}{cells}</tr>"


def _texts(found: Findings) -> list[str]:
    """Write the numbers of a row."""
    n_frames, height, width = found.shape
    rate = found.frame_rate_hz
    return [
        f"{n_frames:,}",
        f"{height} \N{MULTIPLICATION SIGN} {width}",
        duration(n_frames / rate) if rate else _UNKNOWN,
        _number(found.n_accepted, ","),
        _number(found.n_rejected, ","),
        _number(found.n_bad_frames, ","),
        _number(found.residual_px, ".2f"),
        str(len(found.warnings) or _UNKNOWN),
        duration(found.seconds),
    ]


def _number(value: float | None, form: str) -> str:
    """Write a number, or a dash if it is unknown."""
    return _UNKNOWN if value is None else format(value, form)


def _section(number: int, outcome: Outcome, here: Path) -> str:
    """Show one movie: its picture, what was warned of, or why it failed."""
    if outcome.state == STATES[0]:
        return ""
    found = outcome.findings
    heading = f"<h2>{escape(outcome.name)} {_state(outcome)}</h2>"
    parts = [f'<section id="movie-{number}">{heading}']
    if outcome.reason:
        parts.append(f'<p class="why">{escape(outcome.reason)}</p>')
    if found is not None:
        parts.append(_picture(outcome, found, here))
        items = "".join(f"<li>{escape(text)}</li>" for text in found.warnings)
        parts.append(f"<ul>{items}</ul>" if items else "")
    return "\n".join([*parts, _links(outcome, here), "</section>"])


def _picture(outcome: Outcome, found: Findings, here: Path) -> str:
    """Show the picture of a run, which leads to the large one."""
    data = b64encode(found.picture).decode("ascii")
    about = f"Contours, traces and motion of {outcome.name}"
    image = f'<img alt="{escape(about)}" src="data:image/webp;base64,{data}">'
    large = outcome.folder / _LINKS[0][0]
    return f'<a href="{_address(large, here)}">{image}</a>'


def _links(outcome: Outcome, here: Path) -> str:
    """Lead to what lies in the folder of a run."""
    links = [
        f'<a href="{_address(path, here)}">{words}</a>'
        for name, words in _LINKS
        if (path := outcome.folder / name).exists()
    ]
    return f'<p class="links">{" ".join(links)}</p>'


def _state(outcome: Outcome) -> str:
    """Name the state, in its colour."""
    return f'<span class="state {outcome.state}">{outcome.state}</span>'


def _address(path: Path, here: Path) -> str:
    """Address of a file: relative, so that all of it can be moved together."""
    try:
        return quote(Path(os.path.relpath(path, here)).as_posix())
    except ValueError:  # another drive
        return path.absolute().as_uri()
