"""Whatever fails while a file is read becomes one sentence that names the file.

What a library raises for a damaged file is open: mutated files gave forty kinds of
exceptions, from ZeroDivisionError to those of zip, zlib, XML and the tokenizer.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from napari_cnmf.errors import CnmfError, InputError, MissingFileError

MAX_REASON = 200


@contextmanager
def named_damage(
    name: str, kind: str, remedy: str = "copy or save it again"
) -> Iterator[None]:
    """Turn errors of reading a file into `InputError`; our own stay as they are.

    Parameters
    ----------
    name : str
        The file.
    kind : str
        What it should be.
    remedy : str
        What the user can do.
    """
    try:
        yield
    except CnmfError:
        raise
    except FileNotFoundError as error:
        missing = error.filename or name
        raise MissingFileError(
            f"{missing} is missing, which {name} needs; put it back."
        ) from error
    except MemoryError as error:
        raise InputError(
            f"{name} needs more memory than there is ({_reason(error)}); read less of "
            f"it at once, or, if it may be damaged, {remedy}."
        ) from error
    except Exception as error:
        raise InputError(
            f"{name} cannot be read as {kind} ({_reason(error)}); it may be damaged: "
            f"{remedy}."
        ) from error


def _reason(error: Exception) -> str:
    """Return what an error says, in one line."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= MAX_REASON else f"{text[:MAX_REASON]} ..."
