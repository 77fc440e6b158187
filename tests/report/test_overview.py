"""The page of a batch: one file that shows every movie, whatever came of it."""

from __future__ import annotations

import csv
import re
from base64 import b64decode
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import imagecodecs
import pytest
from example_values import make_registration, make_result

from napari_cnmf.errors import OutputError
from napari_cnmf.report.outcome import Findings, Outcome, save_outcomes
from napari_cnmf.report.overview import write_overview
from napari_cnmf.report.strip import DPI, SIZE_IN

STARTED = datetime(2025, 5, 1, 14, 3, 7, 999, UTC)
LOG = (
    "2025-05-01 14:03:08 INFO    all is well\n"
    "2025-05-01 14:03:09 WARNING too <few> frames\n"
    "2025-05-01 14:03:10 WARNING too <few> frames\n"
)


@pytest.fixture(scope="module")
def findings() -> Findings:
    """What a run of everything has found."""
    return Findings.of(
        replace(make_result(), log=LOG, registration=make_registration())
    )


@pytest.fixture
def outcomes(findings, tmp_path) -> list[Outcome]:
    """One movie of each state; the first has files in its folder."""
    folder = tmp_path / "a & b" / "m1"
    folder.mkdir(parents=True)
    for name in ("report.png", "run.log"):
        (folder / name).touch()
    states = ("done", "incomplete", "failed", "cancelled", "running", "waiting")
    made = [
        Outcome(f"<{state}>.tif", tmp_path / state, state, STARTED, 61.2)
        for state in states
    ]
    made[0] = replace(made[0], folder=folder, findings=findings)
    made[1] = replace(made[1], findings=findings, reason="Some parts are left out.")
    made[2] = replace(made[2], reason="It holds NaN, 3 < 4.")
    return made


def page_of(outcomes: list[Outcome], folder: Path) -> str:
    write_overview(outcomes, folder / "overview.html", "Day 1 & 2")
    return (folder / "overview.html").read_text(encoding="utf-8")


def test_findings_are_what_the_result_holds(findings):
    result = make_result()
    assert findings.shape == result.movie.shape
    accepted = int(result.components.accepted.sum())
    assert findings.n_accepted == accepted
    assert findings.n_rejected == len(result.components) - accepted
    assert findings.n_bad_frames == len(make_registration().bad_frames)
    assert findings.seconds == sum(record.seconds for record in result.stages)
    assert findings.warnings == ("too <few> frames",)
    height, width, _ = imagecodecs.webp_decode(findings.picture).shape
    assert (width, height) == tuple(round(side * DPI) for side in SIZE_IN)


def test_without_cells_or_registration_what_is_unknown_is_unknown():
    bare = replace(make_result(), components=None, registration=None, shifts=None)
    found = Findings.of(bare)
    assert (found.n_accepted, found.n_rejected) == (None, None)
    assert (found.n_bad_frames, found.residual_px) == (None, None)
    assert found.picture


def test_every_movie_has_its_row_and_what_has_begun_its_part(outcomes, tmp_path):
    page = page_of(outcomes, tmp_path)
    rows = page.partition("<tbody>")[2].partition("</tbody>")[0].split("<tr>")[1:]
    assert len(rows) == len(outcomes)
    for number, (row, outcome) in enumerate(zip(rows, outcomes, strict=True), 1):
        assert f'class="state {outcome.state}">{outcome.state}</span>' in row
        has_begun = outcome.state != "waiting"
        assert (f'href="#movie-{number}"' in row) == has_begun
        assert (f'id="movie-{number}"' in page) == has_begun
    assert "It holds NaN, 3 &lt; 4." in rows[2]
    assert "1 min 1 s" in rows[2]


def test_what_was_found_stands_in_the_row(outcomes, findings, tmp_path):
    page = page_of(outcomes, tmp_path)
    cells = re.findall(r'<td class="number">([^<]*)', page)[:9]
    n_frames, height, width = findings.shape
    assert cells[:3] == [f"{n_frames}", f"{height} \u00d7 {width}", "1.0 s"]
    assert cells[3:5] == [str(findings.n_accepted), str(findings.n_rejected)]
    assert cells[5] == str(findings.n_bad_frames)
    assert cells[6] == f"{findings.residual_px:.2f}"
    assert cells[7] == "1"


def test_the_page_counts_states_and_accepted_cells(outcomes, findings, tmp_path):
    page = page_of(outcomes, tmp_path)
    assert "6 movies: 1 waiting, 1 running, 1 done, 1 incomplete, 1 failed" in page
    assert f"{2 * findings.n_accepted} cells accepted" in page


def test_it_needs_no_other_file_and_no_script(outcomes, tmp_path):
    page = page_of(outcomes, tmp_path)
    pictures = re.findall(r'src="([^"]*)"', page)
    assert len(pictures) == 2
    for picture in pictures:
        kind, _, data = picture.partition(",")
        assert kind == "data:image/webp;base64"
        assert imagecodecs.webp_decode(b64decode(data)).ndim == 3
    assert "<script" not in page
    assert "http://" not in page
    assert "https://" not in page


def test_links_are_relative_and_lead_to_files_that_are_there(outcomes, tmp_path):
    page = page_of(outcomes, tmp_path)
    links = set(re.findall(r'href="([^"#]+)"', page))
    there = {link for link in links if (tmp_path / unquote(link)).exists()}
    assert "a%20%26%20b/m1/run.log" in there
    assert links - there == {"incomplete/report.png"}  # around its picture


def test_it_is_loaded_again_only_while_something_is_to_come(outcomes, tmp_path):
    assert 'http-equiv="refresh"' in page_of(outcomes, tmp_path)
    assert 'http-equiv="refresh"' not in page_of(outcomes[:4], tmp_path)


class Nesting(HTMLParser):
    """Notes whether all that is opened is closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list) -> None:
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_names_and_reasons_cannot_break_the_page(outcomes, tmp_path):
    parser = Nesting()
    page = page_of(outcomes, tmp_path)
    parser.feed(page)
    parser.close()
    assert parser.open == []
    assert "&lt;done&gt;.tif" in page
    assert "too &lt;few&gt; frames" in page
    assert "Day 1 &amp; 2" in page


def test_the_table_of_states_opens_in_a_spreadsheet(outcomes, findings, tmp_path):
    path = tmp_path / "overview.csv"
    save_outcomes(outcomes, path)
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    assert [row["state"] for row in rows] == [o.state for o in outcomes]
    assert rows[0]["accepted"] == str(findings.n_accepted)
    assert rows[0]["started"] == "2025-05-01 14:03:07+00:00"
    assert rows[2]["reason"] == "It holds NaN, 3 < 4."
    assert rows[2]["accepted"] == ""


def test_a_page_that_cannot_be_written_is_said_and_leaves_nothing(outcomes, tmp_path):
    (tmp_path / "overview.html").mkdir()
    with pytest.raises(OutputError, match=r"overview\.html cannot be written"):
        write_overview(outcomes, tmp_path / "overview.html", "Batch")
    assert not list(tmp_path.glob("*.part"))
