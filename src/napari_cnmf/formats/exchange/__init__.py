"""Results of CaImAn, suite2p and NWB read and written; MATLAB written."""
