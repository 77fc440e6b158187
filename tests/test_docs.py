"""The pages made from the code hold all that they must."""

from __future__ import annotations

import re
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from napari_cnmf.recipe import Recipe

DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture(scope="module")
def generate():
    sys.path.insert(0, str(DOCS))
    try:
        import generate

        yield generate
    finally:
        sys.path.remove(str(DOCS))


def every_parameter() -> list[tuple[str, str, str]]:
    """Group, name and CaImAn's name of each."""
    recipe = Recipe()
    groups = [getattr(recipe, item.name) for item in fields(recipe)]
    return [(g.group, f.name, f.metadata["caiman"]) for g in groups for f in fields(g)]


def test_every_parameter_stands_in_the_table_of_its_group(generate):
    sections = generate.parameter_tables().split("\n## ")
    rows = {
        (section.removeprefix("## ").split("\n")[0], name)
        for section in sections
        for name in re.findall(r"^\| `(\w+)`", section, re.MULTILINE)
    }
    assert rows == {(group, name) for group, name, _ in every_parameter()}


def test_every_name_of_caiman_stands_beside_ours(generate):
    table = generate.caiman_names()
    for group, name, theirs in every_parameter():
        if theirs != "new":
            assert re.search(
                rf"^\| `{re.escape(theirs)}` \| \[`{group}\.{name}`\]",
                table,
                re.MULTILINE,
            )


def test_each_value_of_the_notebook_is_taken_over_or_has_a_reason(generate):
    table = generate.notebook_parameters().splitlines()[2:]
    assert len(table) == len(generate.NOTEBOOK)
    _, unknown = Recipe.from_caiman(generate.NOTEBOOK)
    assert set(unknown) == set(generate.WITHOUT_EQUIVALENT)


def test_every_mark_is_on_a_page_and_every_page_knows_its_mark(generate):
    pages = [path.read_text(encoding="utf-8") for path in DOCS.glob("*.md")]
    marks = {
        mark for page in pages for mark in re.findall(r"^<!-- .* -->$", page, re.M)
    }
    assert marks == set(generate.TEXTS)


def test_every_picture_of_the_pages_is_there_and_is_shown():
    pages = [path.read_text(encoding="utf-8") for path in DOCS.glob("*.md")]
    shown = {
        name for page in pages for name in re.findall(r"images/([\w-]+\.png)", page)
    }
    assert shown == {path.name for path in (DOCS / "images").glob("*.png")}
