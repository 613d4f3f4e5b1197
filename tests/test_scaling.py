"""Tests the arithmetic in docs/scaling.md."""

from __future__ import annotations

import pytest

from benchmarks.scaling import LAION, PAGE, PUBLISHED, Measured, code_bytes, duration, filled, size, tables


def cells(table: str, row: str) -> list[str]:
    line = next(line for line in table.splitlines() if line.startswith(f"| {row}"))
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_the_tables_on_the_page_follow_from_the_measured_rates() -> None:
    page = PAGE.read_text("utf-8")
    assert filled(page, Measured.read()) == page, "run python -m benchmarks.scaling --tables"


def test_the_arithmetic_is_right_for_numbers_that_can_be_done_in_the_head() -> None:
    easy = Measured(10.0, 1000.0, 20_000.0, 20_000.0, 15_000.0, 500.0, 300.0)
    made = tables(easy)
    assert cells(made["time"], "embed, this machine") == [
        "1.2 days",
        "115.7 days",
        "15.8 years",
    ]  # 10^5, 10^7, 5 × 10^8 s
    assert cells(made["time"], "merge") == ["16.7 min", "1.2 days", "57.9 days"]
    assert cells(made["storage"], "vectors") == ["2.0 GB", "204.8 GB", "10.2 TB"]
    assert cells(made["storage"], "all of a row") == ["20.0 GB", "2.0 TB", "100.0 TB"]
    assert cells(made["memory"], "where the run is started") == ["500.0 MB", "50.0 GB", "2.5 TB"]
    assert cells(made["memory"], "staging") == ["100.0 MB"] * 3
    assert code_bytes(768, easy) == 300  # of at most 256 directions, four bits each
    assert code_bytes(128, easy) == 300 - 64


def test_what_is_said_of_laion_agrees_with_its_own_numbers() -> None:
    assert LAION["vectors"] * LAION["dim"] * LAION["bytes"] == pytest.approx(LAION["embeddings"], rel=0.01)
    assert cells(tables(Measured.read())["laion"], "embeddings")[1].endswith("= 9.0 TB")
    assert LAION["index"] / LAION["vectors"] / LAION["dim"] * 8 == pytest.approx(1.4, abs=0.1)  # bits of a number


def test_what_the_page_concludes_still_follows() -> None:
    measured = Measured.read()
    eight = PUBLISHED["eight A100 in one machine (published: 7,000)"]
    assert eight < measured.commits_per_second < 1.5 * eight  # "little more than one machine of eight A100"
    assert 8 * eight * 50_000 == 2.8e9  # "2.8 GB/s"
    assert measured.thumbnail_bytes > measured.row_bytes / 2  # "thumbnails are most of it"
    assert measured.driver_bytes * 1e8 > 32e9  # "a hundred million need a large machine"
    ours = 5.85e9 * code_bytes(768, measured)
    assert ours / 800e9 == pytest.approx(1.25, abs=0.05)  # "a quarter more"


def test_units_change_where_they_should() -> None:
    assert [duration(59), duration(60), duration(3599), duration(3600)] == ["59 s", "1.0 min", "60.0 min", "1.0 h"]
    assert [size(999), size(1e6), size(2.5e12), size(3e15)] == ["999 B", "1.0 MB", "2.5 TB", "3.0 PB"]
