"""Opens thousands of damaged and lying files of every format; none may do harm.

``python benchmarks/fuzz.py`` tries at least 2,000 mutants of each format and prints
how many were opened, were refused with a sentence of ours, or did something else: those
are listed, and make the script fail. ``--formats tif hdf5`` chooses, ``--only "tif
zlib" --number 17`` repeats a single trial in this process.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from math import ceil
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from fuzz.specimens import SPECIMENS
from fuzz.trials import Outcome, attempt, counts, mutant, trials


def main() -> None:
    """Try all mutants, and print a table."""
    options = _options()
    if options.number is not None:
        _repeat(options.only[0], options.number)
        return
    formats = options.formats or sorted({s.format for s in SPECIMENS.values()})
    faults: list[Outcome] = []
    for form in formats:
        faults += _tried(form, options)
    for fault in faults:
        print(f"{fault.specimen} {fault.number}: {fault.verdict}: {fault.detail}")
    sys.exit(bool(faults))


def _options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--formats", nargs="+", help="all if not given")
    parser.add_argument("--only", nargs="+", default=[], help="specimens")
    parser.add_argument("--trials", type=int, default=2000, help="of each format")
    parser.add_argument("--first", type=int, default=0, help="number of a trial")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--unguarded", action="store_true", help="without a child")
    parser.add_argument("--number", type=int, help="repeat this trial only")
    return parser.parse_args()


def _tried(form: str, options: argparse.Namespace) -> list[Outcome]:
    """Try the mutants of one format, print counts, and return the faults."""
    names = [s.name for s in SPECIMENS.values() if s.format == form]
    names = [name for name in names if not options.only or name in options.only]
    each = ceil(options.trials / max(len(names), 1))
    numbers = range(options.first, options.first + each)
    start = time.monotonic()
    found = trials(names, numbers, options.workers, guarded=not options.unguarded)
    seconds = time.monotonic() - start
    for name, verdicts in counts(found).items():
        said = ", ".join(f"{count} {verdict}" for verdict, count in verdicts.items())
        print(f"{name}: {len(found)} trials in {seconds:.0f} s: {said}", flush=True)
    return [outcome for outcome in found if not outcome.is_fine]


def _repeat(name: str, number: int) -> None:
    """Repeat one trial in this process."""
    specimen = SPECIMENS[name]
    with tempfile.TemporaryDirectory() as good, tempfile.TemporaryDirectory() as folder:
        path = mutant(specimen, number, specimen.make(Path(good)), Path(folder))
        print(*attempt(specimen, path))


if __name__ == "__main__":
    main()
