"""What to simulate: size and light of the field, its sources, its motion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FILTER_PX = 9  # length of the filter that moves frames


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationParameters:
    """What to simulate; the defaults are one small, dense, noisy field.

    Brightness is in photons per pixel and frame at a footprint's peak. `brightness`,
    `spike_dff` and `burst_rate_hz` are medians over cells, the `_sigma` below each is
    the width of its log-normal distribution.
    """

    n_frames: int = 1500
    height_px: int = 128
    width_px: int = 128
    frame_rate_hz: float = 30.0

    n_somata: int = 60
    n_processes: int = 6
    n_defocused: int = 12
    n_fragments: int = 0  #: ragged, elongated pieces of active neuropil
    diameter_px: float = 11.0
    diameter_sigma: float = 0.0  #: width of the log-normal distribution of sizes
    overlap_fraction: float = 0.25  #: somata put onto the edge of another one
    min_distance_diameters: float = 0.42  #: between the centres of those
    brightness: float = 7.0
    brightness_sigma: float = 0.55
    resting: float = 0.5  #: resting fluorescence, relative to brightness
    spike_dff: float = 0.19  #: peak of one spike's transient, relative to brightness
    spike_dff_sigma: float = 0.28
    burst_rate_hz: float = 0.15
    burst_rate_sigma: float = 0.8
    burst_spikes: float = 2.5  #: mean of their geometric distribution
    decay_s: tuple[float, float] = (0.35, 0.8)  #: lowest and highest time constant
    rise_s: tuple[float, float] = (0.03, 0.1)

    neuropil: float = 8.5  #: photons per pixel and frame
    neuropil_modulation: float = 0.06
    n_domains: int = 8  #: regions of neuropil that fluctuate separately
    vessel_depth: float = 0.25  #: part of the neuropil's light that vessels swallow
    bleaching: float = 0.15  #: part of the resting light lost by the end
    gain: float = 20.0  #: digital units per photon
    read_noise: float = 15.0  #: digital units
    offset: float = 200.0  #: digital units
    noise_seed: int | None = None  #: another noise on the same scene

    motion_sd_px: float = 1.2
    max_shift_px: float = 6.0
    jerk_rate_hz: float = 0.08
    max_nonrigid_px: float = 0.0  #: on top of the shift; 0 is rigid motion

    @property
    def margin_px(self) -> int:
        """How far the scene reaches beyond the field of view."""
        return int(np.ceil(self.max_shift_px + self.max_nonrigid_px)) + FILTER_PX

    @property
    def scene_shape(self) -> tuple[int, int]:
        """Height and width of the field of view with its margin."""
        return self.height_px + 2 * self.margin_px, self.width_px + 2 * self.margin_px
