"""CaImAn's notebook on the steps of CNMF, cell by cell, with its numbers.

``python step_by_step.py movie.tif`` takes a registered movie; without one, a small
simulated movie is made. A picture of what was found is written to a folder.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

import napari_cnmf as cnmf
from napari_cnmf.contours import contours
from napari_cnmf.movie.binning import read_bins

FINAL_FRATE = 10.0
DOWNSAMPLE_FACTOR = 1.0  # .2 or .1 for a quick answer on a long movie
COMPUTE_G = False
SPECTRA = False


def simulated_movie(seed: int = 0) -> cnmf.Simulation:
    """Make a hundred seconds of a field with sixteen cell bodies."""
    scene = cnmf.SimulationParameters(
        n_frames=1000,
        height_px=96,
        width_px=96,
        frame_rate_hz=FINAL_FRATE,
        n_somata=16,
        n_processes=2,
        n_defocused=3,
        diameter_px=13.0,
        brightness=12.0,
        brightness_sigma=0.35,
        burst_rate_hz=0.25,
        neuropil_modulation=0.03,
        motion_sd_px=0.0,
    )
    return cnmf.simulate(scene, seed)


def main(movie: cnmf.Movie, folder: Path) -> tuple[cnmf.Components, np.ndarray]:
    """Walk through the notebook; return all components, and which are kept."""
    # Loading and joining: there is nothing to map into memory. Downsampling averages
    # frames.
    frames = read_bins(movie, round(1 / DOWNSAMPLE_FACTOR))
    rate_hz = FINAL_FRATE * DOWNSAMPLE_FACTOR
    # The correlation image.
    whole = cnmf.Movie.from_array(frames, frame_rate_hz=rate_hz)
    with cnmf.local_backend() as backend:
        summary = cnmf.summarise(whole, cnmf.Recipe().summary, backend=backend)

    recording = preprocess(frames, rate_hz)
    cells = factorise(recording)
    kept = evaluate(frames, cells)
    print(f" ***** \n{len(cells)}\n{kept.sum()}")
    draw(summary.correlation, cells, kept, folder / "step_by_step.png")
    return cells, kept


def preprocess(frames: np.ndarray, rate_hz: float) -> cnmf.Recording:
    """Estimate the noise of each pixel: preprocess_data."""
    recording = cnmf.prepare(
        frames,
        rate_hz,
        noise_method="logmexp",
        noise_band=(0.25, 0.5),  # noise_range
        max_frames=3000,  # max_num_samples_fft
        remove_first_frames=0,  # remove_init
    )
    print(f"noise of a pixel: {np.median(recording.noise):.1f} in the median")
    if COMPUTE_G:
        g = cnmf.global_ar(frames, recording.noise, order=2, lags=5)
        print(f"autoregressive coefficients of all pixels: {g.round(3)}")
    if SPECTRA:
        frequencies, spectra = cnmf.pixel_spectra(frames, max_frames=3000)
        print(f"power at {len(frequencies)} frequencies: {spectra.shape}")
    return recording


def factorise(recording: cnmf.Recording) -> cnmf.Components:
    """Find components and refine them."""
    # CNMFSetParms. What has no line here has no equivalent, or is a step's own below.
    recipe = cnmf.Recipe().with_settings(
        {
            "init.method": "variance",  # method = "greedy_roi"
            "init.n_components": 30,  # K
            "init.neuron_half_size_px": 6,  # gSig
            "init.iterations": 5,  # nIter
            "background.model": "low_rank",
            "background.rank": 1,  # nb
            "merge.min_correlation": 0.8,  # merge_thresh
            "temporal.method": "constrained",
            "temporal.ar_order": 2,  # p
        }
    )
    parameters = recipe.cnmf()

    # initialize_components, which the notebook calls with another size, and without
    # HALS or subsampling: these are a step of their own, and the default.
    smaller = recipe.with_settings({"init.neuron_half_size_px": 5}).cnmf()
    cells = cnmf.initialise_components(recording, smaller)

    # HALS, five rounds (maxIter)
    cells = cnmf.hals(recording, cells, parameters, iterations=5)

    # Update spatial
    cells = cnmf.update_spatial(recording, cells, parameters)

    # Update temporal with p = 0: fast, without deconvolution
    cells = cnmf.update_temporal(recording, cells, parameters, order=0)

    # Merging components: mx = 50, fast_merge = True
    cells = cnmf.merge_components(
        recording, cells, parameters, max_groups=50, fast=True
    )
    for fate in cells.fates:
        print(f"{fate.step}: the candidate at ({fate.y}, {fate.x}) ends; {fate.reason}")

    # A refining step, with p = 2 as the parameters say
    cells = cnmf.update_spatial(recording, cells, parameters)
    return cnmf.update_temporal(recording, cells, parameters)


def evaluate(frames: np.ndarray, cells: cnmf.Components) -> np.ndarray:
    """Choose what passes any one of three thresholds: evaluate_components."""
    scores = cnmf.evaluate_components(
        frames,
        cells.raw,  # C2 + YrA
        cells.footprints,
        cells.denoised,
        cells.frame_rate_hz,
        remove_baseline=True,
        n_samples=5,  # N
        robust_sd=False,
        overlap=0.1,  # Athresh
        n_peaks=10,  # Npeaks
        peak_level=0.3,  # thresh_C
    )
    kept = scores.r_values >= 0.6
    kept |= scores.fitness_raw < -60
    return kept | (scores.fitness_delta < -20)


def draw(
    image: np.ndarray, cells: cnmf.Components, kept: np.ndarray, path: Path
) -> None:
    """Draw accepted and discarded components, and the first trace of each."""
    figure = Figure(figsize=(12, 8), layout="constrained")
    axes = figure.subplots(2, 2, height_ratios=(3, 1))
    time_s = np.arange(cells.n_frames) / cells.frame_rate_hz
    for column, chosen in enumerate((cells.select(kept), cells.select(~kept))):
        field, lane = axes[:, column]
        field.imshow(image, cmap="gray")
        field.set_title(f"{len(chosen)} {('accepted', 'discarded')[column]}")
        field.axis("off")
        # plot_contours with thr = 0.9; nb_view_patches with thr = 0.8
        outline(field, contours(chosen, "energy", 0.9), "white")
        outline(field, contours(chosen, "energy", 0.8)[:1], "red")
        lane.plot(time_s, chosen.raw[:1].T, color="0.6", linewidth=0.7)
        lane.plot(time_s, chosen.denoised[:1].T, color="red", linewidth=0.7)
        lane.set_xlabel("time (s)")
    figure.savefig(path)


def outline(axes: Axes, outlines: list[list[np.ndarray]], colour: str) -> None:
    """Draw the outlines of some components."""
    lines = [line[:, ::-1] for component in outlines for line in component]
    axes.add_collection(LineCollection(lines, colors=colour), autolim=False)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        recorded = cnmf.open_movie(sys.argv[1])
    else:
        recorded = cnmf.Movie.from_array(simulated_movie().movie)
    target = Path(mkdtemp(prefix="cnmf-"))
    main(recorded, target)
    print(f"see {target / 'step_by_step.png'}")
