"""What is the same error after a change of the code goes on as it was, and what is another one is new."""

import time

import pytest

from naru.cli.main import main
from naru.watch.change.code_sets import CodeSet, Module, became

from .cloud import HOUR, NEW, Cloud

pytestmark = pytest.mark.unit


def test_a_resolved_one_that_has_another_text_comes_back(cloud: Cloud) -> None:
    cloud.write("cannot start server 5 on the host", 20)
    cloud.run()
    key = cloud.groups()["cannot start server … on the host"]["group"]
    assert main(["watch", "resolve", cloud.work, key, "--reason", "shop 2 has it"]) == 0
    cloud.change("begin", "--what", "shop 2")
    cloud.code.write_text(NEW)
    cloud.change("end")
    # written before it was said to be cured, by new code that ran already
    cloud.write("cannot start the server 5 on its host", 1)
    assert cloud.run() == []
    assert cloud.groups()["cannot start the server … on its host"]["state"] == "resolved"
    cloud.now = time.time() + 60
    cloud.write("cannot start the server 5 on its host", 1, over=0)
    assert [one.split()[1] for one in cloud.run()] == ["regressed:"]


def test_more_than_before_is_no_escalation_by_a_new_name(cloud: Cloud) -> None:
    """The hours of before count for a group that goes on with another text."""
    cloud.now = time.time() - 60
    cloud.write("cannot start server 5 on the host", 2000, over=30 * HOUR)
    cloud.run()
    cloud.change("begin", "--what", "shop 2")
    cloud.code.write_text(NEW)
    cloud.change("end")
    cloud.write("cannot start the server 5 on its host", 40, over=0)
    cloud.run()
    assert cloud.groups()["cannot start the server … on its host"]["state"] == "open"


FRAME = 'File "/v/lib/python3/site-packages/shop/manager.py", line 5, in {}'


@pytest.mark.parametrize(("function", "kind"), [("new_way", "carried over"), ("start", "new behaviour")])
def test_a_function_that_has_another_name(cloud: Cloud, function: str, kind: str) -> None:
    """Where the function of before is gone and another one is new, it is that. One that was there is another error."""

    def trace(name: str) -> tuple[str, ...]:
        return ("Traceback (most recent call last):", "  " + FRAME.format(name), "    x()", "ValueError: no")

    cloud.write("it failed on 5", 20, *trace("old_way"))
    cloud.run()
    cloud.change("begin", "--what", "shop 2")
    cloud.code.write_text(NEW)
    cloud.change("end")
    cloud.now += HOUR
    cloud.write("it failed on 5", 20, *trace(function))
    assert len(cloud.run()) == (kind != "carried over")
    found = cloud.naru("changes", cloud.work, "--change", "1")
    assert {one["kind"] for one in found} - {"gone"} == {kind}


def test_the_nearest_text() -> None:
    """Of several the nearest, and none that is nearer to another one, or far from all."""
    before = CodeSet(
        modules={"a.b": Module({"disk … is full on …", "disk … is full", "odd"}), "a.c": Module({"moved away …"})}
    )
    after = CodeSet(modules={"a.b": Module({"the disk … is full on …", "strange"}), "a.d": Module({"moved away …"})})
    assert became(before, after, "a.b", "disk … is full on …") == ("a.b", "the disk … is full on …", "nearest")
    assert became(before, after, "a.b", "disk … is full") is None
    assert became(before, after, "a.b", "odd") is None
    assert became(before, after, "a.c", "moved away …") == ("a.d", "moved away …", "moved")
    assert became(before, before, "a.b", "odd") == ("a.b", "odd", "same")
