"""The package's latest log records, kept in memory for whoever wants to show them."""

from __future__ import annotations

import logging
from collections import deque
from functools import cache

#: Enough for several runs.
KEPT = 5000

logger = logging.getLogger("napari_cnmf")


class LogRecords(logging.Handler):
    """Keeps the latest records; threads may add some at any time."""

    def __init__(self) -> None:
        super().__init__()
        self._n_added = 0
        self._kept: deque[tuple[int, str]] = deque(maxlen=KEPT)
        self.setFormatter(
            logging.Formatter("%(asctime)s  %(levelname)-7s  %(message)s", "%H:%M:%S")
        )

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record as its level and text; the handler's lock is held."""
        self._kept.append((record.levelno, self.format(record)))
        self._n_added += 1

    def since(self, n_known: int, level: int) -> tuple[int, list[str]]:
        """Return how many records there have been, and the texts of the new ones.

        Parameters
        ----------
        n_known : int
            How many there had been at the last look.
        level : int
            Records below it are left out.
        """
        self.acquire()
        try:
            n_new = min(self._n_added - n_known, len(self._kept))
            new = list(self._kept)[len(self._kept) - n_new :]
            return self._n_added, [text for found, text in new if found >= level]
        finally:
            self.release()


@cache
def log_records() -> LogRecords:
    """Return the one that listens to the package's logger."""
    records = LogRecords()
    logger.addHandler(records)
    set_level(logging.INFO)
    return records


def set_level(level: int) -> None:
    """Let records of a level come through; information always does."""
    logger.setLevel(min(level, logging.INFO))
