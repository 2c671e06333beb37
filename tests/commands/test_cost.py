"""`projector cost` over a database, from rollouts to sums."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from projector.cli import run
from tests.sample import make

#: The sample's models, at prices of our own.
PRICES = ["openai/gpt-5-codex input=2 cached_input=1 output=10"]


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    config = tmp_path / "projector.toml"
    config.write_text(f"[cost]\nprices = {json.dumps(PRICES)}\n")
    monkeypatch.setenv("PROJECTOR_CONFIG", str(config))
    url = f"sqlite:///{tmp_path / 'p.db'}"
    assert run(["backfill", "--codex-home", str(make.SHIPPED), "--database", url]) == 0
    return url


def test_it_is_tokens_times_own_price(
    database: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    capfdbinary.readouterr()
    assert run(["cost", "--database", database, "--by", "model", "--json"]) == 0
    rows = {one["model"]: one for one in json.loads(capfdbinary.readouterr().out)}

    one = rows["gpt-5-codex"]
    fresh = one["input_tokens"] - one["cached_input_tokens"]
    wanted = (fresh * 2 + one["cached_input_tokens"] + one["output_tokens"] * 10) / 1_000_000
    assert one["amount"] == pytest.approx(wanted)
    assert one["currency"] == "USD"


def test_people_are_told_what_it_is(
    database: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    capfdbinary.readouterr()
    assert run(["cost", "--database", database, "--by", "thread,model", "--with-agents"]) == 0
    out, err = capfdbinary.readouterr()

    assert out.splitlines()[0].split()[:5] == [b"NAME", b"THREAD", b"MODEL", b"RESPONSES", b"INPUT"]
    assert b"A faster kettle" in out
    assert out.splitlines()[-1].startswith(b"total")
    assert b"not your bill" in err


@pytest.mark.parametrize(
    ("where", "responses"),
    [(["--repo", "teapot"], 8), (["--cwd", "/home/robin"], 8), (["--repo", "other"], 0)],
)
def test_of_a_repository_or_folder_alone(
    database: str, capfdbinary: pytest.CaptureFixture[bytes], where: list[str], responses: int
) -> None:
    capfdbinary.readouterr()
    assert run(["cost", "--database", database, "--json", *where]) == 0

    found = json.loads(capfdbinary.readouterr().out)
    assert sum(row["responses"] for row in found) == responses


def test_nothing_was_spent_since(database: str, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    capfdbinary.readouterr()
    assert run(["cost", "--database", database, "--since", "2999-01-01"]) == 0

    assert capfdbinary.readouterr() == (b"", b"no responses since then\n")


def test_an_unknown_key_is_refused_with_those_that_are_known(
    database: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    capfdbinary.readouterr()
    assert run(["cost", "--database", database, "--by", "day,week"]) == 2
    out, err = capfdbinary.readouterr()

    assert out == b""
    assert err == (
        b"projector: --by week: unknown. There are: day, model, provider, folder, repo, thread,"
        b" turn\n"
    )


def test_a_wrong_own_price_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    config = tmp_path / "projector.toml"
    config.write_text('[cost]\nprices = ["gpt input=1"]\n')
    monkeypatch.setenv("PROJECTOR_CONFIG", str(config))

    assert run(["cost"]) == 2
    assert b"[cost] prices = gpt: begins with PROVIDER/MODEL" in capfdbinary.readouterr().err
