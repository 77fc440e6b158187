"""Building blocks of docks: forms, histograms, plots, tables; each stands alone."""
