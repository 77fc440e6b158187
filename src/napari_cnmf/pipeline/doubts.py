"""What the cells that were found say of the values that were told.

Footprints grow to the size of the cells whatever size the search was told, and traces
decay as the cells do: on simulated movies told 0.55 to 2 times the right size, the area
of the accepted cells changes by a sixth at most. Real cells show less of their body
than simulated ones, so a size is called too large with more reserve than too small.
"""

from __future__ import annotations

import numpy as np

from napari_cnmf.cnmf.kinetics import decay_time
from napari_cnmf.cnmf.parameters import CnmfParameters, InitParameters
from napari_cnmf.components import Components

_FEWEST_CELLS = 6
_N_CLEAREST = 40
# Median over the accepted cells of simulated movies of all kinds: 1.3 to 1.7, 2.4 for
# the smallest, which the optics blur. In discs of the neuron's size.
_AREA_OF_CELLS = 1.6
_TOO_SMALL, _TOO_LARGE = 1.5, 1.9
_WRONG_DECAY = 2.0
_SEARCHES_BY_SIZE = ("event_energy", "variance")


def doubts(components: Components, told: CnmfParameters) -> list[str]:
    """Say which values do not fit to the cells that were found.

    Parameters
    ----------
    components : Components
        Evaluated.
    told : CnmfParameters
        As the user has set them; what is on auto is not doubted.

    Returns
    -------
    list of str
        One sentence for each.
    """
    quality = components.quality
    cells = np.flatnonzero(components.accepted)
    if quality is None or len(cells) < _FEWEST_CELLS:
        return []
    area = float(np.median(quality.soma_area[cells]))
    clearest = cells[np.argsort(-quality.snr[cells], kind="stable")[:_N_CLEAREST]]
    raw, rate_hz = components.select(clearest).raw, components.frame_rate_hz
    found = (_size_doubt(area, told.init), _decay_doubt(raw, rate_hz, told))
    return [sentence for sentence in found if sentence]


def _size_doubt(area: float, told: InitParameters) -> str:
    """Say that cells of some area, in discs of the told size, have another size."""
    factor = float(np.sqrt(area / _AREA_OF_CELLS))
    half_size_px = told.neuron_half_size_px
    if half_size_px is None or told.method not in _SEARCHES_BY_SIZE:
        return ""
    if 1 / _TOO_LARGE <= factor <= _TOO_SMALL:
        return ""
    return (
        f"the cells that were found have a half-size of about "
        f"{factor * half_size_px:.2g} px, but init.neuron_half_size_px is "
        f"{half_size_px:g}; compare the disc in 'Patches and key parameters' with a "
        "cell, or set it to auto"
    )


def _decay_doubt(raw: np.ndarray, rate_hz: float, told: CnmfParameters) -> str:
    """Say that traces (n, T) of the clearest cells decay slower or faster than told."""
    decay_s = told.decay_s
    if decay_s is None or told.temporal.method != "kinetics":
        return ""
    found_s = decay_time(raw, rate_hz, told.rise_s, decay_s)
    if 1 / _WRONG_DECAY <= found_s / decay_s <= _WRONG_DECAY:
        return ""
    return (
        f"the clearest cells decay in about {found_s:.2g} s, but {decay_s:.2g} s were "
        "told; check acquisition.indicator, or set it to estimate"
    )
