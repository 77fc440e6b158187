"""The command line: `napari-cnmf COMMAND ...`.

Exit code 0 means done, 2 bad input (one sentence says what is wrong), 130 cancelled.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from napari_cnmf.cli.console import complain
from napari_cnmf.cli.parser import build_parser
from napari_cnmf.errors import CancelledError, CnmfError

DONE, BAD_INPUT, CANCELLED = 0, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    arguments : sequence of str, optional
        Of the command line by default.

    Returns
    -------
    int
        The exit code.
    """
    options = build_parser().parse_args(arguments)
    # Only the module of the command is imported: `--help` takes no time.
    module = import_module(f"napari_cnmf.cli.{options.module}")
    try:
        getattr(module, options.function)(options)
    except (CancelledError, KeyboardInterrupt) as error:
        complain(str(error) or "Aborted.")
        return CANCELLED
    except CnmfError as error:
        complain(str(error))
        return BAD_INPUT
    except BrokenPipeError:
        # The reader of our output (`| head`) has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        complain("The disk is full; free space and try again.")
        return BAD_INPUT
    except Exception as error:
        error.add_note(
            "This is a defect of napari-cnmf: please report it, with the text above "
            "and what 'napari-cnmf doctor' prints."
        )
        raise
    return DONE
