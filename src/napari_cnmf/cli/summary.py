"""What a result holds, in a few lines."""

from __future__ import annotations

from pathlib import Path

from napari_cnmf.cli.console import columns, say
from napari_cnmf.formats.results import Result
from napari_cnmf.pipeline.folder import RunFolder
from napari_cnmf.report.facts import bad_frames_in_words

# Told one by one.
_FAILURES = 5


def summarise_run(result: Result, output: Path) -> None:
    """Write what was found, how long it took and where it lies."""
    rows = [("movie", movie_line(result)), ("cells", cells_line(result))]
    found = result.registration
    if found is not None:
        rows.append(("bad frames", bad_frames_in_words(found)))
    rows += _left_out(result)
    times = [f"{record.stage} {record.seconds:.1f} s" for record in result.stages]
    total = sum(record.seconds for record in result.stages)
    rows.append(("times", f"{', '.join(times)}; {total:.1f} s in all"))
    folder = RunFolder(output)
    reports = (folder.report, folder.motion_report)
    files = (folder.result, folder.movie, *reports, folder.log, folder.recipe)
    names = ", ".join(file.name for file in files if file.exists())
    rows.append(("files", f"{output}: {names}"))
    say()
    columns(rows)


def _left_out(result: Result) -> list[tuple[str, str]]:
    """Say what could not be worked on, and what to do about it."""
    told = [f"{f.stage}, {f.place}: {f.cause}" for f in result.failures[:_FAILURES]]
    more = len(result.failures) - len(told)
    if more:
        told.append(f"and {more} more, which the log names")
    if told:
        told.append("Run the same again to try these once more.")
    return [("incomplete" if not i else "", line) for i, line in enumerate(told)]


def movie_line(result: Result) -> str:
    """Name and size of the movie of a result."""
    movie = result.movie
    names = [span.name for span in movie.files] or ["from memory"]
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    n_frames, height, width = movie.shape
    return (
        f"{names[0]}{more}: {n_frames:,} frames of {height} x {width} px "
        f"at {movie.frame_rate_hz:g} Hz"
    )


def cells_line(result: Result) -> str:
    """How many components were accepted and rejected."""
    components = result.components
    if components is None:
        return "not searched for yet"
    accepted = int(components.accepted.sum())
    if components.quality is None:
        return f"{accepted} found, not evaluated yet"
    return f"{accepted} accepted, {len(components) - accepted} rejected"
