"""All proposals for a movie: first the size of its cells, then what depends on it."""

from __future__ import annotations

from threading import Event

from napari_cnmf.cnmf.parameters import InitParameters, PatchParameters
from napari_cnmf.cnmf.patches import Patch, solver_grid
from napari_cnmf.cnmf.proposals.activity import (
    Activity,
    ActivitySearch,
    propose_components,
    propose_decay,
    propose_rise,
)
from napari_cnmf.cnmf.proposals.sample import Sampler
from napari_cnmf.cnmf.proposals.size import Candidates, SizeSearch, propose_size
from napari_cnmf.compute import Backend
from napari_cnmf.movie import Movie
from napari_cnmf.movie.images import SummaryImages
from napari_cnmf.movie.normalised import bin_length
from napari_cnmf.proposal import OVERLAP, PATCH, Proposal

_PATCH_DIAMETERS = 12
_OVERLAP_DIAMETERS = 2.2
_PATCH_STEP_PX = 16
_SMALLEST_PATCH_PX = 64


def propose(
    movie: Movie,
    summary: SummaryImages,
    *,
    backend: Backend,
    rise_s: float = 0.08,
    half_size_px: float | None = None,
    cancel: Event | None = None,
) -> tuple[Proposal, ...]:
    """Propose parameters for a registered movie.

    Reads at most four windows of 128 x 128 px, in coarse time bins and in 3000 frames.

    Parameters
    ----------
    movie : Movie
        Registered movie (T, Y, X).
    summary : SummaryImages
        Its images.
    backend : Backend
        Where the windows are searched.
    rise_s : float
        The indicator's rise time.
    half_size_px : float, optional
        The half-size if it was given: what depends on it follows from this one.
    cancel : threading.Event, optional
        Stops the search once set.

    Returns
    -------
    tuple of Proposal
        Half-size, decay and rise time, patch size and overlap, components per patch.

    Raises
    ------
    CancelledError
        If it was cancelled.
    """
    sampler = Sampler(movie, summary)
    windows = sampler.windows()
    searches: list[list[Candidates]] = []
    backend.run(SizeSearch(sampler), windows, searches.append, cancel)
    size = propose_size(searches)
    sized = size.confident or half_size_px is not None
    half_size_px = half_size_px or size.value
    activities: list[Activity] = []
    search = ActivitySearch(sampler, half_size_px)
    backend.run(search, windows, activities.append, cancel)
    parameters, patch = _patches(movie, half_size_px)
    return (
        size,
        propose_decay(activities, movie.frame_rate_hz, sized=sized),
        propose_rise(rise_s),
        *_propose_patches(parameters, patch, half_size_px),
        propose_components(activities, patch.shape),
    )


def _patches(movie: Movie, half_size_px: float) -> tuple[PatchParameters, Patch]:
    """Patches of a dozen cells across, and the first of the grid that they give."""
    diameter_px = InitParameters(neuron_half_size_px=half_size_px).diameter_px
    side = _PATCH_STEP_PX * round(_PATCH_DIAMETERS * diameter_px / _PATCH_STEP_PX)
    parameters = PatchParameters(
        patch_size_px=max(side, _SMALLEST_PATCH_PX),
        patch_overlap_px=round(_OVERLAP_DIAMETERS * diameter_px),
    )
    n_bins = movie.n_frames // bin_length(movie)
    return parameters, solver_grid(movie.field_shape, n_bins, parameters)[0]


def _propose_patches(
    parameters: PatchParameters, patch: Patch, half_size_px: float
) -> tuple[Proposal, Proposal]:
    """Put the patches into proposals."""
    rows, cols = patch.shape
    size_px, overlap_px = parameters.patch_size_px, parameters.patch_overlap_px
    return (
        Proposal.plain(
            PATCH,
            size_px,
            f"{_PATCH_DIAMETERS} diameters of cells of half-size {half_size_px:.1f} "
            f"px; this field is then cut into patches of {rows} x {cols} px",
        ),
        Proposal.plain(
            OVERLAP,
            overlap_px,
            f"{_OVERLAP_DIAMETERS:g} diameters of cells of half-size "
            f"{half_size_px:.1f} px, so that each is whole in one patch",
        ),
    )
