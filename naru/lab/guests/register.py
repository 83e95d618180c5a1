"""What a cloud must have for real guests: their image and flavor, and hosts that take nothing else."""

import time
from typing import Any

from keystoneauth1.exceptions import ClientException, Conflict

from naru.errors import NaruError
from naru.lab.api import Api
from naru.lab.cloud import Cloud
from naru.lab.guests import image

IMAGE = "naru-guest"
FLAVOR = "m1.guest"
FLAVOR_BODY = {"name": FLAVOR, "ram": 128, "vcpus": 1, "disk": 1}
AGGREGATE = "guests"
# The hosts have the trait, the flavor asks for it, and the aggregate keeps away whoever does not ask (Nova's
# [scheduler]enable_isolated_aggregate_filtering, from Train on)
TRAIT = "CUSTOM_NARU_GUEST"
PLACEMENT = {"OpenStack-API-Version": "placement 1.10"}


def register(cloud: Cloud) -> None:
    """Makes what is missing; nothing in a cloud without such hosts. Needs them mapped to their cell."""
    if not cloud.guests:
        return
    api = Api(cloud)
    flavor = bootable(api)
    specs = {f"trait:{TRAIT}": "required"}
    api("nova", "POST", f"/flavors/{flavor}/os-extra_specs", {"extra_specs": specs})
    for host in cloud.guest_hosts:
        _trait(api, host)
    _aggregate(api, cloud.guest_hosts)


def bootable(api: Api) -> str:
    """What a guest boots from and with, the image and the flavor, whose id is the answer; made when it is missing."""
    flavors = api("nova", "GET", "/flavors")["flavors"]
    flavor = next((found for found in flavors if found["name"] == FLAVOR), None)
    if flavor is None:
        flavor = api("nova", "POST", "/flavors", {"flavor": FLAVOR_BODY})["flavor"]
    _image(api)
    return str(flavor["id"])


def _trait(api: Api, host: str, timeout: float = 90) -> None:
    """Gives the host's resource provider the trait; nova-compute makes the provider some seconds after its start, and
    changes it now and then, which the generation tells."""
    root = api.cloud.url("placement")

    def ask(method: str, path: str, body: Any = None) -> Any:
        answer = api.session.request(f"{root}{path}", method, json=body, headers=PLACEMENT)
        return answer.json() if answer.content else None

    deadline = time.monotonic() + timeout
    try:
        ask("PUT", f"/traits/{TRAIT}")
        while True:
            providers = ask("GET", f"/resource_providers?name={host}")["resource_providers"]
            if providers:
                path = f"/resource_providers/{providers[0]['uuid']}/traits"
                traits = ask("GET", path)
                if TRAIT in traits["traits"]:
                    return
                try:
                    generation = traits["resource_provider_generation"]
                    ask("PUT", path, {"resource_provider_generation": generation, "traits": [*traits["traits"], TRAIT]})
                except Conflict:
                    continue
                return
            if time.monotonic() > deadline:
                raise NaruError(
                    f"{api.cloud.name}: Placement does not know {host} after {timeout:.0f} s",
                    hint=f"See: naru lab logs {api.cloud.name}/nova-compute-{host}",
                )
            time.sleep(0.5)
    except ClientException as error:
        raise NaruError(f"{api.cloud.name}: Placement refused the trait of {host}", detail=str(error)) from error


def _aggregate(api: Api, hosts: list[str]) -> None:
    aggregates = api("nova", "GET", "/os-aggregates")["aggregates"]
    aggregate = next((found for found in aggregates if found["name"] == AGGREGATE), None)
    if aggregate is None:
        aggregate = api("nova", "POST", "/os-aggregates", {"aggregate": {"name": AGGREGATE}})["aggregate"]
    action = f"/os-aggregates/{aggregate['id']}/action"
    api("nova", "POST", action, {"set_metadata": {"metadata": {f"trait:{TRAIT}": "required"}}})
    for host in hosts:
        if host not in aggregate.get("hosts", []):
            api("nova", "POST", action, {"add_host": {"host": host}})


def _image(api: Api) -> None:
    images = api("glance", "GET", f"/images?name={IMAGE}")["images"]
    if any(found["status"] == "active" for found in images):
        return
    for broken in images:  # a killed attempt's
        api("glance", "DELETE", f"/images/{broken['id']}")
    body = {"name": IMAGE, "disk_format": "qcow2", "container_format": "bare", "visibility": "public"}
    made = api("glance", "POST", "/images", body)
    url = f"{api.cloud.url('glance')}/v2/images/{made['id']}/file"
    try:
        with image.ensure().open("rb") as content:
            api.session.put(url, data=content, headers={"Content-Type": "application/octet-stream"})
    except ClientException as error:
        raise NaruError(f"{api.cloud.name}: Glance refused the guests' image", detail=str(error)) from error
