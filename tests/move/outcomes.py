"""Outcomes of moves to report on: a small company's, and one in which everything is called as badly as can be."""

from typing import Any

from naru.move.kinds import image, volume_group
from naru.move.mapping import AS_WRITTEN
from naru.move.outcome import ContentResult, Difference, Downtime, Item, Outcome, Project, Task
from naru.plan.model import Finding


def uuid(number: int) -> str:
    return f"{number:08x}-0000-4000-8000-{number:012x}"


SHOP, LAB = "a" * 32, "b" * 32
NEW_SHOP, NEW_LAB = "c" * 32, "d" * 32
NEW = 0x10000  # added to an old id's number


def item(kind: str, number: int, name: str, project: str = SHOP, *found: Difference, **more: Any) -> Item:
    """A thing that was made anew."""
    return Item(kind, uuid(number), uuid(number + NEW), name, project, "create", "", found, **more)


TYPE = Difference("volume_type", "ceph", "rbd-ssd", AS_WRITTEN())
HOST = Difference("OS-EXT-SRV-ATTR:host", "old-01", "new-07", "the scheduler of the new cloud chooses the host")


def company() -> Outcome:
    """Two projects, one of them with everything that users can have to do."""
    return Outcome(
        old_cloud="old",
        new_cloud="new",
        old_auth_url="https://old.example.com:5000/v3",
        new_auth_url="https://new.example.com/identity/v3",
        old_region="RegionOne",
        new_region="seoul",
        made_at="2026-11-21T10:00:00+00:00",
        phase="finalize",
        projects=(Project(SHOP, NEW_SHOP, "shop", "Default"), Project(LAB, NEW_LAB, "연구실", "guild")),
        items=(
            Item("project", SHOP, NEW_SHOP, "shop", SHOP, "create", ""),
            item("network", 1, "inner"),
            item("subnet", 2, "inner-v4"),
            item("router", 3, "edge"),
            item("port", 4, "", SHOP, device_owner="network:router_interface"),
            item("port", 5, "web-port", SHOP, device_owner="compute:nova"),
            item("port", 6, "", SHOP, device_owner="network:router_gateway"),
            item("security group", 7, "web"),
            item("security group rule", 8, ""),
            item("floating IP", 9, "203.0.113.7"),
            item("server", 10, "web-1", SHOP, HOST),
            item("server", 11, "web-2", SHOP, HOST, Difference("user_data", "x" * 5000, None, "the field is gone")),
            item("volume", 12, "data", SHOP, TYPE),
            item("volume", 13, "backup", SHOP, TYPE, Difference("bootable", "false", "true", "")),
            Item("image", uuid(14), uuid(14), "debian-12", SHOP, "match", image.EXISTS()),
            Item("snapshot", uuid(15), "", "before-upgrade", SHOP, "leave", volume_group.NOT_MOVED()),
            item("trunk", 16, "uplink"),
            Item("key pair", "u1/laptop", "v1/laptop", "laptop", "", "create", "", used_by=(SHOP,)),
            Item("flavor", "4711", "f-9", "m1.small", "", "match", "same name", used_by=(SHOP, LAB)),
            item("server", 20, "gpu", LAB),
            Item("domain", "default", "default", "Default", "", "match", "same name"),
        ),
        tasks=(
            Task(SHOP, "password", "mina", uuid(30), {"domain": "Default"}),
            Task(SHOP, "password", "jun", uuid(31), {"domain": "Default"}),
            Task(
                SHOP,
                "application credential",
                "deploy robot",
                uuid(32),
                {
                    "user": "mina",
                    "roles": [{"id": "r", "name": "member"}, "load-balancer_member"],
                    "expires_at": "2027-01-31T12:00:00.000000",
                    "description": "it's the robot",
                    "unrestricted": True,
                    "access_rules": [{"id": "x", "service": "compute", "method": "GET", "path": "/v2.1/servers"}],
                },
            ),
            Task(SHOP, "application credential", "forgotten", uuid(33), {"user": "jun", "expires_at": "2020-01-01"}),
            Task(SHOP, "secret", "db password", uuid(34), {"content_type": "text/plain", "secret_type": "passphrase"}),
            Task(SHOP, "secret", "", uuid(35), {"algorithm": "aes", "bit_length": 256, "mode": "cbc"}),
            Task(
                SHOP,
                "secret container",
                "shop-tls",
                uuid(39),
                {"type": "certificate", "secrets": [("certificate", "", uuid(34)), ("private_key", "http://new", "x")]},
            ),
            Task(SHOP, "certificate", "shop-tls", uuid(36), {"load_balancer": "shop-lb", "listener": "https"}),
            Task(SHOP, "trust", "nightly", uuid(37), {"trustor": "mina", "trustee": "robot", "roles": ["member"]}),
            Task(SHOP, "totp", "phone", uuid(38), {"user": "mina"}),
            Task(
                SHOP,
                "object storage url",
                "pictures",
                "",
                {
                    "old_url": f"https://o.example.com/v1/AUTH_{SHOP}",
                    "new_url": f"https://n.example.com/v1/AUTH_{NEW_SHOP}",
                },
            ),
            Task(SHOP, "iac", "", "", {}),
            Task(SHOP, "stack", "wordpress", uuid(39), {"resources": 3}),
        ),
        downtimes=(
            Downtime(uuid(10), "web-1", 90, "2026-11-21T01:00:00+00:00", "2026-11-21T01:01:30+00:00"),
            Downtime(uuid(11), "web-2", 4000),
            Downtime(uuid(20), "gpu", 12.4),
        ),
        contents=(
            ContentResult(
                *(uuid(12), "data", 20 << 30, 3 << 20, "changes", "blake3", "ab" * 32, 2, "2026-11-21T01:00:50+00:00"),
                chain="cd" * 32,
            ),
            ContentResult(
                uuid(13), "backup", 1 << 30, 1 << 30, "image", "md5", "ef" * 16, 0, "2026-11-21T01:00:40+00:00"
            ),
        ),
        findings=(
            Finding("info", "the volume is encrypted", about=uuid(12)),
            Finding("error", "the address answers no ping", "203.0.113.7", "look at the router", uuid(9)),
            Finding("warning", "the old cloud is slow", "", "", ""),
        ),
    )


NASTY = (
    "<script>alert(1)</script>",
    "\"quoted\" 'twice' `ticks` ``more``",
    "a|b\\|c|",
    "two\nlines\r\n# heading",
    "```\n| --- |",
    "../../etc/passwd",
    "..",
    ".",
    "",
    " ",
    "a/b\\c",
    "CON",
    "-rf",
    '=HYPERLINK("http://x.example")',
    "[link](http://x.example) ![i](x) www.x.example <b>",
    '${file("/etc/passwd")} %{if true}',
    "{{ 7*7 }} {% raw %} {name}",
    "$(echo run) `echo run`; echo run & echo run",
    "한글 이름",
    "한글 이름",  # the same, decomposed
    "e\x1b[31mred\x00\x7f\x85\u2028",
    "right\u202eleft",
    "\ud800 alone",
    "x" * 255,
    "overview",
    "OVERVIEW",
    "same",
    "same",
    "--- a",
    "1. one",
    "</code></pre></style></script><img src=x onerror=alert(1)>",
    "&lt;b&gt; &amp;",
    "javascript:alert(1)",
    "' onmouseover='x",
)


def nasty() -> Outcome:
    """A project, a server, a user's tasks and a finding of every name in NASTY, all in each place that takes a text."""
    projects, items, tasks, downtimes, contents, findings = [], [], [], [], [], []
    for number, name in enumerate(NASTY, start=1):
        project = f"{number:032x}"
        projects.append(Project(project, f"{number + NEW:032x}", name, name))
        found = Difference(name, name, {name: [name, 0, False, None, ""]}, name or "rule")
        items.append(Item("server", uuid(number), uuid(number + NEW), name, project, "create", name, (found,)))
        items.append(Item("volume", f"{name}{number}", name, name, project, "match", name))
        items.append(Item("snapshot", f"{name}{number}", "", name, project, "leave", name))
        items.append(Item("key pair", f"u/{name}", f"v/{name}", name, project, "create", name))
        items.append(Item(name, uuid(number + 1000), uuid(number + 2000), name, project, "match", name))
        detail = {"user": name, "domain": name, "roles": [name], "description": name, "load_balancer": name}
        detail |= {"listener": name, "trustor": name, "trustee": name, "old_url": name, "content_type": name}
        for kind in (
            "password",
            "application credential",
            "secret",
            "secret container",
            "certificate",
            "trust",
            "totp",
            "object storage url",
        ):
            tasks.append(Task(project, kind, name, f"{name}{number}", detail))
        tasks.append(Task(project, f"other {name}", name, name, {name: name}))
        downtimes.append(Downtime(uuid(number), name, 1.0))
        contents.append(ContentResult(f"{name}{number}", name, number, 0, "whole", name, name, 0, name, name))
        findings.append(Finding("error", name, name, name, uuid(number)))
    return Outcome(
        old_cloud=NASTY[0],
        new_cloud=NASTY[1],
        old_auth_url=NASTY[2],
        new_auth_url=NASTY[0],
        old_region=NASTY[4],
        new_region=NASTY[3],
        made_at="2026-11-21T10:00:00Z",
        phase=NASTY[0],
        projects=tuple(projects),
        items=tuple(items),
        tasks=tuple(tasks),
        downtimes=tuple(downtimes),
        contents=tuple(contents),
        findings=tuple(findings),
    )
