"""The command that compares two results, of ours or of other programs."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import numpy as np

from napari_cnmf.cli.console import columns, say
from napari_cnmf.comparison import Comparison, write_table
from napari_cnmf.matching import State
from napari_cnmf.pipeline.comparing import compare_paths, mean_of_movie

#: Cells, or parameters, that are told one by one.
_MOST_TOLD = 12
_MEANINGS: dict[State, str] = {
    "lost": "only in A",
    "gained": "only in B",
    "split": "one in A, several in B",
    "merged": "several in A, one in B",
    "moved": "in both, more than half a pixel apart",
    "same": "in both",
}


def compare_results(options: Namespace) -> None:
    """Compare two results; write the table and the picture if there is a folder."""
    comparison = compare_paths(options.first, options.second)
    image = mean_of_movie(options.movie, comparison) if options.movie else None
    _tell(comparison)
    if options.output is not None:
        _write(comparison, options.output, image)


def _write(comparison: Comparison, folder: Path, image: np.ndarray | None) -> None:
    """Write the table and the picture into a folder."""
    # matplotlib takes seconds to import; without a folder it is not needed.
    from napari_cnmf.report.comparison import write_comparison

    files = folder / "comparison.csv", folder / "comparison.png"
    write_table(comparison, files[0])
    write_comparison(comparison, files[1], image)
    say()
    say(f"Written: {files[0]}, {files[1].name}")


def _tell(comparison: Comparison) -> None:
    """Write what differs, in a few lines."""
    for letter, name, cells in zip(
        "AB", comparison.names, comparison.cells, strict=True
    ):
        say(f"{letter}  {name}: {len(cells)} cells, {cells.accepted.sum()} accepted")
    say()
    counts = comparison.matching.counts()
    accepted = comparison.matching.counts(comparison.is_cell)
    columns(
        [("", "  all  accepted by either")]
        + [
            (state, f"{n:>5}  {accepted[state]:>8}  {_MEANINGS[state]}")
            for state, n in counts.items()
        ]
    )
    # Adding zero takes the sign of a zero away.
    y, x = (round(shift, 2) + 0.0 for shift in comparison.median_shift_px)
    say()
    rows = [("shift of B", f"{y:.2f} px down, {x:.2f} px right (median of pairs)")]
    known = [c.correlation for c in comparison.links if c.correlation is not None]
    traces = "not compared: frames or frame rates differ"
    if known:
        traces = f"{np.median(known):.3f} (median of {len(known)} pairs)"
    rows.append(("correlation", traces))
    columns(rows)
    _tell_verdicts(comparison)
    _tell_parameters(comparison)


def _tell_verdicts(comparison: Comparison) -> None:
    """Name cells that only one of the results accepts, and why."""
    rows = comparison.disputed
    if not rows:
        return
    say()
    say(f"{len(rows)} pairs of which only one is accepted:")
    for row in rows[:_MOST_TOLD]:
        a, b = comparison.links[row].ids
        for letter, cell, why in zip(
            "AB", (a, b), comparison.reasons(row), strict=True
        ):
            say(f"  {letter} {cell}: {why}")
    _tell_more(len(rows))


def _tell_parameters(comparison: Comparison) -> None:
    """Name the parameters that differ."""
    differing = comparison.parameters
    if not differing:
        return
    say()
    say("Parameters that differ:")
    told = [(f"  {name}", f"A {a}, B {b}") for name, a, b in differing[:_MOST_TOLD]]
    columns(told)
    _tell_more(len(differing))


def _tell_more(count: int) -> None:
    """Say how many were not told."""
    if count > _MOST_TOLD:
        say(f"  and {count - _MOST_TOLD} more")
