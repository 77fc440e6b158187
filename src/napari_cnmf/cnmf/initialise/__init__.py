"""Where the first footprints come from: one file per way, one signature."""
