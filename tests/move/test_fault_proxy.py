"""The fault proxy itself, before a service on loopback: a client that comes through it gets what it asked for."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from naru.cloud import transport
from naru.cloud.client import Cloud, Unavailable
from naru.lab.seed.load import load
from tests.cloud.service import Handler, Service, clouds_yaml, serving

from .conftest import CROSSING
from .fault_proxy import AFTER, BEFORE, Faults, proxied

pytestmark = pytest.mark.unit
SERVERS = "/compute/v2.1/servers"
DATA = bytes(range(256)) * 2048


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    monkeypatch.setattr(transport, "PAUSE", 0.01)
    with serving() as server:
        yield server


def cloud(service: Service, addresses: dict[str, str], directory: Path) -> Cloud:
    file = Path(clouds_yaml(directory, service, api_timeout=1.0))
    text = file.read_text()
    for real, ours in addresses.items():
        text = text.replace(real, ours)
    file.write_text(text)
    return Cloud("c", config_files=[str(file)])


def data(request: Handler) -> None:
    request.answer(200, DATA, Content_Type="application/octet-stream")


def test_without_faults_it_changes_nothing_but_addresses(service: Service, tmp_path: Path) -> None:
    with proxied([service.server_address[1]], Faults(0, 1)) as addresses, cloud(service, addresses, tmp_path) as client:
        assert str(client.endpoint("compute").url).startswith(addresses[service.url])
        assert client("compute", "GET", "/servers") == {"servers": [{"id": "s1"}]}
        service.deeds["GET", f"{SERVERS}/file"] = [data]
        assert client.request("compute", "GET", "/servers/file", stream=True).content == DATA
        bodies: list[bytes] = []
        service.deeds["PUT", f"{SERVERS}/file"] = [
            lambda request: (bodies.append(request.body), request.answer(204))[1]
        ]
        client.request("compute", "PUT", "/servers/file", data=iter([DATA[:1000], DATA[1000:]]))
        assert bodies == [DATA]


def test_what_may_be_asked_again_comes_through(service: Service, tmp_path: Path) -> None:
    faults = Faults(0.3, 7)
    with proxied([service.server_address[1]], faults) as addresses, cloud(service, addresses, tmp_path) as client:
        for _ in range(60):
            assert client("compute", "GET", "/servers") == {"servers": [{"id": "s1"}]}
            client("compute", "DELETE", "/servers/s1")
    assert 0.2 < sum(faults.given.values()) / faults.asked < 0.4
    assert {fault for _, fault in faults.given} >= {"500", "503", "429", "reset", "cut", "short"}


@pytest.mark.parametrize(
    ("when", "fault"), [("before", fault) for fault in BEFORE] + [("after", fault) for fault in AFTER]
)
def test_each_fault_is_what_it_says(service: Service, tmp_path: Path, when: str, fault: str) -> None:
    faults = Faults(0, 1)
    with proxied([service.server_address[1]], faults) as addresses, cloud(service, addresses, tmp_path) as client:
        client("compute", "GET", "/servers")
        faults.draw = lambda port: (when, fault)  # type: ignore[method-assign]
        asked = service.count("POST", SERVERS)
        with pytest.raises(Unavailable):
            client("compute", "POST", "/servers", {"server": {}})
        assert service.count("POST", SERVERS) - asked == (1 if when == "after" else 0)


@pytest.mark.parametrize("fault", ["cut", "short"])
def test_images_end_too_soon(service: Service, tmp_path: Path, fault: str) -> None:
    faults = Faults(0, 1)
    service.deeds["GET", f"{SERVERS}/file"] = [data]
    with proxied([service.server_address[1]], faults) as addresses, cloud(service, addresses, tmp_path) as client:
        client("compute", "GET", "/servers")
        faults.draw = lambda port: ("after", fault)  # type: ignore[method-assign]
        answer = client.request("compute", "GET", "/servers/file", stream=True)
        got, failed = b"", False
        try:
            for piece in answer.iter_content(1000):
                got += piece
        except OSError:  # requests' errors are
            failed = True
        assert failed == (fault == "cut") and DATA.startswith(got) and len(got) <= len(DATA) // 2


def test_an_upload_is_cut_in_the_middle(service: Service, tmp_path: Path) -> None:
    faults = Faults(0, 1)
    with proxied([service.server_address[1]], faults) as addresses, cloud(service, addresses, tmp_path) as client:
        client("compute", "GET", "/servers")
        faults.draw = lambda port: ("before", "cut")  # type: ignore[method-assign]
        with pytest.raises(Unavailable):
            client.request("compute", "PUT", "/servers/file", data=iter([DATA, DATA]))
        assert service.count("PUT", f"{SERVERS}/file") == 0  # it never had all of it


def test_the_sample_holds_together() -> None:
    assert load(CROSSING).name == "crossing"
