"""Small values whose every number says which component it belongs to."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import scipy.sparse as sp

from napari_cnmf.components import Background, Components, Quality, TraceFit
from napari_cnmf.formats.results import MovieInfo, Result
from napari_cnmf.movie import FileSpan
from napari_cnmf.movie.images import SummaryImages
from napari_cnmf.movie.registration import Registration
from napari_cnmf.movie.shifts import PatchShifts, Shifts
from napari_cnmf.origin import Fate, Origin
from napari_cnmf.proposal import Proposal
from napari_cnmf.provenance import StageRecord
from napari_cnmf.recipe import Recipe

IDS = np.array([7, 3, 11, 5])
FIELD = (6, 9)
N_FRAMES = 20


def marked(*shape: int, ids: np.ndarray = IDS) -> np.ndarray:
    """(K, *shape) float32, filled with the component's id."""
    columns = ids.reshape(-1, *[1] * len(shape))
    return np.broadcast_to(columns, (len(ids), *shape)).astype(np.float32)


def make_quality(ids: np.ndarray = IDS) -> Quality:
    """Scores, flags and decisions that are the component's id."""
    arrays = [item.name for item in fields(Quality) if "axis" in item.metadata]
    scores = {name: marked(ids=ids) for name in arrays}
    scores["event_images"] = marked(5, 5, ids=ids)
    scores["event_corners"] = np.tile(ids, (2, 1)).T
    scores["flags"], scores["manual"] = ids.astype(np.int32), ids.astype(np.int8)
    scores["notes"] = ids.astype(np.int32)
    return Quality(**scores)


def make_components(
    ids: np.ndarray = IDS,
    field_shape: tuple[int, int] = FIELD,
    n_frames: int = N_FRAMES,
) -> Components:
    """Components on a field that is not square; a footprint is filled with its id."""
    rng = np.random.default_rng(0)
    y, x = field_shape
    k = np.arange(len(ids)) % (y * x - x - 1)
    pixels = np.stack([k, k + 1, k + x, k + x + 1], axis=1)
    footprints = sp.csc_array(
        (
            np.repeat(ids, 4).astype(np.float32),
            pixels.ravel().astype(np.int32),
            4 * np.arange(len(k) + 1, dtype=np.int32),
        ),
        shape=(y * x, len(k)),
    )
    maps = sp.csc_array(rng.random((y * x, 2)).astype(np.float32))
    return Components(
        footprints=footprints,
        fov_shape=field_shape,
        denoised=marked(n_frames, ids=ids),
        residual_traces=marked(n_frames, ids=ids),
        spikes=marked(n_frames, ids=ids),
        trace_fit=TraceFit(
            marked(2, ids=ids), marked(ids=ids), marked(ids=ids), marked(ids=ids)
        ),
        background=Background(
            maps,
            rng.random((2, n_frames)).astype(np.float32),
            rng.random(field_shape).astype(np.float32),
        ),
        pixel_noise=np.ones(field_shape, np.float32),
        ids=ids,
        frame_rate_hz=20.0,
        origin=Origin(
            *(marked(ids=ids) for _ in range(3)),
            marked(2, ids=ids),
            marked(4, ids=ids),
            *(marked(ids=ids) for _ in range(2)),
        ),
        fates=(Fate(0, 2, 5, 6, 7.0, "round 1", "a speck of 3 px"),),
        quality=make_quality(ids),
        dff=marked(n_frames, ids=ids),
    )


def make_stage(name: str, seconds: float = 1.5) -> StageRecord:
    """Record of a stage."""
    return StageRecord(name, {"init": {"a": 1.5}}, "source", {"numpy": "2"}, seconds)


def make_shifts(n_frames: int = N_FRAMES) -> Shifts:
    """Shifts of frames and of two by three patches."""
    rng = np.random.default_rng(2)
    centres = [(y, x) for y in (1.0, 4.0) for x in (1.0, 4.0, 7.0)]
    patches = PatchShifts(
        rng.random((n_frames, 6, 2)).astype(np.float32), np.array(centres, np.float32)
    )
    whole, drift = rng.random((2, n_frames, 2)).astype(np.float32)
    template = rng.random(FIELD).astype(np.float32)
    return Shifts(whole, template, 12.0, patches, line_offset_px=0.75, drift=drift)


def make_registration(n_frames: int = N_FRAMES) -> Registration:
    """What was done for the movie; frame 3 lies at the limit and is unlike the rest."""
    rng = np.random.default_rng(3)
    images = [rng.random(FIELD).astype(np.float32) for _ in range(5)]
    before, after = rng.random((2, n_frames)).astype(np.float32)
    residuals = rng.random((2, n_frames // 5)).astype(np.float32)
    flags = np.zeros(n_frames, np.int32)
    flags[3] = 0b11
    return Registration(
        SummaryImages(*images, valid=np.ones(FIELD, bool)),
        before,
        after,
        *residuals,
        bin_frames=5,
        flags=flags,
    )


def make_result(components: Components | None = None) -> Result:
    """Everything that a result can hold."""
    rng = np.random.default_rng(1)
    images = [rng.random(FIELD).astype(np.float32) for _ in range(6)]
    return Result(
        movie=MovieInfo(
            shape=(N_FRAMES, *FIELD),
            fingerprint="abc",
            files=(FileSpan("folder/a.tif", 0, 12, 99), FileSpan("b.tif", 12, 20, 88)),
            frame_rate_hz=20.0,
            pixel_size_um=(1.5, 2.0),
            dtype="uint16",
        ),
        recipe=Recipe().to_toml(),
        summary=SummaryImages(*images[:5], valid=images[5] > 0.5),
        shifts=make_shifts(),
        registration=make_registration(),
        components=make_components() if components is None else components,
        stages=(make_stage("correct"), make_stage("fit")),
        complete=True,
        proposals=(
            Proposal(
                "init.neuron_half_size_px",
                3.5,
                3.0,
                4.0,
                True,
                "they look like it",
                (1.0, 2.5),
                (0.5, 0.125),
                "px",
                "light",
            ),
            Proposal.plain("patches.patch_size_px", 64, "so", confident=False),
        ),
        seed=3,
        log="one line\nof µm",
    )


def with_verdicts(components: Components) -> Components:
    """The components with the first and last accepted, the others rejected."""
    from dataclasses import replace

    flags = np.full(len(components), 1, np.int32)
    flags[[0, -1]] = 0
    manual = np.zeros(len(components), np.int8)
    quality = replace(
        components.quality, flags=flags, manual=manual, limits={"low SNR": 20.0}
    )
    return replace(components, quality=quality)
