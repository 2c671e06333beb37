"""Own prices, as the settings have them."""

from __future__ import annotations

import pytest

from projector.model.prices import Price, own_price, price_fault

DAY = 1_787_270_400_000


@pytest.mark.parametrize(
    ("text", "price"),
    [
        ("p/m input=1 output=2", Price("p", "m", 1.0, None, None, 2.0)),
        ("p/org/m input=0 output=0.5", Price("p", "org/m", 0.0, None, None, 0.5)),
        (
            (
                "p/m cached_input=0.1 cache_write_input=1.2 from=2026-08-21 above_input=272000"
                " output=2 input=1 service_tier=flex currency=EUR"
            ),
            Price("p", "m", 1.0, 0.1, 1.2, 2.0, "flex", DAY, 272_000, "EUR"),
        ),
        ("p/m input=1 output=2 service_tier=standard", Price("p", "m", 1.0, None, None, 2.0)),
    ],
)
def test_what_a_price_says(text: str, price: Price) -> None:
    assert own_price(text) == price
    assert price_fault((text,)) == ""


@pytest.mark.parametrize(
    ("texts", "fault"),
    [
        (("",), "an empty price"),
        (("m input=1 output=2",), "begins with PROVIDER/MODEL"),
        (("p/ input=1 output=2",), "begins with PROVIDER/MODEL"),
        (("p/m input=1",), "needs input= and output="),
        (("p/m input=1 output=2 price=3",), "price=3: unknown"),
        (("p/m input=1 output",), "output: unknown"),
        (("p/m input=-1 output=2",), "input=-1: an amount"),
        (("p/m input=nan output=2",), "input=nan: an amount"),
        (("p/m input=inf output=2",), "input=inf: an amount"),
        (("p/m input=x output=2",), "input=x: an amount"),
        (("p/m input=1 output=2 from=soon",), "from=soon: a day"),
        (("p/m input=1 output=2 above_input=-1",), "above_input=-1: a number"),
        (("p/m input=1 output=2 above_input=9999999999999999",), "a number of tokens"),
        (("p/m input=1 output=2 currency=dollars",), "currency=dollars"),
        (("p/m input=1 output=2", "p/m input=2 output=3"), "a second price"),
    ],
)
def test_what_is_wrong_with_a_price(texts: tuple[str, ...], fault: str) -> None:
    assert fault in price_fault(texts)


def test_prices_of_one_model_differ_by_time_input_and_tier() -> None:
    begin = "p/m input=1 output=2"

    assert price_fault((begin, f"{begin} from=2026-01-01", f"{begin} above_input=5",
                        f"{begin} service_tier=flex")) == ""  # fmt: skip
