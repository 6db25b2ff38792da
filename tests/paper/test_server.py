"""The server itself: it starts, answers, survives, and stops."""

from pathlib import Path

from bitmart.api_margin_loan import APIMarginLoan

from loans.paper.server import PaperExchange
from tests.paper_fixture import Paper


def test_state_survives_a_restart_on_the_same_port(tmp_path: Path) -> None:
    server = PaperExchange(tmp_path / "paper.sqlite3").start()
    paper = Paper(server)
    key = paper.new_key()
    api = APIMarginLoan(key.access_key, key.secret, key.memo, url=paper.base_url)
    answer, _ = api.margin_borrow_isolated("BTC_USDT", "USDT", "15")

    before = server.base_url
    server.stop()
    server.start()

    assert server.base_url == before
    [loan] = paper.books(key)["executed"]["loans"]
    assert loan["answer_id"] == answer["data"]["borrow_id"]
    server.stop()
