"""The commands about files: describe, export, print a recipe."""

from __future__ import annotations

from argparse import Namespace
from contextlib import suppress
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from napari_cnmf.cli.console import columns, say, working
from napari_cnmf.cli.summary import cells_line, movie_line
from napari_cnmf.components import NOTES, REASONS
from napari_cnmf.errors import InputError, MissingStageError
from napari_cnmf.formats.exchange.recognition import is_foreign
from napari_cnmf.formats.movies import export_movie
from napari_cnmf.formats.readers import hdf5, tif
from napari_cnmf.formats.results import Result, digest
from napari_cnmf.movie import Movie
from napari_cnmf.pipeline.folder import RunFolder
from napari_cnmf.pipeline.importing import import_result
from napari_cnmf.pipeline.opening import crop, opened
from napari_cnmf.pipeline.stages import registered_movie
from napari_cnmf.recipe import Recipe
from napari_cnmf.report.facts import motion_rows

#: Where the function lies that writes a format.
EXPORTERS = {
    "npz": ("formats.tables", "export_npz"),
    "csv": ("formats.tables", "export_csv"),
    "caiman": ("formats.exchange.caiman_results", "export_caiman"),
    "suite2p": ("formats.exchange.suite2p", "export_suite2p"),
    "nwb": ("formats.exchange.nwb_results", "export_nwb"),
    "mat": ("formats.exchange.matlab", "export_mat"),
    "rois": ("report.imagej_rois", "export_rois"),
}
_TIMED = "export_nwb"
MOVIE_ENDINGS = {"tif": tif.SUFFIXES, "h5": hdf5.SUFFIXES, "mp4": (".mp4",)}


def print_recipe(_: Namespace) -> None:
    """Print the default recipe with its comments."""
    say(Recipe().to_toml().rstrip())


def export(options: Namespace) -> None:
    """Write a result in another format, or its movie."""
    result = import_result(options.folder)
    if options.format in MOVIE_ENDINGS:
        _export_movie(RunFolder(options.folder), result, options)
    else:
        module, name = EXPORTERS[options.format]
        write = getattr(import_module(f"napari_cnmf.{module}"), name)
        asked = {"session_start": _session_start(options)} if name == _TIMED else {}
        if options.accepted:
            result = result.of_accepted()
        write(result, options.output, **asked)
    say(f"Written: {options.output}")


def _session_start(options: Namespace) -> datetime:
    """When the recording began, which NWB must know."""
    from napari_cnmf.formats.exchange.nwb_time import session_time

    if options.session_start is None:
        raise InputError(
            "A file of --format nwb states when the recording began; give it with "
            "--session-start 2026-05-01T12:00:00+02:00."
        )
    return session_time(options.session_start)


def _export_movie(folder: RunFolder, result: Result, options: Namespace) -> None:
    """Write the registered movie in the type of the recording, or panels as mp4."""
    path, endings = options.output, MOVIE_ENDINGS[options.format]
    if not path.name.lower().endswith(endings):
        raise InputError(
            f"--output {path} does not end with {' or '.join(endings)}, as a file of "
            f"--format {options.format} does; change one of them."
        )
    movie = registered_movie(folder, result)
    with working() as work:
        if options.format == "mp4":
            _write_panels(movie, result, options, **work)
        else:
            export_movie(movie, path, dtype=result.movie.dtype, **work)


def _write_panels(
    movie: Movie, result: Result, options: Namespace, **work: Any
) -> None:
    """Write original, reconstruction and residual side by side, with contours."""
    from napari_cnmf.reconstruction import View
    from napari_cnmf.video import Clip, write_panels_mp4

    if result.components is None:
        raise MissingStageError(
            "The result has no components to show yet; run the fit first."
        )
    if not 0 < options.speed < np.inf:
        raise InputError(
            f"--speed is {options.speed:g}, but a movie plays forwards; give a number "
            "above 0."
        )
    view = View(accepted_only=options.accepted)
    clip = Clip(speed=options.speed)
    write_panels_mp4(
        movie.source, result.components, view, options.output, clip, **work
    )


def describe(options: Namespace) -> None:
    """Describe a movie or a result."""
    result = _result_at(options.path)
    if result is not None:
        _describe_result(result)
        return
    recipe = Recipe().with_settings(options.settings)
    _describe_movie(crop(opened(options.path, recipe), recipe.input))


def _result_at(path: Path) -> Result | None:
    """Read a result, of ours or of others; None if it is something else."""
    if RunFolder(path).result.exists() or is_foreign(path):
        return import_result(path)
    if path.is_file() and path.suffix.lower() in {".h5", ".hdf5", ".nwb"}:
        with suppress(InputError):  # then it is a movie
            return import_result(path)
    return None


def _describe_movie(movie: Movie) -> None:
    """Write what is known of a movie."""
    n_frames, height, width = movie.shape
    rate, size = movie.frame_rate_hz, movie.pixel_size_um
    unknown = "not stated in the file"
    rows = [
        ("frames", f"{n_frames:,}"),
        ("field", f"{height} x {width} px (rows x columns)"),
        ("pixels", str(movie.dtype)),
        ("frame rate", f"{rate:g} Hz" if rate else unknown),
        ("length", f"{movie.duration_s:.1f} s" if movie.duration_s else "unknown"),
        ("pixel size", f"{size[0]:g} x {size[1]:g} um" if size else unknown),
        ("fingerprint", movie.fingerprint),
        ("files", str(len(movie.files))),
    ]
    columns(rows)
    for span in movie.files:
        say(f"  {span.name}: frames {span.first} to {span.stop - 1}")


def _describe_result(result: Result) -> None:
    """Write what a result holds."""
    rows = [("movie", movie_line(result)), *_part_rows(result), *motion_rows(result)]
    rows += [("cells", cells_line(result)), *_reason_rows(result)]
    rows += _note_rows(result)
    rows += [(r.stage, f"{r.seconds:.2f} s") for r in result.stages]
    rows.append(("complete", "yes" if result.complete else "no, stages are missing"))
    rows.append(("SHA-256", digest(result)))
    columns(rows)


def _part_rows(result: Result) -> list[tuple[str, str]]:
    """Say which part of the recording is used, if not all of it as it is."""
    recipe = Recipe.from_toml(result.recipe)
    chosen = [
        f"{name}={value}"
        for name, value, *_ in recipe.differences(Recipe())
        if name.startswith("input.")
    ]
    return [("part", ", ".join(chosen))] if chosen else []


def _reason_rows(result: Result) -> list[tuple[str, str]]:
    """Count the components that each reason rejects."""
    quality = None if result.components is None else result.components.quality
    if quality is None:
        return []
    rows = []
    for reason in REASONS:
        count = int((quality.flags >> reason.bit & 1).sum())
        if count:
            held = ""
            if reason.score:
                held = f"  ({reason.score}, limit {quality.limits[reason.name]:g})"
            rows.append((f"  {reason.name}", f"{count:>4}{held}"))
    return rows


def _note_rows(result: Result) -> list[tuple[str, str]]:
    """Count the accepted components of which something is noted."""
    quality = None if result.components is None else result.components.quality
    if quality is None:
        return []
    accepted = quality.accepted.tolist()
    noted = [n for k, kept in enumerate(accepted) if kept for n in quality.noted(k)]
    return [
        (f"  {note.name}", f"{noted.count(note):>4}  of the accepted")
        for note in NOTES
        if note in noted
    ]
