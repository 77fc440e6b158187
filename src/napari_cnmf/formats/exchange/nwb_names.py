"""Names in NWB files of ours: what stands for which field of a result."""

from __future__ import annotations

#: Names of scratch data.
PARAMETERS, PROVENANCE = "parameters", "provenance"
#: Series of the traces, by our names.
SERIES = {
    "raw": "RoiResponseSeries",
    "denoised": "Denoised",
    "spikes": "Deconvolved",
}
#: Scores and the like, each a column of the table of cells.
COLUMNS = {
    "snr": "peak over noise",
    "r_value": "likeness of the event image and the footprint",
    "relative_area": "area over that of the clearest cells",
    "soma_area": "area over that of a cell body",
    "ring": "light around over light inside",
    "edge": "slope of the border over that of a sharp one",
    "caiman_snr": "SNR as CaImAn has it",
    "caiman_r_value": "r value as CaImAn has it",
    "fitness_raw": "log probability that noise makes the trace",
    "fitness_delta": "log probability that noise makes its differences",
    "eccentricity": "long axis over short axis",
    "size_px": "pixels of the footprint",
    "neuron_probability": "what a classifier makes of the shape",
    "flags": "bits of the reasons",
    "manual": "decision by hand: 1 accepted, -1 rejected, 0 none",
    "notes": "bits of the notes",
}
FIT_COLUMNS = {
    "ar": "autoregressive coefficients per frame",
    "noise": "standard deviation of the noise of the trace",
    "penalty": "weight of the sparsity of the deconvolved activity",
    "baseline": "mean of the slow baseline",
}
#: Images of the movie that a result can hold, and their names.
IMAGES = {
    "mean": "mean",
    "maximum": "maximum",
    "std": "standard_deviation",
    "correlation": "correlation",
    "noise": "noise",
    "valid": "valid",
}
