"""The docks, one per file with its pieces beside it; `dock` is their base."""
