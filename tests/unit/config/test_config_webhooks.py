"""`[webhooks.NAME]`: what is refused, with its line, and that a secret in the wrong place is not repeated."""

from __future__ import annotations

import pytest

from flyball.config import ConfigInvalid, ConfigUnknownKey, parse_project

GOOD = '[project]\nname = "p"\n[webhooks.chat]\nurl = "https://hooks.example.com/x"\nsecret_from = "CHAT_SECRET"\n'


def test_a_webhook_tells_of_what_matters_unless_it_says_what() -> None:
    hook = parse_project(GOOD).webhooks["chat"]
    assert "alias.moved" in hook.events and "gate.refused" in hook.events and "gate.passed" not in hook.events
    assert (hook.tries, hook.networks, hook.models, hook.place) == (8, (), (), "https://hooks.example.com/…")
    one = parse_project(GOOD + 'events = "alert.raised"\nmodels = "press"\nnetworks = "10.0.0.0/8"\n').webhooks["chat"]
    assert (one.events, one.models, one.networks) == (("alert.raised",), ("press",), ("10.0.0.0/8",))


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ('url = "ftp://example.com"', "https://"),
        ('url = "https://"', "https://"),
        ('url = "https://user:pass@example.com/"', "user, password"),
        ('url = "https://example.com/ x"', "https://"),
        ('url = "https://exämple.com/"', "https://"),
        ('url = "https://example.com:99999/"', "https://"),
        ('url = "https://[::1/"', "https://"),
        ('secret_from = "whsec_c2VjcmV0IHNlY3JldA=="', "environment variable"),
        ('events = ["alias.move"]', "alias.moved"),
        ("events = []", "at least 1"),
        ('networks = ["10.0.0.1/8"]', "no network"),
        ("tries = 0", "greater than or equal to 1"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_line(line: str, what: str) -> None:
    key = line.partition(" ")[0]
    kept = [text for text in GOOD.split("\n") if not text.startswith(f"{key} ")]
    with pytest.raises(ConfigInvalid) as refused:
        parse_project("\n".join([*kept, line]))
    assert what in str(refused.value)
    assert "flyball.toml:" in (refused.value.where or "")
    assert "c2VjcmV0" not in str(refused.value)


def test_a_misspelt_key_and_a_missing_name_are_said() -> None:
    with pytest.raises(ConfigUnknownKey, match="secret_from"):
        parse_project(GOOD + 'secret_form = "X"\n')
    with pytest.raises(ConfigInvalid, match=r"\[webhooks\.NAME\]"):
        parse_project('[project]\nname = "p"\n[webhooks]\nurl = "https://x.example"\n')
