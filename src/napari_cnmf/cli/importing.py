"""The command that makes the result of another program one of ours."""

from __future__ import annotations

from argparse import Namespace

from napari_cnmf.cli.computing import computing_of
from napari_cnmf.cli.console import say, working
from napari_cnmf.cli.summary import cells_line
from napari_cnmf.compute import make_backend
from napari_cnmf.pipeline.imported_run import import_run


def import_foreign(options: Namespace) -> None:
    """Write the folder of a run from what another program has found."""
    computing, settings = computing_of(options)
    backend = make_backend(computing, options.output)
    with working() as work:
        result = import_run(
            options.path,
            options.output,
            settings,
            movie=options.movie,
            apply_shifts=options.apply_shifts,
            frame_rate_hz=options.frame_rate,
            overwrite=options.overwrite,
            backend=backend,
            **work,
        )
    say(cells_line(result))
    say(f"Written: {options.output}")
