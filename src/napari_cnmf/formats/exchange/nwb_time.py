"""When a session began: NWB demands it with its time zone."""

from __future__ import annotations

from datetime import datetime

from napari_cnmf.errors import ParameterError


def session_time(text: str) -> datetime:
    """Read a time such as 2026-05-01T12:00:00+02:00.

    Raises
    ------
    ParameterError
        If it is none, or does not say its time zone.
    """
    try:
        return zoned(datetime.fromisoformat(text))
    except ValueError as error:
        if isinstance(error, ParameterError):
            raise
        raise ParameterError(
            f"{text!r} is no date and time; write the session's start as "
            "2026-05-01T12:00:00+02:00."
        ) from error


def zoned(time: datetime) -> datetime:
    """Refuse a time without a zone."""
    if time.tzinfo is None:
        raise ParameterError(
            f"The session's start {time.isoformat()} has no time zone, which NWB "
            f"demands; write it as {time.isoformat()}+02:00 or with that of your place."
        )
    return time
