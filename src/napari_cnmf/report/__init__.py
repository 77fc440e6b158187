"""The picture of a run, and the traces of some cells to take along."""
