"""Asking the paper exchange for a key."""

import pytest

from loans.bitmart.client import Client
from loans.services import paper_keys
from loans.services.paper_keys import NoPaperKey
from tests.paper_fixture import Paper


def test_a_key_with_a_past_works_at_once(paper: Paper) -> None:
    credentials = paper_keys.fetch(paper.base_url)

    client = Client(paper.base_url, credentials)
    assert len(client.borrow_records("ETH_USDT").rows) == 100


def test_a_silent_exchange_is_said_in_words() -> None:
    with pytest.raises(NoPaperKey, match="does not answer"):
        paper_keys.fetch("http://127.0.0.1:9")


def test_an_answer_without_a_key_is_not_quoted(paper: Paper) -> None:
    with pytest.raises(NoPaperKey) as trouble:
        paper_keys.fetch(f"{paper.base_url}/nowhere")

    assert "HTTP 404" in str(trouble.value)
