"""The command `batch`: the movies of a table, one after the other."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from napari_cnmf.cli.computing import computing_of
from napari_cnmf.cli.console import ProgressLine, columns, say, working
from napari_cnmf.compute import make_backend
from napari_cnmf.errors import CnmfError
from napari_cnmf.pipeline.batch import PAGE, BatchProgress, Entry, run_batch
from napari_cnmf.pipeline.batch_table import read_table
from napari_cnmf.recipe import Recipe
from napari_cnmf.report.outcome import Outcome


def run_table(options: Namespace) -> None:
    """Find the cells of all movies of a table."""
    recipe = Recipe.load(options.recipe) if options.recipe else Recipe()
    computing, settings = computing_of(options)
    recipe = recipe.with_settings(settings)
    entries = read_table(options.table, recipe, settings, options.output)
    if options.check:
        _list(entries)
        return
    folder = options.output or options.table.parent
    with working() as work:
        outcomes = run_batch(
            entries,
            recipe,
            folder,
            title=options.table.stem,
            backend=make_backend(computing, folder),
            progress=_Teller(work["progress"]),
            cancel=work["cancel"],
            overwrite=options.overwrite,
        )
    _summarise(outcomes, folder)


class _Teller:
    """Writes a line when a movie begins and ends, and the steps in between."""

    def __init__(self, line: ProgressLine) -> None:
        self._line = line

    def __call__(self, event: BatchProgress) -> None:
        """Show an event."""
        outcome, step = event.outcome, event.step
        if step is None:
            place = f"{event.place + 1} of {event.total}: {outcome.name}"
            self._line.write(f"{place}: {outcome.state} {outcome.in_words}".rstrip())
        elif step.done < step.total:  # a line for each stage would be many
            self._line(step)


def _list(entries: Sequence[Entry]) -> None:
    """Write which movies would be run, and where to."""
    columns([(entry.name, str(entry.output)) for entry in entries])
    say(f"\nNothing is wrong with the table; it lists {len(entries)} movies.")


def _summarise(outcomes: Sequence[Outcome], folder: Path) -> None:
    """Write how each movie went; raise if not all went well."""
    say()
    columns([(o.name, f"{o.state}: {o.in_words}") for o in outcomes])
    say(f"\nLook at {folder / PAGE}")
    left = sum(outcome.state != "done" for outcome in outcomes)
    if left:
        raise CnmfError(
            f"{left} of {len(outcomes)} movies are not done, as said above; the same "
            "command tries these again and keeps the others."
        )
