"""The log file of a run: a handler on the package's logger while the run lasts."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from napari_cnmf.errors import OutputError
from napari_cnmf.parameters import AUTO
from napari_cnmf.pipeline.opening import RunInput
from napari_cnmf.provenance import versions
from napari_cnmf.recipe import Recipe

logger = logging.getLogger("napari_cnmf")


class _LogFile(logging.FileHandler):
    """A log file that a full disk cannot turn into an error of its own."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Drop the record: the stage that meets the full disk says what is wrong."""

    def close(self) -> None:
        """Close the file, whether or not its last lines found room."""
        with suppress(OSError):
            super().close()


@contextmanager
def logged_to(path: Path) -> Iterator[None]:
    """Write what the package reports to the end of a file, while in this context."""
    try:
        handler = _LogFile(path, encoding="utf-8")
    except OSError as error:
        raise OutputError(
            f"The log file {path} cannot be written ({error.strerror}); make it "
            "writable or choose another output folder."
        ) from error
    handler.setFormatter(
        logging.Formatter(
            "%(asctime)s %(levelname)-7s %(message)s", "%Y-%m-%d %H:%M:%S"
        )
    )
    level = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        handler.close()


def log_start(source: RunInput, recipe: Recipe, workers: int) -> None:
    """Write what is about to happen into the log."""
    packages = ", ".join(f"{name} {number}" for name, number in versions().items())
    logger.info("%s; workers %d", packages, workers)
    movie, missing = source.movie, source.missing
    for span in movie.files:
        logger.info("file %s: frames %d to %d", span.path, span.first, span.stop)
    logger.info(
        "movie: %d frames of %d x %d px, %s, %g Hz",
        *movie.shape,
        movie.dtype,
        movie.frame_rate_hz,
    )
    if missing.is_needed:
        logger.info(
            "NaN: frames interpolated %s, pixels masked %d",
            missing.bad_frames.tolist(),
            missing.n_masked_px,
        )
    default = Recipe().to_dict()
    for group, values in recipe.to_dict().items():
        for name, value in values.items():
            if value != default[group][name]:
                told = AUTO if value is None else value
                logger.info("parameter %s.%s = %s", group, name, told)
