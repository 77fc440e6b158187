"""The command `demo`: a simulated movie through the whole pipeline, against the truth.

Found and true footprints are compared as masks (pixels above a fifth of the maximum)
and matched one to one so that the sum of their intersections over unions is largest
(Hungarian algorithm). Sources that nobody could find (silent, hopelessly dim, mostly
outside of the field) neither count as missed nor, if found, as false.
"""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from scipy.optimize import linear_sum_assignment

from napari_cnmf.cli.console import columns, say, working
from napari_cnmf.cli.summary import summarise_run
from napari_cnmf.components import Components
from napari_cnmf.compute import local_backend
from napari_cnmf.movie import Movie
from napari_cnmf.movie.shifts import Shifts
from napari_cnmf.pipeline.folder import RunFolder
from napari_cnmf.pipeline.runner import run
from napari_cnmf.recipe import Recipe
from napari_cnmf.simulation import DEFOCUSED, SOMA, Simulation, simulate
from napari_cnmf.simulation import SimulationParameters as Simulated

MIN_IOU = 0.3
MASK_SHARE = 0.2
MIN_SNR, MIN_SPIKES, MIN_IN_FIELD = 2.0, 2, 0.5


def demonstrate(options: Namespace) -> None:
    """Simulate a movie, find its cells and compare them with the truth."""
    output = options.output or _free_folder()
    parameters = Simulated()
    say(
        f"Simulating {parameters.n_frames} frames of {parameters.height_px} x "
        f"{parameters.width_px} px ..."
    )
    truth = simulate(parameters, options.seed)
    movie = Movie.from_array(truth.movie, frame_rate_hz=truth.frame_rate_hz)
    say("Finding its cells; the first run on a machine compiles for some seconds ...")
    with working() as work:
        backend = local_backend(options.workers)
        result = run(movie, Recipe(), output, backend=backend, **work)
    summarise_run(result, output)
    say()
    if result.components is not None and result.shifts is not None:
        columns(comparison(result.components, result.shifts, truth))
    say(f"\nLook at {RunFolder(output).report}")


@dataclass(frozen=True)
class Match:
    """Which found component is which true source.

    Attributes
    ----------
    found, true : ndarray
        Positions of the pairs.
    n_found : int
        Components found, without those that match a source that does not count.
    n_true : int
        Sources that could be found.
    """

    found: np.ndarray
    true: np.ndarray
    n_found: int
    n_true: int


def comparison(
    components: Components, shifts: Shifts, truth: Simulation
) -> list[tuple[str, str]]:
    """Say in words how well the accepted components agree with the truth."""
    cells = components.select(components.accepted)
    match = matched(cells.footprints, truth)
    hits = len(match.found)
    f1 = 2 * hits / max(match.n_found + match.n_true, 1)
    correlations = [
        np.corrcoef(cells.denoised[k], truth.traces[j])[0, 1]
        for k, j in zip(match.found, match.true, strict=True)
    ]
    # Where the template lies is arbitrary: only changes count.
    error = shifts.values - truth.shifts
    error = error - np.median(error, axis=0)
    return [
        ("true cells", f"{match.n_true}, of which {hits} were found"),
        ("precision", f"{hits / max(match.n_found, 1):.2f}"),
        ("recall", f"{hits / max(match.n_true, 1):.2f}"),
        ("F1", f"{f1:.2f}"),
        ("traces", f"median correlation {np.median(correlations or [np.nan]):.3f}"),
        ("shifts", f"error {np.sqrt((error**2).mean()):.3f} px"),
    ]


def matched(footprints: sp.csc_array, truth: Simulation) -> Match:
    """Match found footprints with true ones."""
    counts = (
        (truth.kind == SOMA)
        & (truth.fraction_in_field > MIN_IN_FIELD)
        & (truth.n_spikes >= MIN_SPIKES)
        & (truth.snr >= MIN_SNR)
    )
    iou = overlaps(_masks(footprints), _masks(truth.footprints))
    iou[:, truth.kind == DEFOCUSED] = 0
    iou[iou < MIN_IOU] = 0
    # Cells that count come first; others take what is left.
    found, true = linear_sum_assignment(-iou * (1 + 10 * counts))
    hit = iou[found, true] > 0
    found, true = found[hit], true[hit]
    is_cell = counts[true]
    n_ignored = int((~is_cell).sum())
    return Match(
        found[is_cell],
        true[is_cell],
        footprints.shape[1] - n_ignored,
        int(counts.sum()),
    )


def overlaps(a: sp.csc_array, b: sp.csc_array) -> np.ndarray:
    """Intersection over union of all pairs of masks (pixels, K)."""
    both = (a.T @ b).toarray()
    either = a.sum(axis=0)[:, None] + b.sum(axis=0)[None] - both
    return both / np.maximum(either, 1)


def _masks(footprints: sp.csc_array) -> sp.csc_array:
    """Masks (pixels, K) of the pixels above a share of each maximum."""
    masks = footprints.astype(np.float64)
    peaks = np.repeat(masks.max(axis=0).toarray().ravel(), np.diff(masks.indptr))
    masks.data = (masks.data >= MASK_SHARE * peaks).astype(np.float64)
    masks.eliminate_zeros()
    return masks


def _free_folder() -> Path:
    """Return the first of cnmf-demo, cnmf-demo-2, ... that is not there yet."""
    names = (f"cnmf-demo-{i}" if i > 1 else "cnmf-demo" for i in count(1))
    return next(Path(name) for name in names if not Path(name).exists())
