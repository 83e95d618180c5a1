"""site.yaml: what it says of each host, and each mistake told by file, field and fix."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from naru.errors import InputError, NaruError
from naru.site import site as sites
from naru.site.names import expand
from naru.site.secret import Secret

pytestmark = pytest.mark.unit

SITE = """
naru_site: 1
name: seoul
cloud: old
release: pike
login: {user: naru, key: keys/id, sudo: true}
power: {user: admin, password: {file: power.password}}
hosts:
  - {name: "ctl[1:2]", address: "10.0.0.[11:12]", rack: r1, power: {address: "10.0.9.[11:12]"}}
  - {name: "compute[001:003]", rack: r2, login: {user: root, sudo: false}}
groups:
  controllers: ctl[1:2]
  computes: ["compute[001:003]"]
  everything: [controllers, computes]
services:
  - {name: keystone, hosts: controllers, managed: {unit: keystone.service}, port: 5000}
  - {name: nova-compute, hosts: computes, managed: {container: nova_compute}}
  - {name: swift-proxy, hosts: ctl1, managed: {start: a, stop: b, status: c}}
databases:
  - {name: main, kind: galera, hosts: controllers, user: root, password: {command: "echo s3cret"}}
virtual_addresses:
  - {address: 10.0.0.5, hosts: controllers}
next:
  hosts: [{name: "new[1:2]", address: "10.0.0.[21:22]"}]
  groups: {controllers: ["new[1:2]"]}
  services:
    - {name: keystone, hosts: controllers, managed: {unit: keystone.service}, release: "2026.2"}
"""


def changed(field: str, value: str) -> Any:
    content = yaml.safe_load(SITE)
    *path, last = field.split(".")
    place = content
    for part in path:
        place = place[int(part)] if part.isdigit() else place[part]
    if value:
        place[last] = yaml.safe_load(value)
    else:
        del place[last]
    return content


def test_what_is_said_once_is_each_hosts(tmp_path: Path) -> None:
    site = sites.parse(yaml.safe_load(SITE), tmp_path / "site.yaml")
    assert list(site.hosts) == ["ctl1", "ctl2", "compute001", "compute002", "compute003"]
    ctl2, compute = site.hosts["ctl2"], site.hosts["compute003"]
    assert (ctl2.address, ctl2.rack, ctl2.login.user, ctl2.login.sudo) == ("10.0.0.12", "r1", "naru", True)
    assert ctl2.power and (ctl2.power.address, ctl2.power.user, ctl2.power.protocol) == (
        "10.0.9.12",
        "admin",
        "redfish",
    )
    # what a host says counts, also where it says no
    assert (compute.address, compute.login.user, compute.login.sudo) == ("compute003", "root", False)
    assert compute.login.key == "keys/id" and compute.power is None
    assert site.groups_of("ctl1") == ["controllers", "everything"]
    assert [host.name for host in site.named(["computes", "compute001", "ctl2"])] == [
        *("compute001", "compute002", "compute003", "ctl2")
    ]
    assert site.secret(site.part.databases[0].password, "databases.0.password") == "s3cret"


def test_the_site_as_it_will_be(tmp_path: Path) -> None:
    site = sites.parse(yaml.safe_load(SITE), tmp_path / "site.yaml", next_part=True)
    keystone = next(one for one in site.part.services if one.name == "keystone")
    assert [host.name for host in site.named(keystone.hosts)] == ["new1", "new2"]
    assert keystone.release == "2026.2"
    assert [one.name for one in site.part.services] == ["nova-compute", "swift-proxy", "keystone"]
    everything = [host.name for host in site.named(["everything"])]
    assert everything == ["new1", "new2", "compute001", "compute002", "compute003"]


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("naru_site", "2", "naru_site: Input should be 1"),
        ("nmae", "seoul", "nmae: Extra inputs are not permitted"),
        ("name", "", "name: Field required"),
        ("hosts.0.name", "ctl[1:3]", "hosts.0: address: 10.0.0.[11:12] is 2 addresses, and ctl[1:3] 3 hosts"),
        ("hosts.0.name", "ctl[2:1]", "hosts.0: ctl[2:1]: the range is empty"),
        ("hosts.0.name", "ctl[1:2", "hosts.0: ctl[1:2: a range is written as in"),
        ("hosts.1.name", "ctl2", "hosts.1.name: the host ctl2 is there twice"),
        ("hosts.0.power.address", "10.0.9.1", "hosts.0: power.address: 10.0.9.1 is 1 address"),
        ("hosts.0.login", "{port: 0}", "hosts.0.login.port: "),
        ("power", "{}", "hosts.0.power.user: is missing, here and in the site's own power"),
        ("power.password", "hunter2", "power.password: a secret is not written here"),
        ("power.password", "{file: a, command: b}", "power.password: either file or command"),
        ("groups.ctl1", "[ctl2]", "groups.ctl1: a host has this name"),
        ("groups.all", "[ctl1]", "groups.all: this group is always all hosts"),
        ("groups.computes", "[everything]", "it holds itself"),
        ("groups.computes", "[compute9]", "groups.computes: there is no host and no group 'compute9'"),
        ("services.0.hosts", "[ctl3]", "services.0.hosts: there is no host and no group 'ctl3'"),
        ("services.0.managed", "{unti: a}", "services.0.managed: one of {unit: NAME}"),
        ("services.0.managed", "{unit: a, b: c}", "services.0.managed.b: Extra inputs"),
        ("services.0.environment", "nova", "services.0.environment: give a path from / on"),
        ("services.0.environment", "/nova", "services.0.environment: give a path within a directory, as /opt/naru/"),
        ("services.0.environment", "/opt/../nova", "services.0.environment: give a path within a directory"),
        ("services.1.environment", "/opt/naru/x", "services.1: environment: a container has its own"),
        ("services.1.managed", "{container: a, engine: lxc}", "services.1.managed.engine: Input should be"),
        ("databases.0.kind", "postgres", "databases.0.kind: "),
        ("virtual_addresses.0.address", "10.0.0", "virtual_addresses.0.address"),
        (
            *("load_balancers", "[{name: a, kind: nginx, hosts: all, managed: {unit: a}, socket: /s}]"),
            "load_balancers.0: socket: nginx has none",
        ),
        (
            *("load_balancers", "[{name: a, kind: nginx, hosts: all, managed: {unit: a}, files: /s}]"),
            "load_balancers.0: reload: is missing",
        ),
    ],
)
def test_each_mistake_names_file_and_field(tmp_path: Path, field: str, value: str, message: str) -> None:
    file = tmp_path / "site.yaml"
    with pytest.raises(InputError) as caught:
        sites.parse(changed(field, value), file)
    assert caught.value.summary.startswith(f"{file}: ")
    assert message in caught.value.summary
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [("a: [", "line 1"), ("a: 1\na: 2", "twice"), ("", "valid dictionary"), ("- a", "valid dictionary")],
)
def test_a_file_that_is_none(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "site.yaml").write_text(text)
    with pytest.raises(InputError, match=message):
        sites.load(tmp_path / "site.yaml")
    with pytest.raises(InputError, match=r"there is no .*\n.*naru site discover"):
        sites.load(tmp_path / "sites.yaml")


def test_a_secret_is_a_file_of_its_owner_or_what_a_command_prints(tmp_path: Path) -> None:
    file = tmp_path / "a file"
    file.write_text("p w\n")
    file.chmod(0o600)
    assert Secret(file="a file").read(tmp_path, "power") == "p w"
    assert Secret(command="cat 'a file'").read(tmp_path, "power") == "p w"
    file.chmod(0o640)
    with pytest.raises(InputError, match=r"power: .*a file may be read by others.*\n.*chmod 600"):
        Secret(file="a file").read(tmp_path, "power")
    with pytest.raises(InputError, match=r"power: .*nothing: No such file"):
        Secret(file="nothing").read(tmp_path, "power")
    with pytest.raises(NaruError, match="power: sh -c 'echo why >&2; exit 3' exited with 3\nwhy"):
        Secret(command="sh -c 'echo why >&2; exit 3'").read(tmp_path, "power")
    with pytest.raises(NaruError, match="power: no-such-program: No such file"):
        Secret(command="no-such-program").read(tmp_path, "power")


@given(st.integers(0, 2000), st.integers(0, 40), st.integers(1, 6))
def test_ranges_keep_their_digits(first: int, more: int, width: int) -> None:
    names = expand(f"a[{first:0{width}}:{first + more}]b")
    assert len(names) == more + 1
    assert names[0] == f"a{first:0{width}}b" and names[-1] == f"a{first + more:0{max(width, len(str(first)))}}b"


def test_parsing_leaves_what_it_was_given(tmp_path: Path) -> None:
    content = yaml.safe_load(SITE)
    before = copy.deepcopy(content)
    sites.parse(content, tmp_path / "site.yaml")
    assert content == before
