"""Ansible inventories as they are written in the wild, as a site."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from naru.cli.main import main
from naru.errors import InputError, NaruError
from naru.site import secrets_file
from naru.site import site as sites
from naru.site.discover import inventory, run
from naru.site.site import Site

pytestmark = pytest.mark.unit

KOLLA = """
[control]
control[01:03] ansible_user=kolla
[network]
network01
[compute]
compute[001:040] rack=r2
[storage]
storage01
[deployment]
localhost ansible_connection=local
[baremetal:children]
control
network
compute
storage
[loadbalancer:children]
network
[mariadb:children]
control
[rabbitmq:children]
control
[memcached:children]
control
[keystone:children]
control
[nova:children]
control
[neutron:children]
network
[cinder:children]
control
[octavia:children]
control
[nova-api:children]
nova
[nova-conductor:children]
nova
[nova-serialproxy:children]
nova
[neutron-server:children]
control
[neutron-l3-agent:children]
neutron
[cinder-volume:children]
storage
[octavia-worker:children]
octavia
[all:vars]
ansible_become=true
"""
GLOBALS = """
kolla_internal_vip_address: 10.0.0.250
kolla_external_vip_address: "{{ somewhere }}"
kolla_container_engine: podman
openstack_release: "18.1.0"
enable_cinder: "yes"
neutron_plugin_agent: linuxbridge
rabbitmq_management_port: 15673
cinder_backend_ceph: "yes"
database_user: !vault |
  $ANSIBLE_VAULT;1.1;AES256
  6161
"""


def discovered(tmp_path: Path, *inventories: Path, **options: Any) -> tuple[Site, list[tuple[str, str]], str]:
    """The site of inventories alone, what was told, and the text."""
    wanted = run.Wanted(out=tmp_path / "site.yaml", inventories=inventories, ssh=False, **options)
    draft, text = run.discover(wanted, lambda *_: None)
    return sites.parse(yaml.safe_load(text), wanted.out), [(gap.field, gap.why) for gap in draft.gaps], text


@pytest.fixture
def kolla(tmp_path: Path) -> Path:
    """A directory as of kolla-ansible."""
    (tmp_path / "group_vars/all").mkdir(parents=True)
    (tmp_path / "host_vars").mkdir()
    (tmp_path / "multinode").write_text(KOLLA)
    (tmp_path / "globals.yml").write_text(GLOBALS)
    (tmp_path / "passwords.yml").write_text("database_password: s3cret\nrabbitmq_password: r4bbit\nempty_password:\n")
    (tmp_path / "group_vars/all/main.yml").write_text("ansible_port: 2222\nansible_user: stack\n")
    for number in range(1, 4):
        (tmp_path / f"host_vars/control0{number}.yml").write_text(f"ansible_host: 10.0.0.1{number}\n")
    return tmp_path


def test_a_site_of_kolla_ansible(kolla: Path) -> None:
    site, told, text = discovered(kolla, kolla / "multinode")
    assert len(site.hosts) == 45 and "localhost" not in site.hosts
    first, compute = site.hosts["control02"], site.hosts["compute017"]
    # host variables count before group variables, those in the inventory before group_vars/all
    assert (first.address, first.login.user, first.login.port, first.login.sudo) == ("10.0.0.12", "kolla", 2222, True)
    assert (compute.login.user, compute.rack, compute.address) == ("stack", "r2", "compute017")
    assert site.content.release == "2024.1"
    assert {"control", "network", "compute", "storage"} == site.groups.keys() - {"all"}
    found = {one.name: one for one in site.part.services}
    assert found["nova-compute"].hosts == ("compute",)
    assert found["nova-compute"].managed.model_dump() == {"container": "nova_compute", "engine": "podman"}
    assert found["neutron-linuxbridge-agent"].hosts == ("compute[001:040]", "network01")
    assert found["cinder-volume"].hosts == ("storage01",)
    assert found["mariadb"].release == ""
    # not enabled, or only with more than that
    assert not {"octavia-worker", "nova-serialproxy", "ovs-vswitchd"} & found.keys()
    database, queue = site.part.databases[0], site.part.queues[0]
    assert (database.kind, database.address, database.user) == ("galera", "10.0.0.250", "root")
    assert queue.management and queue.management.url == "http://10.0.0.250:15673"
    assert queue.management.user == "openstack"
    balancer = site.part.load_balancers[0]
    assert balancer.hosts == ("network01",)
    assert balancer.socket == "/var/lib/containers/storage/volumes/haproxy_socket/_data/haproxy.sock"
    assert "# socket guessed" in text
    assert [str(one.address) for one in site.part.virtual_addresses] == ["10.0.0.250"]
    assert ("virtual_addresses", "kolla_external_vip_address is a template: {{ somewhere }}") in told
    assert any(field == "storage" and "cinder_backend_ceph" in why for field, why in told)
    # secrets are named, and the command that is written prints the right one
    assert "s3cret" not in text and "r4bbit" not in text
    words = database.password.command.split()
    assert words[:3] == ["naru", "site", "secret"]
    assert secrets_file.read(Path(words[3]), words[4]) == "s3cret"


def test_yaml_vaults_and_secrets_of_an_inventory(tmp_path: Path) -> None:
    """Any group names; a file and a value that are encrypted are told of, the rest is read."""
    (tmp_path / "group_vars/web").mkdir(parents=True)
    (tmp_path / "group_vars/web/plain.yml").write_text("ansible_ssh_private_key_file: ~/.ssh/web\n")
    (tmp_path / "group_vars/web/vault.yml").write_text("$ANSIBLE_VAULT;1.1;AES256\n6161\n")
    content = {
        "all": {
            "children": {
                "web": {
                    "hosts": {
                        "alpha.example.org": {"ansible_host": "192.0.2.1", "ansible_become_password": "hunter2"},
                        "beta.example.org": {"ansible_ssh_common_args": "-o ProxyJump=me@192.0.2.9 -o A=b"},
                        "gamma.example.org": {"ansible_host": "{{ looked_up }}"},
                    }
                }
            }
        }
    }
    file = tmp_path / "hosts.yml"
    file.write_text(yaml.safe_dump(content))
    site, told, text = discovered(tmp_path, file)
    assert site.hosts["alpha.example.org"].address == "192.0.2.1"
    assert site.hosts["beta.example.org"].login.jump == "me@192.0.2.9"
    assert site.content.login.key == "~/.ssh/web"
    assert list(site.groups) == ["all", "web"]
    fields = dict(told)
    assert "vault.yml is encrypted" in fields["login"]
    assert fields["hosts.alpha.example.org.login.sudo_password"] == "the inventory has it in ansible_become_password"
    assert "is a template" in fields["hosts.gamma.example.org"]
    assert "hunter2" not in text
    assert "# not found: hosts.gamma.example.org: ansible_host is a template" in text


OSA = {
    "_meta": {
        "hostvars": {
            "infra1": {
                "ansible_host": "172.29.236.11",
                "physical_host": "infra1",
                "internal_lb_vip_address": "172.29.236.9",
            },
            "infra1_nova_conductor_container-1a2b": {"ansible_host": "172.29.237.5", "physical_host": "infra1"},
            "infra1_galera_container-3c4d": {"ansible_host": "172.29.237.6", "physical_host": "infra1"},
            "compute1": {"ansible_ssh_host": "172.29.236.16", "physical_host": "compute1"},
        }
    },
    "all": {"vars": {}},
    "keystone_all": {"children": []},
    "nova_conductor": {"hosts": ["infra1_nova_conductor_container-1a2b"]},
    "nova_compute": {"hosts": ["compute1"]},
    "galera": {"hosts": ["infra1_galera_container-3c4d"]},
    "galera_all": {"children": ["galera"]},
    "haproxy": {"hosts": ["infra1"]},
    "infra1-host_containers": {"hosts": ["infra1_galera_container-3c4d", "infra1_nova_conductor_container-1a2b"]},
    "compute_hosts": {"hosts": ["compute1"]},
}


def test_containers_of_openstack_ansible_are_services_of_their_machines(tmp_path: Path) -> None:
    file = tmp_path / "openstack_inventory.json"
    file.write_text(json.dumps(OSA))
    site, _, _ = discovered(tmp_path, file)
    assert {name: host.address for name, host in site.hosts.items()} == {
        "infra1": "172.29.236.11",
        "compute1": "172.29.236.16",
    }
    found = {one.name: one for one in site.part.services}
    assert found["nova-conductor"].hosts == ("infra1",)
    assert found["nova-conductor"].managed.model_dump() == {
        "start": "lxc-attach -n infra1_nova_conductor_container-1a2b -- systemctl start nova-conductor.service",
        "stop": "lxc-attach -n infra1_nova_conductor_container-1a2b -- systemctl stop nova-conductor.service",
        "status": "lxc-attach -n infra1_nova_conductor_container-1a2b -- systemctl is-active nova-conductor.service",
    }
    assert found["nova-compute"].managed.model_dump() == {"unit": "nova-compute.service"}
    database = site.part.databases[0]
    assert (database.hosts, database.address, database.kind) == (("infra1",), "172.29.236.9", "mariadb")
    assert database.password.command.endswith("user_secrets.yml galera_root_password")
    assert str(site.part.virtual_addresses[0].address) == "172.29.236.9"


def test_the_configuration_that_openstack_ansible_is_made_from(tmp_path: Path) -> None:
    content = {
        "global_overrides": {"internal_lb_vip_address": "172.29.236.9", "external_lb_vip_address": "os.example.org"},
        "shared-infra_hosts": {f"infra{number}": {"ip": f"172.29.236.1{number}"} for number in (1, 2, 3)},
        "compute_hosts": {"compute1": {"ip": "172.29.236.16"}},
        "haproxy_hosts": {"infra1": {"ip": "172.29.236.11"}},
    }
    file = tmp_path / "openstack_user_config.yml"
    file.write_text(yaml.safe_dump(content))
    site, told, _ = discovered(tmp_path, file)
    assert [line.name for line in site.part.hosts] == ["compute1", "infra[1:3]"]
    assert site.hosts["infra3"].address == "172.29.236.13"
    assert site.part.load_balancers[0].hosts == ("infra1",)
    assert [str(one.address) for one in site.part.virtual_addresses] == ["172.29.236.9"]
    assert any("os.example.org" in why for _, why in told)


def test_several_inventories_are_joined(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("[ctl]\nctl1.example.org ansible_host=10.0.0.1\n")
    (tmp_path / "b").write_text("[racks]\nctl1 rack=r7\nctl2 rack=r8\n")
    site, _, _ = discovered(tmp_path, tmp_path / "a", tmp_path / "b")
    assert {name: host.rack for name, host in site.hosts.items()} == {"ctl1.example.org": "r7", "ctl2": "r8"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{not json or yaml: [", "Ansible cannot read it"),
        (json.dumps({"_meta": {"hostvars": []}}), "_meta.hostvars: not a mapping"),
    ],
)
def test_what_is_no_inventory(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "inventory.yml").write_text(content)
    with pytest.raises(InputError, match=message):
        inventory.read(tmp_path / "inventory.yml", None)
    with pytest.raises(InputError, match="there is no such file"):
        inventory.read(tmp_path / "none", None)


def test_without_ansible_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "hosts").write_text("a\n")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError) as raised:
        inventory.read(tmp_path / "hosts", None)
    assert "naru-openstack[ansible]" in raised.value.hint
    # its output needs no Ansible
    (tmp_path / "listed.json").write_text(json.dumps({"_meta": {"hostvars": {}}, "web": {"hosts": ["a"]}}))
    assert [one.name for one in inventory.read(tmp_path / "listed.json", None).hosts] == ["a"]


def test_the_command(kolla: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(kolla)
    words = ["site", "discover", "--inventory", "multinode", "--no-ssh"]
    assert main([*words, "-f", "json"]) == 0
    out = capsys.readouterr()
    rows = json.loads(out.out)
    assert rows[0].keys() == {"field", "why", "what_to_do"}
    assert "site.yaml: 45 hosts" in out.err
    before = Path("site.yaml").read_text()
    assert main(words) == 2
    assert "site.yaml is there already" in capsys.readouterr().err
    assert Path("site.yaml").read_text() == before
    assert main([*words, "--force", "--name", "seoul"]) == 0
    assert sites.load(Path("site.yaml")).content.name == "seoul"
    Path("empty").write_text("[web]\n")
    assert main(["site", "discover", "--inventory", "empty", "--no-ssh", "--out", "other.yaml"]) == 1
    assert not Path("other.yaml").exists()
    assert main(["site", "discover", "--out", "other.yaml"]) == 2
    assert main([*words, "--out", "nowhere/site.yaml"]) == 2
    capsys.readouterr()
    assert main(["site", "secret", "passwords.yml", "rabbitmq_password"]) == 0
    assert capsys.readouterr().out == "r4bbit\n"
    for name in ("none_password", "empty_password"):
        assert main(["site", "secret", "passwords.yml", name]) == 2
        assert name in capsys.readouterr().err


def test_an_encrypted_file_of_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    beside = str(Path(sys.executable).parent)
    monkeypatch.setenv("PATH", f"{beside}:/usr/bin:/bin")
    file, password = tmp_path / "passwords.yml", tmp_path / "vault.password"
    password.write_text("pw\n")
    file.write_text("a_password: s3cret\n")
    subprocess.run(
        ["ansible-vault", "encrypt", "--vault-password-file", str(password), str(file)], check=True, capture_output=True
    )
    monkeypatch.setenv("ANSIBLE_VAULT_PASSWORD_FILE", str(password))
    assert secrets_file.read(file, "a_password") == "s3cret"
    monkeypatch.delenv("ANSIBLE_VAULT_PASSWORD_FILE")
    with pytest.raises(NaruError, match="ansible-vault cannot open it"):
        secrets_file.read(file, "a_password")
