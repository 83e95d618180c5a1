"""Load balancers: what is asked to make them, what of them is told, and what waits for what. The rows are as Pike's
Octavia (2.0) and that of 2026.2 (2.30) answer."""

from typing import Any

import pytest

from naru.inventory.kinds import BY_NAME
from naru.inventory.rows import Row
from naru.messages import say
from naru.move.draft import Draft
from naru.move.kinds import listener
from naru.move.kinds.load_balancer import KIND
from naru.move.leaving import leaving
from naru.move.left import Key
from naru.move.pages import listeners
from naru.move.verify import view

from .test_mapping import NEWEST, facts, planned
from .test_progress import OLD

pytestmark = pytest.mark.unit

WITH = {"name": "new", **NEWEST, "versions": {**NEWEST["versions"], "load-balancer": "2.30"}}  # type: ignore[dict-item]
PROVIDERS = [{"name": "amphora", "description": "d"}, {"name": "octavia", "description": "Deprecated alias"}]
STATE = {"project_id": "p", "provisioning_status": "ACTIVE", "operating_status": "ONLINE"}
STATE |= {"created_at": "2026-01-01T00:00:00", "updated_at": None}  # type: ignore[dict-item]
INNER = {"id": "in", "name": "inner", "project_id": "p", "router:external": False}
SUBNET = {"id": "si", "name": "inner", "network_id": "in", "cidr": "10.9.8.0/24", "project_id": "p"}
VIP = {
    **{"id": "vip", "name": "octavia-lb-lb", "network_id": "in", "mac_address": "fa:16:3e:00:00:77", "project_id": "p"},
    **{"device_owner": "Octavia", "device_id": "lb-lb", "admin_state_up": True, "security_groups": ["its"]},
    "fixed_ips": [{"subnet_id": "si", "ip_address": "10.9.8.77"}],
}
WEB = {
    **{"id": "pw", "network_id": "in", "mac_address": "fa:16:3e:00:00:11", "project_id": "p", "security_groups": []},
    "fixed_ips": [{"subnet_id": "si", "ip_address": "10.9.8.11"}],
}
BALANCER = {
    **{"id": "lb", "name": "shop", "description": "", "admin_state_up": True, "vip_address": "10.9.8.77", **STATE},
    **{"vip_port_id": "vip", "vip_subnet_id": "si", "vip_network_id": "in", "provider": "octavia", "flavor_id": ""},
    **{"listeners": [{"id": "li"}], "pools": [{"id": "po1"}, {"id": "po2"}]},
}
LISTENER: dict[str, Any] = {
    **{"id": "li", "name": "", "description": None, "admin_state_up": True, "protocol": "HTTP", "protocol_port": 80},
    **{"connection_limit": -1, "default_tls_container_ref": None, "sni_container_refs": [], "insert_headers": {}},
    **{"default_pool_id": "po1", "l7policies": [{"id": "l7"}], "loadbalancers": [{"id": "lb"}], **STATE},
}
POOL: dict[str, Any] = {
    **{"name": "", "description": "", "admin_state_up": True, "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"},
    **{"session_persistence": None, "loadbalancers": [{"id": "lb"}], "listeners": [], "healthmonitor_id": None},
    **{"members": [], **STATE},
}
ONE = {**POOL, "id": "po1", "healthmonitor_id": "hm", "listeners": [{"id": "li"}], "members": [{"id": "me"}]}
ONE["session_persistence"] = {"type": "SOURCE_IP", "cookie_name": None}
TWO = {**POOL, "id": "po2"}
MEMBER = {
    **{"id": "me", "name": "", "pool_id": "po1", "address": "10.9.8.11", "protocol_port": 8080, "weight": 0},
    **{"subnet_id": "si", "admin_state_up": False, "monitor_address": None, "monitor_port": None, **STATE},
}
MONITOR = {
    **{"id": "hm", "name": "", "type": "TCP", "delay": 5, "timeout": 3, "max_retries": 1, "max_retries_down": 3},
    **{"http_method": "GET", "url_path": "/", "expected_codes": "200", "admin_state_up": True},
    **{"pools": [{"id": "po1"}], **STATE},
}
POLICY = {
    **{"id": "l7", "name": "", "description": "", "admin_state_up": True, "action": "REDIRECT_TO_POOL", "position": 1},
    **{"listener_id": "li", "redirect_pool_id": "po2", "redirect_url": None, "rules": [{"id": "ru"}], **STATE},
}
RULE = {
    **{"id": "ru", "l7policy_id": "l7", "type": "PATH", "compare_type": "STARTS_WITH", "key": None, "value": "/old"},
    **{"invert": False, "admin_state_up": True, **STATE},
}
ALL: dict[str, list[dict[str, Any]]] = {
    "load balancer": [BALANCER],
    "listener": [LISTENER],
    "pool": [ONE, TWO],
    "pool member": [MEMBER],
    "health monitor": [MONITOR],
    "L7 policy": [POLICY],
    "L7 rule": [RULE],
    "network": [*OLD["network"], INNER],
    "subnet": [*OLD["subnet"], SUBNET],
    "port": [*OLD["port"], VIP, WEB],
    "floating IP": [
        {
            **{"id": "fv", "floating_ip_address": "198.18.0.9", "floating_network_id": "n", "project_id": "p"},
            **{"router_id": "ro", "port_id": "vip", "fixed_ip_address": "10.9.8.77"},
        }
    ],
}


def draft_of(
    changes: dict[str, Any] | None = None, new: dict[str, Any] | None = None, cloud: dict[str, Any] = WITH
) -> Draft:
    there = {"cloud": [cloud], "load balancer provider": PROVIDERS, **(new or {})}
    return planned(facts({**OLD, **ALL, **(changes or {})}, there, "shop", "other"))


def asked(draft: Draft) -> dict[str, Any]:
    body: dict[str, Any] = draft.steps["load balancer/lb"].args["body"]
    return body


def told(draft: Draft, kind: str, identity: str) -> dict[str, tuple[Any, Any, str]]:
    found = draft.decisions[kind, identity].changes
    return {change.field: (change.old, change.new, say(change.why)) for change in found}


def findings(draft: Draft) -> list[str]:
    return [say(one.summary) for one in draft.plan.findings if one.about in [row["id"] for row in EVERYTHING]]


EVERYTHING = [row for rows in ALL.values() for row in rows]


def test_one_request_has_all_that_is_in_it() -> None:
    draft = draft_of()
    body = asked(draft)
    assert body == {
        "name": "shop",
        "admin_state_up": True,
        "provider": "amphora",
        "vip_port_id": {"$ref": "port/vip", "field": "id"},
        "vip_address": "10.9.8.77",
        "project_id": {"$ref": "project/p", "field": "id"},
        "pools": [
            {
                **{"name": "naru:po1", "admin_state_up": True, "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"},
                "session_persistence": {"type": "SOURCE_IP"},
                "members": [
                    {
                        **{"address": "10.9.8.11", "protocol_port": 8080, "weight": 0, "admin_state_up": False},
                        "subnet_id": {"$ref": "subnet/si", "field": "id"},
                    }
                ],
                "healthmonitor": {
                    **{"type": "TCP", "delay": 5, "timeout": 3, "max_retries": 1, "max_retries_down": 3},
                    "admin_state_up": True,
                },
            },
            {"name": "naru:po2", "admin_state_up": True, "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"},
        ],
        "listeners": [
            {
                **{"admin_state_up": True, "protocol": "HTTP", "protocol_port": 80, "connection_limit": -1},
                "default_pool": {"name": "naru:po1"},
                "l7policies": [
                    {
                        **{"admin_state_up": True, "action": "REDIRECT_TO_POOL", "position": 1},
                        "redirect_pool": {"name": "naru:po2"},
                        "rules": [
                            {
                                **{"type": "PATH", "compare_type": "STARTS_WITH", "value": "/old"},
                                **{"invert": False, "admin_state_up": True},
                            }
                        ],
                    }
                ],
            }
        ],
    }
    args = draft.steps["load balancer/lb"].args
    assert args["find"]["where"] == {"vip_port_id": {"$ref": "port/vip", "field": "id"}}
    assert args["query"] == "?cascade=true" and args["gone"] is True
    assert [one["called"] for one in args["inside"]["pools"]] == ["", ""]
    assert args["vip"] == {"port": {"$ref": "port/vip", "field": "id"}, "owner": "Octavia", "named": True}
    for kind, identity in (("listener", "li"), ("pool", "po2"), ("pool member", "me"), ("L7 rule", "ru")):
        assert draft.ref(kind, identity) == {"$ref": "load balancer/lb", "field": f"parts.{identity}"}


def test_what_differs_is_told() -> None:
    draft = draft_of()
    assert told(draft, "load balancer", "lb") == {
        "provider": ("octavia", "amphora", "that is what Octavia's own provider is called now")
    }
    assert told(draft, "health monitor", "hm").keys() == {"http_method", "url_path", "expected_codes"}
    assert told(draft, "listener", "li") == {} and told(draft, "pool", "po1") == {}
    group = "Octavia gives it a security group of its own, made of its listeners"
    assert told(draft, "port", "vip") == {
        "security_groups": ("its", None, group),
        "name": ("octavia-lb-lb", "octavia-lb-ID", "Octavia names it by the id of its load balancer"),
    }
    assert findings(draft) == []


def test_no_flavor_is_none_however_it_is_said() -> None:
    draft = draft_of()
    found = [view(KIND, draft.facts.old, row(flavor), lambda _, identity: identity) for flavor in ("", None)]
    assert found[0] == found[1] and found[0]["flavor_id"] is None


def row(flavor: str | None) -> Row:
    return Row.of(BY_NAME["load balancer"], BALANCER | {"flavor_id": flavor})


def test_its_address_is_on_a_port_made_before_and_its_floating_ip_leads_there() -> None:
    draft = draft_of()
    body = draft.steps["port/vip"].args["body"]
    assert (body["mac_address"], body["fixed_ips"][0]["ip_address"]) == ("fa:16:3e:00:00:77", "10.9.8.77")
    assert "device_id" not in body and "device_owner" not in body
    take = draft.steps["take floating IP/fv"].args["requests"][0]["body"]["floatingip"]
    assert take == {"port_id": {"$ref": "port/vip", "field": "id"}, "fixed_ip_address": "10.9.8.77"}
    befores = draft.plan.befores()["load balancer/lb"]
    assert {"port/vip", "port/pw"} <= set(befores)  # Octavia takes addresses of the network, too


NEWER = {
    "load balancer": [BALANCER | {"tags": ["t"], "vip_vnic_type": "normal", "additional_vips": [], "vip_sg_ids": []}],
    "listener": [
        LISTENER
        | {"timeout_client_data": 1, "allowed_cidrs": ["10.0.0.0/8"], "hsts_max_age": None, "hsts_preload": False}
        | {"client_authentication": "NONE", "tls_versions": None, "alpn_protocols": None}
    ],
    "pool": [ONE | {"tls_enabled": True, "tls_versions": ["TLSv1.2"], "tags": [], "ca_tls_container_ref": "r"}, TWO],
    "pool member": [MEMBER | {"backup": True, "vnic_type": "direct", "monitor_address": "10.9.8.12"}],
    "health monitor": [MONITOR | {"type": "HTTP", "http_version": 1.1, "domain_name": "a.example"}],
}


def test_what_newer_ones_know_is_kept() -> None:
    draft = draft_of(NEWER)
    body = asked(draft)
    assert body["tags"] == ["t"]
    (web,) = body["listeners"]
    assert (web["timeout_client_data"], web["allowed_cidrs"]) == (1, ["10.0.0.0/8"])
    assert web["client_authentication"] == "NONE" and "tls_versions" not in web and "hsts_max_age" not in web
    pool = body["pools"][0]
    assert (pool["tls_enabled"], pool["tls_versions"]) == (True, ["TLSv1.2"])
    assert pool["tls_ciphers"] is None and pool["alpn_protocols"] is None  # Octavia fails without
    assert pool["healthmonitor"]["domain_name"] == "a.example" and pool["healthmonitor"]["url_path"] == "/"
    (member,) = pool["members"]
    assert (member["backup"], member["request_sriov"], member["monitor_address"]) == (True, True, "10.9.8.12")
    assert told(draft, "pool", "po1").keys() == {"ca_tls_container_ref"}
    assert told(draft, "health monitor", "hm") == {} and told(draft, "pool member", "me") == {}


def test_what_the_new_cloud_is_too_old_for_is_told() -> None:
    cloud = {**WITH, "versions": {**WITH["versions"], "load-balancer": "2.0"}}  # type: ignore[dict-item]
    draft = draft_of(NEWER, cloud=cloud)
    since = "the Octavia of new has it only since version {} of its API"
    assert told(draft, "load balancer", "lb")["tags"] == (["t"], None, since.format("2.5"))
    assert told(draft, "listener", "li").keys() == {"timeout_client_data", "allowed_cidrs"}
    assert told(draft, "pool member", "me").keys() == {"backup", "vnic_type"}
    assert told(draft, "health monitor", "hm")["http_version"] == (1.1, None, since.format("2.10"))
    assert "tags" not in asked(draft)


def test_a_field_that_nobody_thought_of_is_told() -> None:
    for kind, rows in ALL.items():
        if kind in ("network", "subnet", "port", "floating IP"):
            continue
        draft = draft_of({kind: [row | {"x:new": 1} for row in rows]})
        assert all("x:new" in told(draft, kind, row["id"]) for row in rows), kind


def test_names_are_kept_where_they_tell_pools_apart() -> None:
    draft = draft_of({"pool": [ONE | {"name": "a"}, TWO | {"name": "b"}]})
    assert [one["name"] for one in asked(draft)["pools"]] == ["a", "b"]
    draft = draft_of({"pool": [ONE | {"name": "a"}, TWO | {"name": "a"}]})
    assert [one["name"] for one in asked(draft)["pools"]] == ["naru:po1", "naru:po2"]
    inside = draft.steps["load balancer/lb"].args["inside"]["pools"]
    assert [(one["name"], one["called"]) for one in inside] == [("naru:po1", "a"), ("naru:po2", "a")]


TLS = LISTENER | {
    **{"id": "tls", "name": "https", "protocol": "TERMINATED_HTTPS", "protocol_port": 443, "l7policies": []},
    **{
        "default_tls_container_ref": "https://b/v1/secrets/1",
        "client_authentication": "MANDATORY",
        "hsts_preload": True,
    },
    **{"client_ca_tls_container_ref": "https://b/v1/secrets/2", "insert_headers": {"X-Forwarded-For": "true"}},
    **{"tls_versions": ["TLSv1.2", "TLSv1.3"], "hsts_max_age": 9, "default_pool_id": "po1"},
}


def test_a_listener_with_a_certificate_is_its_users_to_make() -> None:
    policy, rule = POLICY | {"id": "l8", "listener_id": "tls"}, RULE | {"id": "rv", "l7policy_id": "l8"}
    changes = {"listener": [LISTENER, TLS], "L7 policy": [POLICY, policy], "L7 rule": [RULE, rule | {"invert": True}]}
    draft = draft_of(changes)
    assert [one["protocol_port"] for one in asked(draft)["listeners"]] == [80]
    for kind, identity in (("listener", "tls"), ("L7 policy", "l8"), ("L7 rule", "rv")):
        assert draft.decisions[kind, identity].decision == "leave"
    detail = listener.described(draft.facts.old, draft.facts.old.all("listener")["tls"])
    assert detail["references"] == ["client_ca_tls_container_ref", "client_authentication"]
    first, second, third = listeners.commands("openstack", detail)
    words = " ".join(first.replace("\\\n", " ").split())
    for part in (
        "openstack loadbalancer listener create --wait --name https",
        *("--protocol TERMINATED_HTTPS --protocol-port 443", "--insert-headers X-Forwarded-For=true"),
        *("--tls-version TLSv1.2 --tls-version TLSv1.3", "--hsts-max-age 9 --hsts-preload"),
        '--default-pool po1 --default-tls-container-ref "$reference" shop',
    ):
        assert part in words
    assert "authentication" not in words
    assert second.startswith("policy=$(") and "--action REDIRECT_TO_POOL" in second and "--redirect-pool po2" in second
    assert "--invert" in third and third.endswith('"$policy"')


def test_without_octavia_on_the_new_cloud_it_is_told_and_its_address_is_not_held() -> None:
    draft = draft_of(cloud={"name": "new", **NEWEST})
    assert {
        draft.decisions[kind, row["id"]].decision for kind in ALL for row in ALL[kind] if "provisioning_status" in row
    } == {"leave"}
    assert "port/vip" not in draft.steps
    assert "load balancer shop is not moved: new has no Octavia" in findings(draft)


def test_a_cloud_without_load_balancers_has_nothing_of_them() -> None:
    empty: dict[str, Any] = {kind: [] for kind, rows in ALL.items() if "provisioning_status" in rows[0]}
    draft = draft_of({**empty, "port": OLD["port"], "floating IP": OLD["floating IP"]})
    assert not [step for step in draft.steps if "load balancer" in step]


def test_on_a_network_of_both_clouds_it_waits_until_the_old_one_is_off() -> None:
    shared = INNER | {"project_id": "z", "shared": True}
    there: dict[str, Any] = {
        "network": [{**shared, "id": "there"}],
        "subnet": [SUBNET | {"id": "st", "network_id": "there"}],
    }
    there["network"].append({"id": "np", "name": "public", "router:external": True, "project_id": "z"})
    there["subnet"].append({"id": "nps", "name": "", "network_id": "np", "cidr": "198.18.0.0/20", "project_id": "z"})
    wide = {"network": [*OLD["network"], shared], "subnet": [*OLD["subnet"], SUBNET | {"project_id": "z"}]}
    draft = draft_of(wide, there)
    assert asked(draft)["admin_state_up"] is False
    off, on = draft.steps["switch off load balancer/lb"], draft.steps["switch on load balancer/lb"]
    assert off.args["cloud"] == "old" and off.args["requests"][0]["body"]["loadbalancer"] == {"admin_state_up": False}
    assert off.args["undo"][0]["body"]["loadbalancer"] == {"admin_state_up": True}
    assert on.args["requests"][0]["path"][1] == {"$ref": "load balancer/lb", "field": "id"}
    befores = draft.plan.befores()
    assert off.id in befores[on.id] and "activate port/vip" in befores[on.id]
    assert "switch off load balancer/lb" not in draft_of().steps


def test_a_member_whose_port_stays_is_told() -> None:
    other = WEB | {"project_id": "elsewhere"}
    draft = draft_of({"port": [*OLD["port"], VIP, other]})
    assert "pool member me: its address 10.9.8.11 is not moved" in findings(draft)
    assert findings(draft_of({"port": [*OLD["port"], VIP]})) == []  # an address that no port has is elsewhere


def test_those_of_kubernetes_are_told() -> None:
    draft = draft_of({"load balancer": [BALANCER | {"name": "kube_service_demo_default_web"}]})
    assert "load balancer kube_service_demo_default_web is that of a service of a Kubernetes cluster" in findings(draft)


def test_one_that_is_not_whole_is_told() -> None:
    draft = draft_of({"load balancer": [BALANCER | {"provisioning_status": "ERROR"}]})
    assert any("shop is ERROR on the old cloud" in line for line in findings(draft))


def test_those_of_neutron_lbaas_are_told() -> None:
    rows = [
        {"id": "ll", "name": "veteran", "tenant_id": "p", "vip_port_id": "x"},
        {"id": "lb", "name": "shop", "tenant_id": "p"},
    ]
    draft = draft_of({"LBaaS load balancer": rows})
    assert {draft.decisions["LBaaS load balancer", one].decision for one in ("ll", "lb")} == {"leave"}
    assert "it is Octavia's, and moved as such" in say(draft.decisions["LBaaS load balancer", "lb"].why)


def test_flavor_and_zone_follow_the_map() -> None:
    old = {"load balancer": [BALANCER | {"flavor_id": "fl", "availability_zone": "az-old"}]}
    old["load balancer flavor"] = [{"id": "fl", "name": "big", "enabled": True}]
    new = {
        "load balancer flavor": [{"id": "fn", "name": "big", "enabled": True}],
        "load balancer availability zone": [{"name": "az-new", "enabled": True}],
    }
    draft = draft_of(old, new)
    assert (asked(draft)["flavor_id"], asked(draft)["availability_zone"]) == ("fn", "az-new")
    assert told(draft, "load balancer", "lb")["availability_zone"] == ("az-old", "az-new", "the only one")
    assert draft.decisions["load balancer flavor", "fl"].new == "fn"
    undecided = [say(one.summary) for one in draft_of(old).plan.findings if one.severity == "error"]
    assert any("load_balancer_flavors: big is not decided" in line for line in undecided)


@pytest.mark.parametrize(
    "kind,identity", [("load balancer", "lb"), ("pool member", "me"), ("L7 rule", "ru"), ("port", "vip")]
)
def test_it_is_left_whole(kind: str, identity: str) -> None:
    draft = draft_of()
    found = leaving(draft.plan, list(draft.decisions.values()), draft.facts.old, [Key(kind, identity)])
    assert "load balancer/lb" in found.steps
    wanted = {Key(kind, row["id"]) for kind in ALL for row in ALL[kind] if "provisioning_status" in row}
    assert wanted <= found.things.keys()
