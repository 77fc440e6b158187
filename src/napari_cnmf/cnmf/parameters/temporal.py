"""Parameters of the traces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from napari_cnmf.parameters import Parameters, param


@dataclass(frozen=True, slots=True, kw_only=True)
class TemporalParameters(Parameters):
    """How traces are demixed and deconvolved."""

    group: ClassVar[str] = "temporal"

    method: str = param(
        "kinetics",
        "'kinetics' deconvolves with the indicator's decay and rise time; "
        "'constrained' fits an AR model to each trace, held to its noise.",
        choices=("kinetics", "constrained"),
    )
    ar_order: int = param(
        1,
        "Order of the AR model ('constrained' only): 1 for decay, 2 for rise and "
        "decay, 0 for no deconvolution.",
        choices=(0, 1, 2),
        caiman="temporal.p",
        advanced=True,
    )
    penalty_sd: float = param(
        1.0,
        "Weight of the sparsity term in standard deviations of the trace's noise "
        "('kinetics' only). Higher suppresses small events.",
        unit="sd",
        low=0.0,
        high=20,
    )
    s_min: float | None = param(
        None,
        "Least size of a spike ('constrained' only), in place of the sparsity that the "
        "noise sets: above 0 in the trace's unit, below 0 in the sd of its noise times "
        "the root of 1 - decay per frame, 0 for the largest that the noise allows.",
        low=-1e6,
        high=1e6,
        caiman="temporal.s_min",
        advanced=True,
    )
    sweeps: int = param(
        6,
        "Block-coordinate sweeps over all cells and the background.",
        low=1,
        high=50,
        caiman="temporal.ITER",
        advanced=True,
    )
    baseline_window_s: float = param(
        20.0,
        "Length of the windows in which a trace's slow baseline is taken.",
        unit="s",
        low=0.5,
        high=3600,
        advanced=True,
    )
    baseline_percentile: float = param(
        20.0,
        "Percentile of the trace that counts as its baseline.",
        unit="%",
        low=1,
        high=90,
        advanced=True,
    )
    fudge_factor: float = param(
        0.96,
        "Factor on the fitted AR root against its known bias ('constrained' only).",
        low=0.5,
        high=1.0,
        caiman="temporal.fudge_factor",
        advanced=True,
    )
    nonnegative_baseline: bool = param(
        False,
        "Hold the fitted baseline at zero or above ('constrained' only).",
        caiman="temporal.bas_nonneg",
        advanced=True,
    )
    lags: int = param(
        5,
        "Lags of the autocovariance, beyond the order, that the AR model is fitted to "
        "('constrained' only).",
        low=1,
        high=1000,
        caiman="temporal.lags",
        advanced=True,
    )
    optimize_g: int = param(
        0,
        "Number of large isolated events that refine each trace's decay time "
        "('constrained' only); 0 leaves it as estimated.",
        low=0,
        high=1000,
        caiman="temporal.optimize_g",
        advanced=True,
    )
    noise_method: str = param(
        "mean",
        "How the power spectrum is averaged for a trace's noise ('constrained' only); "
        "the last two withstand outliers.",
        choices=("mean", "median", "logmexp"),
        caiman="temporal.noise_method",
        advanced=True,
    )
    noise_band_low: float = param(
        0.25,
        "A trace's noise is read above this frequency, in cycles per frame "
        "('constrained' only) ...",
        low=0.0,
        high=0.49,
        caiman="temporal.noise_range (its lower end)",
        advanced=True,
    )
    noise_band_high: float = param(
        0.5,
        "... and below this one.",
        low=0.01,
        high=0.5,
        caiman="temporal.noise_range (its upper end)",
        advanced=True,
    )
