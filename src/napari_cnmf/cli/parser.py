"""What can be said on the command line; nothing heavy is imported here."""

from __future__ import annotations

import argparse
from pathlib import Path

_STAGES = {
    "correct": "register the movie again, from its files",
    "summarise": "compute the summary images again",
    "fit": "find the components again",
    "refit": "update footprints and traces once more",
    "evaluate": "score the components again, with other limits",
    "dff": "compute dF/F again",
}

_FORMATS = ("npz", "csv", "caiman", "suite2p", "nwb", "mat", "rois", "tif", "h5", "mp4")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="napari-cnmf",
        description="Cells, traces and dF/F from calcium imaging movies.",
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_run(commands)
    _add_batch(commands)
    for name, what in _STAGES.items():
        _add_stage(commands, name, what)
    _add_propose(commands)
    _add_apply(commands)
    _add_info(commands)
    _add_export(commands)
    _add_import(commands)
    _add_compare(commands)
    _add_clean(commands)
    recipe = commands.add_parser("recipe", help="print a commented default recipe")
    recipe.set_defaults(module="files", function="print_recipe")
    _add_demo(commands)
    _add_cluster(commands)
    doctor = commands.add_parser("doctor", help="print what a bug report needs")
    doctor.set_defaults(module="doctor", function="report_state")
    return parser


def _add_run(commands: argparse._SubParsersAction) -> None:
    """Add the command that does everything."""
    run = commands.add_parser("run", help="find the cells of a movie")
    _add_movie(run)
    _add_output(run, "folder for the result", required=True)
    _add_recipe(run)
    _add_seeds(run)
    _add_settings(run)
    _add_computing(run)
    _add_overwrite(run)
    run.set_defaults(module="running", function="run_movie")


def _add_batch(commands: argparse._SubParsersAction) -> None:
    """Add the command that does everything, for the movies of a table."""
    batch = commands.add_parser("batch", help="find the cells of many movies")
    batch.add_argument(
        "table",
        type=Path,
        metavar="TABLE.csv",
        help="a movie a line; columns: movie, output, recipe, seeds, group.name ...",
    )
    _add_output(batch, "folder for all results (default: each beside its movie)")
    _add_recipe(batch)
    _add_settings(batch)
    _add_computing(batch)
    _add_overwrite(batch)
    batch.add_argument(
        "--check", action="store_true", help="check the table, and run nothing"
    )
    batch.set_defaults(module="batch", function="run_table")


def _add_stage(commands: argparse._SubParsersAction, name: str, what: str) -> None:
    """Add the command that runs one stage again."""
    stage = commands.add_parser(name, help=what)
    stage.add_argument("folder", type=Path, metavar="DIR", help="result of a run")
    if name == "fit":
        _add_seeds(stage)
    _add_settings(stage)
    _add_computing(stage)
    given = {"seeds": None, "stage": name}
    stage.set_defaults(module="running", function="run_stage", **given)


def _add_propose(commands: argparse._SubParsersAction) -> None:
    """Add the command that asks the movie for parameters."""
    propose = commands.add_parser(
        "propose", help="measure neuron size, decay time and more in the movie"
    )
    propose.add_argument("folder", type=Path, metavar="DIR", help="result of a run")
    _add_settings(propose)
    _add_computing(propose)
    propose.set_defaults(module="running", function="print_proposals")


def _add_apply(commands: argparse._SubParsersAction) -> None:
    """Add the command that registers another movie as an earlier one was."""
    apply = commands.add_parser(
        "apply", help="move another channel or file back by the shifts of a run"
    )
    apply.add_argument("folder", type=Path, metavar="DIR", help="result of a run")
    _add_movie(apply)
    _add_output(apply, "folder, or file that ends with .tif or .h5", required=True)
    apply.add_argument(
        "--register",
        action="store_true",
        help="register to the template of DIR instead: for frames recorded later",
    )
    _add_settings(apply)
    _add_computing(apply)
    apply.set_defaults(module="running", function="apply")


def _add_info(commands: argparse._SubParsersAction) -> None:
    """Add the command that describes a movie or a result."""
    info = commands.add_parser("info", help="describe a movie or a result")
    info.add_argument("path", type=Path, metavar="FILE|DIR")
    _add_settings(info)
    info.set_defaults(module="files", function="describe")


def _add_export(commands: argparse._SubParsersAction) -> None:
    """Add the command that writes a result in another format."""
    export = commands.add_parser("export", help="write a result in another format")
    export.add_argument(
        "folder",
        type=Path,
        metavar="DIR|FILE",
        help="result of a run, or of another program",
    )
    export.add_argument("--format", choices=_FORMATS, required=True)
    _add_output(export, "file to write, or the folder for csv, suite2p", required=True)
    export.add_argument(
        "--accepted",
        action="store_true",
        help="leave rejected components out; not of a movie (tif, h5)",
    )
    export.add_argument(
        "--speed",
        type=float,
        default=1.0,
        metavar="TIMES",
        help="of an mp4: times the true speed (default: 1)",
    )
    export.add_argument(
        "--session-start",
        metavar="TIME",
        help="when the recording began, for nwb: 2026-05-01T12:00:00+02:00",
    )
    export.set_defaults(module="files", function="export")


def _add_import(commands: argparse._SubParsersAction) -> None:
    """Add the command that takes over a result of another program."""
    taken = commands.add_parser("import", help="take over another program's result")
    taken.add_argument(
        "path",
        type=Path,
        metavar="FILE|DIR",
        help="what CaImAn or suite2p saved; NWB",
    )
    _add_output(taken, "folder for the result", required=True)
    taken.add_argument(
        "--frame-rate",
        type=float,
        metavar="HZ",
        help="frames per second, where the other program does not state it",
    )
    taken.add_argument(
        "--movie",
        type=Path,
        nargs="+",
        metavar="MOVIE",
        help="the registered movie that the cells were found in, to score them by",
    )
    taken.add_argument(
        "--apply-shifts",
        action="store_true",
        help="the movie is as recorded: move it back by the shifts of the result",
    )
    _add_settings(taken)
    _add_computing(taken)
    _add_overwrite(taken)
    taken.set_defaults(module="importing", function="import_foreign")


def _add_compare(commands: argparse._SubParsersAction) -> None:
    """Add the command that compares two results."""
    compare = commands.add_parser(
        "compare", help="say which cells of one result are which of another"
    )
    for letter, name in (("A", "first"), ("B", "second")):
        compare.add_argument(
            name,
            type=Path,
            metavar=letter,
            help="result of a run, or what CaImAn or suite2p saved",
        )
    compare.add_argument(
        "--movie",
        type=Path,
        nargs="+",
        metavar="MOVIE",
        help="files whose mean is drawn behind the contours",
    )
    _add_output(compare, "folder for a table and a picture (default: only tell)")
    compare.set_defaults(module="compare", function="compare_results")


def _add_clean(commands: argparse._SubParsersAction) -> None:
    """Add the commands that remove what results do not need, and go back to one."""
    clean = commands.add_parser("clean", help="remove what results do not need")
    clean.add_argument(
        "folders", type=Path, nargs="*", metavar="DIR", help="results of runs"
    )
    clean.add_argument(
        "--all",
        action="store_true",
        help="also what an unfinished run goes on with, and the result before its "
        "last stage",
    )
    clean.add_argument(
        "--user", action="store_true", help="also compiled kernels of this user"
    )
    clean.add_argument(
        "--dry-run", action="store_true", help="say how much it is, remove nothing"
    )
    clean.set_defaults(module="clean", function="clean")
    restore = commands.add_parser(
        "restore", help="go back from a damaged result to that before its last stage"
    )
    restore.add_argument("folder", type=Path, metavar="DIR", help="result of a run")
    restore.set_defaults(module="clean", function="restore")


def _add_demo(commands: argparse._SubParsersAction) -> None:
    """Add the command that shows everything on a simulated movie."""
    demo = commands.add_parser("demo", help="try everything on a simulated movie")
    _add_output(demo, "folder for the result (default: a new one, cnmf-demo)")
    demo.add_argument("--seed", type=int, default=0, help="of the simulation")
    _add_workers(demo)
    demo.set_defaults(module="demo", function="demonstrate")


def _add_cluster(commands: argparse._SubParsersAction) -> None:
    """Add the commands that look at a cluster."""
    cluster = commands.add_parser("cluster", help="try and watch a cluster")
    parts = cluster.add_subparsers(metavar="WHAT", required=True)
    test = parts.add_parser(
        "test", help="start a worker and check that it can do a run's work"
    )
    test.add_argument(
        "--movie", type=Path, nargs="+", default=[], help="files that it must see"
    )
    script = parts.add_parser("script", help="print a job's script, submit nothing")
    jobs = parts.add_parser("jobs", help="list the jobs of a run")
    functions = {test: "test", script: "print_script", jobs: "list_jobs"}
    for parser, function in functions.items():
        parser.add_argument(
            "folder",
            type=Path,
            metavar="DIR",
            nargs="?",
            help="of a run (default: this folder)",
        )
        _add_settings(parser)
        _add_computing(parser)
        parser.set_defaults(module="cluster", function=function)


def _add_movie(parser: argparse.ArgumentParser) -> None:
    """Add the files of a recording."""
    parser.add_argument(
        "movie",
        nargs="+",
        type=Path,
        metavar="MOVIE",
        help="a file, several that follow one another, or a folder of files",
    )


def _add_output(
    parser: argparse.ArgumentParser, what: str, required: bool = False
) -> None:
    """Add the place that results go to."""
    parser.add_argument(
        "-o", "--output", type=Path, metavar="PATH", required=required, help=what
    )


def _add_recipe(parser: argparse.ArgumentParser) -> None:
    """Add the file of parameters."""
    parser.add_argument(
        "--recipe", type=Path, metavar="FILE.toml", help="parameters, in TOML"
    )


def _add_overwrite(parser: argparse.ArgumentParser) -> None:
    """Add the leave to replace what was found before."""
    parser.add_argument(
        "--overwrite", action="store_true", help="replace an older result there"
    )


def _add_seeds(parser: argparse.ArgumentParser) -> None:
    """Add the cells to begin with."""
    parser.add_argument(
        "--seeds",
        type=Path,
        metavar="FILE",
        help="begin with these cells: a labels image, points (csv) or another result",
    )


def _add_settings(parser: argparse.ArgumentParser) -> None:
    """Add single parameters."""
    parser.add_argument(
        "--set",
        dest="settings",
        nargs="+",
        action="extend",
        default=[],
        metavar="group.name=value",
        help="change parameters, such as acquisition.frame_rate_hz=30",
    )


def _add_computing(parser: argparse.ArgumentParser) -> None:
    """Add where to work, and with how much."""
    parser.add_argument(
        "--backend",
        choices=("threads", "serial", "dask", "slurm"),
        help="where to work; --set dask.address=... or slurm.queue=... say more",
    )
    parser.add_argument(
        "--memory",
        metavar="SIZE",
        help="memory that may be used on this machine, such as 4GB",
    )
    _add_workers(parser)


def _add_workers(parser: argparse.ArgumentParser) -> None:
    """Add the number of tasks at a time."""
    parser.add_argument(
        "--workers", type=int, metavar="N", help="tasks at a time (default: all cores)"
    )
