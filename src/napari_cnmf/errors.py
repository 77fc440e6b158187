"""The errors a user can meet.

Every message is one sentence that names the file or parameter, what was found,
what was expected and what to do. Each error is also the built-in type that a
script would expect to catch.
"""


class CnmfError(Exception):
    """Base of every error that this package raises on purpose."""


class ParameterError(CnmfError, ValueError):
    """A parameter is unknown, out of its limits or at odds with another."""


class InputError(CnmfError, ValueError):
    """A movie or a file cannot be used as it is."""


class MissingFileError(InputError, FileNotFoundError):
    """A file or folder is not there."""


class DamagedResultError(InputError):
    """A result file is not what was written.

    Attributes
    ----------
    can_go_back : bool
        Whether there is a whole one of the state before its last stage.
    """

    def __init__(self, message: str, can_go_back: bool = False) -> None:
        super().__init__(message)
        self.can_go_back = can_go_back


class ChoiceError(InputError):
    """A file holds several movies, and it was not said which one to take.

    Attributes
    ----------
    parameter : str
        What chooses among them: "dataset", "channel" or "plane"; "" if nothing does.
    """

    def __init__(self, message: str, parameter: str = "") -> None:
        super().__init__(message)
        self.parameter = parameter


class OutputError(CnmfError, OSError):
    """A result cannot be written: folder not writable, disk full, already there."""


class MissingStageError(CnmfError, RuntimeError):
    """A stage lacks what an earlier stage gives."""


class LostWorkerError(CnmfError, RuntimeError):
    """The workers that a task, or the run, needs have ended."""


class CancelledError(CnmfError, RuntimeError):
    """The user cancelled the run."""
