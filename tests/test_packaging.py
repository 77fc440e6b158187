"""What the world outside sees of the package: plugin and version."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import numpy as np

from napari_cnmf.samples import simulated_movie

ROOT = Path(__file__).parents[1]


def test_napari_accepts_the_manifest_and_finds_its_commands():
    validate = [sys.executable, "-m", "npe2", "validate", "--imports", "napari-cnmf"]
    done = subprocess.run(validate, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_is_no_module_is_packed_too():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = settings["tool"]["setuptools"]["package-data"]["napari_cnmf"]
    package = ROOT / "src" / "napari_cnmf"
    packed = {path for pattern in patterns for path in package.glob(pattern)}
    others = {
        path
        for path in package.rglob("*")
        if path.is_file() and path.suffix != ".py" and "__pycache__" not in path.parts
    }
    assert package / "quality" / "shape_model.npz" in others
    assert others <= packed


def test_the_sample_movie_is_an_image_layer():
    ((movie, about, kind),) = simulated_movie()
    assert kind == "image"
    assert (movie.ndim, movie.dtype) == (3, np.uint16)
    assert about["metadata"]["frame_rate_hz"] == 30


def test_the_citation_names_this_version():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {version('napari-cnmf')}\n" in citation


def test_the_changelog_has_an_entry_for_this_version():
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"\n## {version('napari-cnmf')} " in changelog
