"""The commands `clean` and `restore`: room on the disk, and the last good state."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from napari_cnmf.cli.console import columns, say, working
from napari_cnmf.cli.summary import cells_line
from napari_cnmf.errors import DamagedResultError, ParameterError
from napari_cnmf.formats.results import load
from napari_cnmf.pipeline.cleaning import Leaving, compiled_kernels, leavings_of
from napari_cnmf.pipeline.earlier import go_back
from napari_cnmf.pipeline.folder import RunFolder


def clean(options: Namespace) -> None:
    """Remove what the results in some folders do not need."""
    if not options.folders and not options.user:
        raise ParameterError(
            "Nothing was named to clean; give the folder of a result, or --user."
        )
    freed = sum(_clean_folder(path, options) for path in options.folders)
    if options.user:
        freed += _clean([compiled_kernels()], options.dry_run)
    say(f"\n{freed:,} bytes {'would be' if options.dry_run else 'are'} freed.")


def restore(options: Namespace) -> None:
    """Go back from a damaged result to the state before its last stage."""
    folder = RunFolder(options.folder)
    try:
        load(folder.result)
    except DamagedResultError:
        with folder.claimed(), working():
            result = go_back(folder)
    else:
        raise ParameterError(f"{folder.result} is whole; there is nothing to restore.")
    columns(
        [
            ("cells", cells_line(result)),
            ("stages", ", ".join(record.stage for record in result.stages)),
        ]
    )


def _clean_folder(path: Path, options: Namespace) -> int:
    """Clean the folder of a run that is not at work; return the bytes freed."""
    folder = RunFolder(path)
    leavings = leavings_of(folder, options.all)
    with nullcontext() if options.dry_run else folder.claimed():
        return _clean(leavings, options.dry_run)


def _clean(leavings: Sequence[Leaving], dry_run: bool) -> int:
    """Tell what there is, and remove it; return its bytes."""
    sizes = [leaving.n_bytes for leaving in leavings]
    columns(
        [
            (leaving.about, f"{size:>14,} bytes")
            for leaving, size in zip(leavings, sizes, strict=True)
        ]
    )
    if not dry_run:
        for leaving in leavings:
            leaving.remove()
    return sum(sizes)
