"""What the benchmarks report, from made-up samples."""

from __future__ import annotations

import importlib
import json

import pytest

from tests.benchmarks import __main__ as command
from tests.benchmarks import readme
from tests.benchmarks.bench import REGISTRY, benchmark
from tests.benchmarks.results import (
    Limit,
    Result,
    number,
    percentile,
    render,
    spread,
    table,
)


def measured() -> Result:
    result = Result("race", "who is faster")
    for ours, theirs in ((1.0, 8.0), (2.0, 18.0), (1.5, 15.0)):
        result.sample("projector", "wall", ours, "s")
        result.sample("codex", "wall", theirs, "s")
    return result


# fmt: off
SPREADS = [
    # samples                      noise
    ("one sample tells nothing",   [3.0],                     0.0),
    ("two: their distance",        [1.0, 3.0],                1.0),
    ("many: that of the quartiles", [1.0, 2.0, 3.0, 4.0, 5.0], 2 / 3),
    ("an outlier does not count",  [2.0, 2.0, 2.0, 2.0, 90.0], 0.0),
    ("nothing at all",             [0.0, 0.0, 0.0],           0.0),
]
# fmt: on


@pytest.mark.parametrize(
    ("samples", "noise"), [pytest.param(*case[1:], id=case[0]) for case in SPREADS]
)
def test_spread(samples: list[float], noise: float) -> None:
    assert spread(samples) == pytest.approx(noise)


@pytest.mark.parametrize(
    ("share", "value"), [(0.5, 50.0), (0.99, 99.0), (1.0, 100.0), (0.001, 1.0)]
)
def test_percentile(share: float, value: float) -> None:
    """It is always one of the samples."""
    samples = [float(one) for one in range(100, 0, -1)]

    assert percentile(samples, share) == value


@pytest.mark.parametrize(
    ("value", "written"),
    [(0.0, "0"), (0.01234, "0.0123"), (1.5, "1.50"), (12.345, "12.3"), (12345.6, "12,346"),
     (3.0, "3"), (99.96, "100.0")],
)  # fmt: skip
def test_number(value: float, written: str) -> None:
    assert number(value) == written


def test_ratios_are_taken_round_by_round() -> None:
    """The median of 8, 9 and 10, not the ratio of the medians."""
    result = measured()
    result.compare("codex", "projector", "wall", at_least=8)

    (verdict,) = result.verdicts
    assert verdict.value == 9.0
    assert verdict.kept is True


def test_a_missed_target_is_told() -> None:
    result = measured()
    result.compare("codex", "projector", "wall", at_least=10)
    result.promise("projector", "wall", at_most=1)

    assert [verdict.kept for verdict in result.verdicts] == [False, False]
    assert render(result).count("MISSED") == 2


def test_who_is_absent_is_compared_with_no_one() -> None:
    result = measured()
    result.absent["agentsview"] = "not installed"
    result.compare("agentsview", "projector", "wall", at_least=2)
    result.promise("agentsview", "wall", at_most=2)

    assert result.verdicts == []
    assert "absent: agentsview: not installed" in render(result)


@pytest.mark.parametrize(
    ("limit", "value", "kept"),
    [
        pytest.param(Limit(at_least=2), 2.0, True, id="a limit is kept when it is reached"),
        pytest.param(Limit(at_least=2), 1.9, False, id="too little"),
        pytest.param(Limit(at_most=2), 2.0, True, id="not above"),
        pytest.param(Limit(at_most=2), 2.1, False, id="too much"),
        pytest.param(Limit(at_least=1, at_most=2), 0.5, False, id="below both"),
    ],
)
def test_limits(limit: Limit, value: float, kept: bool) -> None:  # noqa: FBT001 - a case's column
    assert limit.kept(value) is kept


def test_the_table_is_laid_out() -> None:
    rows = [["who", "median"], ["projector", "1"], ["x", "12.5"]]

    assert table(rows, right=(1,)) == [
        "who        median",
        "---------  ------",
        "projector       1",
        "x            12.5",
    ]


def test_all_of_it_is_rendered() -> None:
    result = measured()
    result.compare("codex", "projector", "wall")
    result.notes.append("93,000 records")
    result.failure = "the disk was full"

    assert render(result).splitlines() == [
        "race: who is faster",
        "",
        "who        what  median  unit  noise  n",
        "---------  ----  ------  ----  -----  -",
        "projector  wall    1.50  s       33%  3",
        "codex      wall      15  s       33%  3",
        "",
        "ratio or promise         value  unit  noise  target",
        "-----------------------  -----  ----  -----  ------",
        "wall: codex / projector      9  x       11%",
        "",
        "note: 93,000 records",
        "FAILED: the disk was full",
    ]


def test_json_holds_every_sample() -> None:
    result = measured()
    result.compare("codex", "projector", "wall", at_least=8)
    told = json.loads(json.dumps(result.json()))

    assert told["figures"][0] == {
        "who": "projector", "what": "wall", "unit": "s", "median": 1.5,
        "spread": pytest.approx(1 / 3), "samples": [1.0, 2.0, 1.5],
    }  # fmt: skip
    assert told["verdicts"][0]["at_least"] == 8
    assert told["verdicts"][0]["at_most"] is None
    assert told["verdicts"][0]["kept"] is True


def test_the_readme_shows_what_was_missed_too() -> None:
    """Of a benchmark that was run again, what was found last; of one that failed, nothing."""
    machine = {"cpu": "C", "cores": 2, "kernel": "6", "python": "3", "sqlite": "3", "load": 0.5}
    race = measured()
    race.compare("codex", "projector", "wall", at_least=9)
    race.compare("projector", "codex", "wall", at_most=1)
    race.compare("codex", "codex", "wall")
    failed = Result("other", "of which nothing is known", failure="a fault")
    failed.sample("projector", "wall", 1.0, "s")
    failed.promise("projector", "wall", at_most=2)
    document = {"machine": {**machine, "noise": 0.031}, "benchmarks": [race.json(), failed.json()]}
    before = "one\n<!-- speed -->\nold\n<!-- /speed -->\ntwo\n"

    shown = readme.filled(before, readme.table([document, document]))

    assert shown == (
        "one\n<!-- speed -->\n"
        "Measured on C, 2 cores, Linux 6, Python 3, SQLite 3.\n"
        "Load of the machine before: 0.5 at most; the same work varied by up to 3%.\n\n"
        "| benchmark | what | median | noise | target | |\n"
        "| --- | --- | --- | --- | --- | --- |\n"
        "| `race` | wall: codex / projector | 9 x | 11% | ≥ 9 | kept |\n"
        "| `race` | wall: projector / codex | 0.111 x | 11% | ≤ 1 | kept |\n"
        "| `race` | wall: codex / codex | 1 x | 0% |  |  |\n"
        "<!-- /speed -->\ntwo\n"
    )
    assert readme.filled(shown, readme.table([document])) == shown


def test_the_readme_has_lines_of_what_was_measured() -> None:
    race = Result("backfill-100mb", "what the README tells")
    for ours, theirs in ((1.0, 3.0), (1.0, 4.0), (1.0, 3.5)):
        race.sample("projector", "wall", ours, "s")
        race.sample("codex", "wall", theirs, "s")
    race.compare("codex", "projector", "wall", at_least=9)

    heading, _, *lines = readme.brief([{"benchmarks": [race.json(), measured().json()]}]).split(
        "\n"
    )

    assert heading == "| what | measured |"
    assert lines == ["| 100 MB in one rollout: Codex takes so many times as long | 3.50 x |", ""]


def test_the_suite_is_registered() -> None:
    """Every benchmark has a name of its own, and is chosen by it or by how it begins."""
    command._load_suite()

    assert {"backfill-100mb", "append-latency", "standby", "page"} <= REGISTRY.keys()
    assert [one.name for one in command._chosen(["page"])] == ["page"]
    assert {one.name for one in command._chosen(["backfill"])} == {
        "backfill-100mb", "backfill-1gb", "backfill-legacy",
        "backfill-short", "backfill-bulky", "backfill-session", "backfill-small",
    }  # fmt: skip
    assert len(command._chosen([])) == len(REGISTRY)
    with pytest.raises(SystemExit, match="no benchmark 'nothing'"):
        command._chosen(["page", "nothing"])


def test_a_name_is_given_once() -> None:
    importlib.import_module("tests.benchmarks.suite.reading")
    with pytest.raises(AssertionError, match="two benchmarks named page"):
        benchmark("page", "again")(lambda _: None)
