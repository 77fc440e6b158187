"""The manifest: napari finds everything that it names."""

from __future__ import annotations

from pathlib import Path

import pytest
from npe2 import PluginManifest
from npe2.manifest.utils import import_python_name

import napari_cnmf

MENUS = {
    "napari/file/io_utilities",
    *(
        f"napari/layers/{name}"
        for name in (
            "register",
            "project",
            "segment",
            "classify",
            "measure",
            "visualize",
        )
    ),
}


@pytest.fixture(scope="module")
def manifest() -> PluginManifest:
    return PluginManifest.from_file(Path(napari_cnmf.__file__).with_name("napari.yaml"))


def test_every_command_can_be_imported(manifest):
    for command in manifest.contributions.commands:
        assert callable(import_python_name(command.python_name)), command.id


def test_what_is_contributed_is_a_command(manifest):
    known = {command.id for command in manifest.contributions.commands}
    offered = manifest.contributions
    used = [
        item.command
        for part in (
            offered.readers,
            offered.writers,
            offered.sample_data,
            offered.widgets,
        )
        for item in part
    ]
    used += [item.command for menu in offered.menus.values() for item in menu]
    assert set(used) == known


def test_every_dock_takes_the_viewer_by_its_name(manifest):
    """By that name napari knows what to hand over."""
    for widget in manifest.contributions.widgets:
        command = manifest.contributions.commands
        name = next(c.python_name for c in command if c.id == widget.command)
        code = import_python_name(name).__init__.__code__
        assert code.co_varnames[1] == "napari_viewer", widget.command


def test_menus_are_known_to_napari(manifest):
    from napari._app_model.constants import MenuId

    assert set(manifest.contributions.menus) == MENUS
    assert {str(menu) for menu in MenuId.contributables()} >= MENUS


def test_preferences_are_read_under_their_names(manifest):
    found = {
        f"{group}.{name}"
        for group, about in manifest.contributions.configurations.items()
        for name in about.properties
    }
    folder = Path(napari_cnmf.__file__).parent / "widgets"
    code = "".join(file.read_text() for file in folder.rglob("*.py"))
    for full_name in found:
        group, name = full_name.split(".")
        assert f'preference("{group}", "{name}"' in code, full_name
