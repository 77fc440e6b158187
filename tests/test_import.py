"""Importing the package is quick, and its public names are what they seem."""

from __future__ import annotations

import subprocess
import sys

import pytest

import napari_cnmf

HEAVY = ("numba", "qtpy", "napari", "distributed", "dask", "scipy", "numpy", "h5py")


def modules_after(code: str) -> set[str]:
    """Top-level packages that are loaded after some code."""
    show = "import sys; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{show}"],
        check=True,
        capture_output=True,
        text=True,
    )
    return set(done.stdout.split())


def test_the_package_imports_nothing_heavy():
    assert not modules_after("import napari_cnmf").intersection(HEAVY)


def test_the_parser_of_the_command_line_imports_nothing_heavy():
    code = "from napari_cnmf.cli.parser import build_parser; build_parser()"
    assert not modules_after(code).intersection(HEAVY)


def test_the_whole_core_imports_neither_interface_nor_cluster():
    loaded = modules_after("from napari_cnmf import *")
    assert "numba" in loaded
    assert not loaded.intersection({"qtpy", "napari", "magicgui", "distributed"})


@pytest.mark.parametrize("name", napari_cnmf.__all__)
def test_every_public_name_is_there(name):
    assert getattr(napari_cnmf, name) is not None
    assert name in dir(napari_cnmf)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'fitt'"):
        _ = napari_cnmf.fitt
