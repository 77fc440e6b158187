"""What SLURM's own commands say and do: trying a script, listing and ending jobs."""

from __future__ import annotations

import getpass
import subprocess
import time
from typing import NamedTuple

from napari_cnmf.errors import InputError, ParameterError

#: States of a job that will not work any more.
_ENDED = {
    "BOOT_FAIL",
    "CANCELLED",
    "COMPLETED",
    "DEADLINE",
    "FAILED",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "PREEMPTED",
    "TIMEOUT",
}

#: Seconds that a command of SLURM may take, and that jobs may take to end.
_PATIENCE_S, _ENDING_S = 60, 30


class Job(NamedTuple):
    """One job in the queue.

    Attributes
    ----------
    id : str
    state : str
        Such as PENDING or RUNNING.
    reason : str
        Why it waits or has ended, "" if it runs.
    node : str
        Where it runs, "" if it does not.
    """

    id: str
    state: str
    reason: str = ""
    node: str = ""

    @property
    def has_ended(self) -> bool:
        """Whether it will not work any more."""
        return self.state in _ENDED


def jobs_named(name: str) -> list[Job]:
    """Return our jobs of a name, those that have just ended too."""
    answer = _ask("squeue", *_ours(name), "--states=all", "-h", "-o", "%i|%T|%r|%N")
    lines = (line.split("|") for line in answer.splitlines())
    return [
        Job(number, state, "" if reason == "None" else reason, node)
        for number, state, reason, node in lines
    ]


def end_jobs(name: str) -> None:
    """End our jobs of a name at once, and wait until they have ended."""
    waited_until = time.monotonic() + _ENDING_S
    while any(not job.has_ended for job in jobs_named(name)):
        # Both are needed: a job that waits cannot be killed.
        _ask("scancel", *_ours(name), "--full", "--signal=KILL", fails=True)
        _ask("scancel", *_ours(name), fails=True)
        if time.monotonic() > waited_until:
            raise InputError(
                f"Jobs of SLURM that are called {name} do not end; see 'squeue "
                f"--name={name}', and ask whoever runs the cluster."
            )
        time.sleep(0.2)


def require_acceptable(script: str) -> None:
    """Have SLURM judge a job script, without submitting it.

    Raises
    ------
    ParameterError
        With what SLURM says of it.
    """
    answer = _run("sbatch", "--test-only", script=script)
    if answer.returncode:
        reason = answer.stderr.strip().splitlines()[-1].removeprefix("sbatch: error: ")
        raise ParameterError(
            f"SLURM refuses the jobs ({reason.removeprefix('allocation failure: ')}); "
            "change slurm.queue, slurm.account, slurm.cores, slurm.memory or "
            "slurm.walltime to what 'sinfo' shows."
        )


def _ours(name: str) -> tuple[str, str]:
    """Return the options that choose our jobs of a name."""
    return f"--name={name}", f"--user={getpass.getuser()}"


def _ask(command: str, *options: str, fails: bool = False) -> str:
    """Return what a command of SLURM prints; it may fail if that is expected."""
    answer = _run(command, *options)
    if answer.returncode and not fails:
        raise InputError(
            f"SLURM does not answer ({command}: {answer.stderr.strip()}); try again "
            "later, or ask whoever runs the cluster."
        )
    return answer.stdout


def _run(
    command: str, *options: str, script: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command of SLURM."""
    try:
        return subprocess.run(
            [command, *options],
            input=script,
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
            check=False,
        )
    except FileNotFoundError as error:
        raise ParameterError(
            f"There is no SLURM here (the command '{command}' is missing); start this "
            "on a node of the cluster where jobs can be submitted, or choose another "
            "backend."
        ) from error
    except subprocess.TimeoutExpired as error:
        raise InputError(
            f"SLURM has not answered for {_PATIENCE_S} s ({command}); try again later."
        ) from error
