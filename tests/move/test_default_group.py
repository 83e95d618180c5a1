"""The security group `default`, which Neutron makes by itself: of a Neutron of any release it is had by asking."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from naru.actions import clouds
from naru.cloud import transport
from naru.errors import NaruError
from naru.move.kinds import security_group
from naru.plan.context import Context

from ..cloud.service import Handler, Service, serving
from .test_back import stage

pytestmark = pytest.mark.unit


class Neutron:
    """One that makes a project's group when it is asked by these parameters for its groups."""

    def __init__(self, service: Service) -> None:
        self.asked_by: set[str] = set()
        self.projects: set[str] = set()
        usual = service.usual

        def answer(request: Handler) -> None:
            parts = urlsplit(request.path)
            if not parts.path.endswith("/security-groups"):
                usual(request)
                return
            query = {name: value[0] for name, value in parse_qs(parts.query).items()}
            self.projects |= {query[name] for name in self.asked_by if name in query}
            wanted = {query.get("tenant_id"), query.get("project_id")} & self.projects
            request.answer(200, {"security_groups": [{"id": f"of {one}", "name": "default"} for one in wanted]})

        service.usual = answer


@pytest.fixture
def neutron(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Neutron]:
    monkeypatch.setattr(transport, "PAUSE", 0.01)
    monkeypatch.setattr(clouds, "_clouds", {})
    with serving() as service:
        service.further["network"] = "network/v2.0"
        monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", stage(tmp_path, service))
        yield Neutron(service)


def context() -> Context:
    args = {"cloud": "new", "service": "network", "project": "p"}
    return Context(n=1, id="s", kind="k", unit="", args=args, attempt=1, earlier=None, reader=lambda _: {})


# up to Ussuri by the old name of a project alone, later by either
@pytest.mark.parametrize("asked_by", [{"tenant_id"}, {"tenant_id", "project_id"}], ids=["train", "2026.2"])
def test_it_is_made_by_asking(neutron: Neutron, asked_by: set[str]) -> None:
    neutron.asked_by = asked_by
    assert security_group.default_group(context())["id"] == "of p"


def test_one_that_is_not_made_is_told(neutron: Neutron) -> None:
    with pytest.raises(NaruError, match="Neutron has made no security group default"):
        security_group.default_group(context())
