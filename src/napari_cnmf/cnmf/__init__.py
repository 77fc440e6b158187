"""Constrained matrix factorisation: footprints, traces, spikes and background."""
