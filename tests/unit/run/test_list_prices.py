"""List prices by genai-prices: provider and model both have to match."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime

import pytest

from projector.model.prices import Price
from projector.run import prices
from projector.run.list_prices import look_up
from projector.run.prices import LIBRARY, list_version, sortable

pytest.importorskip("genai_prices")

#: From when on this model costs less, and above how much input more.
_CHANGED = round(datetime(2026, 8, 21, tzinfo=UTC).timestamp() * 1000)
_LONG = 272_000


def found(provider: str, model: str) -> list[Price]:
    return [*look_up([(provider, model)], f"{LIBRARY} {list_version()}")]


def test_a_model_has_its_prices_by_time_and_input() -> None:
    told = found("openai", "gpt-5.6-sol")

    assert [(one.from_ms, one.above, one.input, one.cached_input, one.cache_write, one.output)
            for one in told] == [
        (0, -1, 5.0, 0.5, 6.25, 30.0), (0, _LONG, 10.0, 1.0, 12.5, 45.0),
        (_CHANGED, -1, 4.0, 0.4, 5.0, 20.0), (_CHANGED, _LONG, 8.0, 0.8, 10.0, 30.0),
    ]  # fmt: skip
    assert {one.price_source for one in told} == {f"genai-prices {list_version()}"}
    assert {(one.currency, one.service_tier) for one in told} == {("USD", "")}


def test_the_library_computes_the_same() -> None:
    """At each side of each bound."""
    import genai_prices  # noqa: PLC0415 - see the pytest.importorskip

    told = found("openai", "gpt-5.6-sol")
    for at_ms in (_CHANGED - 1, _CHANGED):
        for tokens in (1000, _LONG, _LONG + 1):
            [*_, price] = [
                one for one in told if one.from_ms <= at_ms and one.above < tokens
                and one.from_ms == max(o.from_ms for o in told if o.from_ms <= at_ms)
            ]  # fmt: skip
            assert None not in price
            amount = (
                (tokens - 300) * (price.input or 0) + 200 * (price.cached_input or 0)
                + 100 * (price.cache_write or 0) + 50 * (price.output or 0)
            ) / 1_000_000  # fmt: skip
            theirs = genai_prices.calc_price(
                genai_prices.Usage(
                    input_tokens=tokens, cache_read_tokens=200, cache_write_tokens=100,
                    output_tokens=50,
                ),
                "gpt-5.6-sol", provider_id="openai",
                genai_request_timestamp=datetime.fromtimestamp(at_ms / 1000, tz=UTC),
            )  # fmt: skip
            assert amount == pytest.approx(float(theirs.total_price))


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "gpt-of-tomorrow"),
        ("openai", "llama3.3"),
        ("ollama", "gpt-5"),
        ("lmstudio", "gpt-5.6-sol"),
        ("my-openai", "gpt-5"),
        ("openai-proxy", "gpt-5"),
        ("OpenAI", "gpt-5"),
        ("", "gpt-5"),
        ("deepseek", "deepseek-chat"),  # by the hour
    ],
)
def test_what_has_no_price_is_told_to_have_none(provider: str, model: str) -> None:
    (price,) = found(provider, model)

    assert (price.input, price.output, price.from_ms, price.above) == (None, None, 0, -1)


def test_amazon_has_another_name_there() -> None:
    assert all(one.input for one in found("amazon-bedrock", "amazon.nova-lite-v1:0"))


@pytest.mark.parametrize(
    ("older", "newer"), [("0.2.3", "0.2.10"), ("0.2.3", "0.10.0"), ("0.2", "0.2.1"), ("", "0.1")]
)
def test_versions_sort(older: str, newer: str) -> None:
    assert sortable(older) < sortable(newer)


def test_a_process_of_its_own_finds_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    models = [("openai", "gpt-5.6-sol"), ("openai", "llama3.3")]
    here = [price for model in models for price in found(*model)]

    assert prices._look_up(models) == here
    assert "genai_prices" not in looked_up_by(models)

    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    assert prices._look_up(models) == here  # in this one


def looked_up_by(models: list[tuple[str, str]]) -> str:
    """Return which libraries a process has after a look-up."""
    code = (
        f"from projector.run import prices; import sys; prices._look_up({models!r});"
        " print(*sys.modules)"
    )
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
