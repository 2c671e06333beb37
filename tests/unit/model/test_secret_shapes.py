"""What looks like a secret is hidden, and nothing else. The secrets are put together here."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projector.model.secret_shapes import SHAPES, Redaction

_X = "Ab3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF3hJ6kM9n"
_HEX = "0123456789abcdef" * 5
SECRETS = [
    # shape, secret
    (
        "private key",
        "-----BEGIN RSA PRIVATE KEY-----\nMII" + _X + "\n-----END RSA PRIVATE KEY-----",
    ),
    ("private key", "-----BEGIN OPENSSH PRIVATE KEY-----\n" + _X + "\ncut"),
    ("GitHub token", "ghp_" + _X[:36]),
    ("GitHub token", "github_pat_" + _X[:22] + "_" + _X),
    ("GitLab token", "glpat-" + _X[:20]),
    ("Anthropic key", "sk-ant-api03-" + _X),
    ("OpenAI key", "sk-proj-" + _X),
    ("OpenAI key", "sk-" + _X),
    ("AWS key id", "AKIA" + "Q7Z4X2W8" * 2),
    ("Google key", "AIza" + _X[:35]),
    ("Google token", "ya29." + _X),
    ("Slack token", "xoxb-" + "123456789012-" + _X[:20]),
    ("Stripe key", "sk_live_" + _X[:24]),
    ("npm token", "npm_" + _X[:36]),
    ("PyPI token", "pypi-" + _X + _X),
    ("Hugging Face token", "hf_" + _X[:34]),
    ("SendGrid key", "SG." + _X[:22] + "." + _X),
    ("DigitalOcean token", "dop_v1_" + _HEX[:64]),
    ("Docker token", "dckr_pat_" + _X[:27]),
    ("Databricks token", "dapi" + _HEX[:32]),
    ("Telegram token", "123456789:AA" + _X[:33]),
    ("JSON web token", "eyJ" + _X[:20] + ".eyJ" + _X[:30] + "." + _X),
]
WITHIN = [
    # text with <the secret>, and the shape
    ("postgresql://robin:<t3apot>@db/threads", "password in a URL"),
    ("redis://:<t3apot>@cache:6379", "password in a URL"),
    ("https://hooks.slack.com/<services/T0000/B0000/" + _X + ">", "Slack webhook"),
    ("Authorization: Basic <cm9iaW46dDNhcG90>", "authorization"),
    ("curl -H 'Authorization: Bearer <abcdefgh12345678>'", "authorization"),
    ("bearer <abcdefgh12345678>", "bearer token"),
    ("PGPASSWORD=<t3apot-lid>", "named secret"),
    ("export API_KEY='<t3apot>'", "named secret"),
    ('"client_secret": "<t3apot>"', "named secret"),
    ("db_password: <t3apot-lid>", "named secret"),
    ("AWS_SECRET_ACCESS_KEY=<" + _X + ">", "named secret"),
]
HARMLESS = [
    "The token count is 12,345; the key is under the mat; a secret garden.",
    "https://github.com/example/teapot.git and git@github.com:example/teapot.git",
    "sk-learn, task-force, disk-usage, risk-assessment-of-the-whole-project",
    "password: $PASSWORD", "API_KEY=${API_KEY}", 'token = os.environ["TOKEN"]',
    "def key(self, value): return hash(value)",
    "019b8d62-7a80-7000-8000-000000000002", "5f" * 20, "-----BEGIN CERTIFICATE-----",
    "input_tokens: 123456, cached_input_tokens: 100000", "total_tokens=45090",
]  # fmt: skip


@pytest.mark.parametrize(("name", "secret"), SECRETS)
def test_a_secret_is_hidden_wherever_it_stands(name: str, secret: str) -> None:
    for text in (secret, f"a {secret} b", f'"{secret}"', f"x={secret}\n", f"({secret})"):
        redaction = Redaction()

        hidden = redaction.text(text)

        assert secret[8:24] not in hidden
        assert f"[redacted: {name}]" in hidden or "[redacted: named secret]" in hidden
        assert sum(redaction.found.values()) == 1


@pytest.mark.parametrize(("marked", "name"), WITHIN)
def test_of_what_names_a_secret_only_the_secret_is_hidden(marked: str, name: str) -> None:
    before, secret, after = marked.replace(">", "<").split("<")

    assert f"{before}[redacted: {name}]{after}" == Redaction().text(before + secret + after)


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_no_secret_stays(text: str) -> None:
    assert text == Redaction().text(text)


def test_every_shape_has_a_case() -> None:
    assert {shape.name for shape in SHAPES} == {name for name, _ in SECRETS} | {
        name for _, name in WITHIN
    }


def test_json_stays_json() -> None:
    key = "-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----"
    document = {"output": f"a\n{key}\nb", "n": [1, None, {"password": "x", "keys": 3}]}
    redaction = Redaction()

    assert json.loads(redaction.json(json.dumps(document))) == {
        "output": "a\n[redacted: private key]\nb",
        "n": [1, None, {"password": "[redacted: named secret]", "keys": 3}],
    }
    assert redaction.found == {"private key": 1, "named secret": 1}
    assert "t3apot" not in Redaction().json("{broken PASSWORD=t3apot-lid")


@given(st.lists(st.sampled_from([*(one for _, one in SECRETS), *HARMLESS, " ", "\n", "=", '"'])))
def test_what_is_hidden_stays_hidden(parts: list[str]) -> None:
    once = Redaction().text("".join(parts))

    assert once == Redaction().text(once)
