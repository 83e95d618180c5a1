"""Clouds over hosts, each in a network of its own, so that they may be up beside other hosts."""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

import pytest

from naru.lab import spec
from naru.lab.hosts import layout
from naru.lab.lab import Lab

from ..hosts.machine import left_of, of_the_machine
from ..scenario import come_up

Bring = Callable[..., Lab]


@pytest.fixture(scope="module")
def bring(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bring]:
    """Brings a cloud up by layout and release, in the networks that begin with `10.N.`, the layout with `more` lines
    and some words replaced; its services notify. At the end nothing is left."""
    before = of_the_machine()
    made: list[Lab] = []

    def up(
        name: str, release: str, network: str, more: str = "", words: Mapping[str, str] = MappingProxyType({})
    ) -> Lab:
        directory = tmp_path_factory.mktemp("hosted")
        file = directory / f"{name}.yaml"
        text = (layout.LAYOUTS / f"{name}.yaml").read_text().replace("10.77.", network)
        for word, other in words.items():
            assert word in text
            text = text.replace(word, other)
        file.write_text(text + more)
        lab = Lab(directory / "lab")
        made.append(lab)
        come_up(lab, spec.build_hosts(str(file), [f"cloud={release}"], notifications=True))
        return lab

    yield up
    for lab in made:
        hosts = lab.hosts()
        lab.down()
        assert left_of(hosts) == []
        assert not lab.directory.exists()
    assert of_the_machine() == before
