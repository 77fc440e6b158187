"""Synthetic two-photon movies with known truth, to tune and test the pipeline on.

Irregular somata, pieces of dendrite and defocused somata fire bursts of spikes, which
an AR(2) filter (a difference of exponentials) turns into fluorescence on top of a
textured, fluctuating, bleaching neuropil. This scene, larger than the field of view so
that nothing is invented at its borders, is moved by sub-pixel shifts and only then
given photon and read noise. Everything follows from one seed.
"""

from napari_cnmf.simulation.cells import DEFOCUSED, FRAGMENT, PROCESS, SOMA
from napari_cnmf.simulation.parameters import SimulationParameters
from napari_cnmf.simulation.simulation import Simulation, save_truth, simulate

__all__ = [
    "DEFOCUSED",
    "FRAGMENT",
    "PROCESS",
    "SOMA",
    "Simulation",
    "SimulationParameters",
    "save_truth",
    "simulate",
]
