"""Series as a Prometheus has them: with labels of its own, one after the other, or of several exporters."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from naru.errors import InputError
from naru.operate.metrics.prometheus import TOKEN, Prometheus
from naru.operate.metrics.store import EVERY

pytestmark = pytest.mark.unit
Asked = list[tuple[str, dict[str, Any]]]
Serve = Callable[..., tuple[Prometheus, Asked]]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Serve:
    """A Prometheus that answers with these series, and what it was asked."""

    def made(*series: dict[str, Any], match: str = "") -> tuple[Prometheus, Asked]:
        asked: Asked = []
        server = Prometheus("http://127.0.0.1:9", match=match)

        def ask(what: str, values: dict[str, Any]) -> list[dict[str, Any]]:
            asked.append((what, values))
            return list(series)

        monkeypatch.setattr(server, "_ask", ask)
        return server, asked

    return made


def one(instance: str, *values: tuple[float, float]) -> dict[str, Any]:
    told = [[at * EVERY, str(value)] for at, value in values]
    return {"metric": {"pool": "p", "instance": instance, "job": "naru"}, "values": told, "value": told[-1]}


def test_series_that_follow_each_other_are_one(serve: Serve) -> None:
    server, _ = serve(one("b", (2, 30), (3, 40)), one("a", (0, 10), (1, 20), (2, 25)))
    hours = server.trend("naru_pool_bytes", 0)["p",]
    assert hours == [(0, 10), (EVERY, 20), (2 * EVERY, 30), (3 * EVERY, 40)]
    # a second exporter that was only tried, some time ago
    server, _ = serve(
        one("a", *((hour, 1.0) for hour in range(9))), one("tried", *((hour, 2.0) for hour in range(2, 6)))
    )
    assert server.trend("naru_pool_bytes", 0)["p",] == [(hour * EVERY, 1.0) for hour in range(9)]


def test_of_two_that_go_on_side_by_side_none_is_taken(serve: Serve) -> None:
    both = [one(name, *((hour, 1.0) for hour in range(9))) for name in ("a", "b")]
    server, _ = serve(*both)
    with pytest.raises(InputError, match="naru_pool_bytes of several exporters"):
        server.trend("naru_pool_bytes", time.time() - 9 * EVERY)
    with pytest.raises(InputError, match="--match"):
        server.latest("naru_pool_bytes")
    server, asked = serve(both[0], match='site="seoul"')
    assert server.latest("naru_pool_bytes") == {("p",): 1.0}
    server.trend("naru_pool_bytes", time.time() - 9 * EVERY)
    assert [values["query"] for _, values in asked] == ['naru_pool_bytes{site="seoul"}'] * 2


def test_a_token_is_sent_and_no_password_of_netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login mina password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv(TOKEN, "t0k3n")
    server = Prometheus("http://127.0.0.1:9")
    sent = server._session.prepare_request(requests.Request("POST", "http://127.0.0.1:9/api/v1/query"))
    assert sent.headers["Authorization"] == "Bearer t0k3n"
