"""A container and an account made as they are on the source.

Quotas and versioning come last, when all objects are there: a quota would refuse what is carried, and with versioning
the target would keep what a later pass replaces. Where the target has them already they are taken away before the
first object of a container is written, and come back at the end of the pass; of a killed one the next does it.
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field

from naru.cloud.client import CloudError
from naru.objects import headers
from naru.objects.engine.state import State
from naru.objects.mapping import Mapping
from naru.objects.wire import Account, Headers


@dataclass
class Container:
    """A container of a pass: as the target is to have it, and what of quotas and versioning it has."""

    name: str
    wanted: Headers
    late: Headers = field(default_factory=dict)
    lifted: bool = False
    problems: int = 0


class Containers:
    """Makes containers on the target; `tell` is given what cannot be kept, for people."""

    def __init__(
        self, source: Account, target: Account, mapping: Mapping, policies: list[str], tell: Callable[[str], None]
    ) -> None:
        """`policies` are the names of the target's storage policies, the default first; none where it tells none."""
        self._source = source
        self._target = target
        self._mapping = mapping
        self._policies = policies
        self._tell = tell

    def begin(self, name: str, here: Headers, there: Headers) -> Container:
        """The container on the target, as far as objects can come into it. `there` is empty when it does not exist.
        Raises CloudError."""
        wanted, lost = self._mapping.container(here)
        for item in lost:
            self._tell(f"container {name}: left out of an access list, the map has no such id: {item}")
        if headers.SYNC[0] in here:
            self._tell(f"container {name}: is synchronised with another one ({headers.SYNC[0]}): not carried")
        if "x-versions-enabled" in wanted:
            self._tell(
                f"container {name}: keeps versions of objects: the newest are carried, versioning is switched on"
            )
        late = {
            key: value for key, value in there.items() if key in headers.LATE and headers.of_container({key: value})
        }
        made = Container(name, wanted, late)
        early = _without(wanted)
        policy = self._policy(name, here, there)
        if not there:
            self._target.request("PUT", name, headers=early | ({headers.POLICY: policy} if policy else {}))
        elif sent := headers.changes(early, _without(headers.of_container(there))):
            self._target.request("POST", name, headers=sent)
        return made

    def lift(self, container: Container) -> None:
        """Before an object is written: takes away what would be in the way. Raises CloudError."""
        if container.late and not container.lifted:
            gone = {_taken_away(name): "false" if name == "x-versions-enabled" else "x" for name in container.late}
            self._target.request("POST", container.name, headers=gone)
            container.late = {}
        container.lifted = True

    def finish(self, container: Container) -> None:
        """When all objects are there: quotas and versioning. Raises CloudError."""
        wanted = {name: value for name, value in container.wanted.items() if name in headers.LATE}
        if wanted == container.late:
            return
        gone = {_taken_away(name): "x" for name in container.late if name not in wanted}
        self._target.request("POST", container.name, headers=wanted | gone)

    def _policy(self, name: str, here: Headers, there: Headers) -> str:
        had = here.get(headers.POLICY, "")
        if not had or not self._policies:
            return ""
        wanted = self._mapping.policies.get(had, had)
        if wanted not in self._policies:
            self._tell(f"container {name}: the target has no storage policy {wanted}: its default, {self._policies[0]}")
            return ""
        if there and there.get(headers.POLICY, wanted) != wanted:
            self._tell(
                f"container {name}: has the storage policy {there[headers.POLICY]}, not {wanted}: it cannot change"
            )
        return wanted


def account(source: Account, target: Account, state: State, tell: Callable[[str], None]) -> None:
    """The account's own metadata. What the target's has besides stays, unless it came from the source once. What only
    a reseller may set is told. Raises CloudError."""
    here = headers.of_account(source.request("HEAD", accept=(404,)).headers)
    there = headers.of_account(target.request("HEAD", accept=(404,)).headers)
    ours = set(filter(None, state.about("account").split("\n")))
    sent = {name: value for name, value in here.items() if there.get(name) != value}
    sent |= {headers.removal(name): "x" for name in ours if name in there and name not in here}
    if sent:
        answer = target.request("POST", headers=sent, accept=(403,))
        if answer.status == 403:
            told = sorted(name for name in sent if "quota" in name)
            rest = {name: value for name, value in sent.items() if name not in told}
            if not told:
                raise target.refused("POST", "", "", answer)
            tell(f"the account: only a reseller may set {', '.join(told)} on {target.label}")
            if rest:
                target.request("POST", headers=rest)
    if any(name.startswith("x-account-meta-temp-url-key") for name in here):
        tell("the account: its keys for temporary URLs are carried; the URLs have the project's id in them, and change")
    state.note("account", "\n".join(sorted(here)))


def remove(target: Account, name: str) -> bool:
    """Deletes a container that the source has no more, if nothing is left in it: whether it is gone."""
    with contextlib.suppress(CloudError):
        return target.request("DELETE", name, accept=(404, 409)).status != 409
    return False


def _without(found: Headers) -> Headers:
    return {name: value for name, value in found.items() if name not in headers.LATE}


def _taken_away(name: str) -> str:
    return name if name == "x-versions-enabled" else headers.removal(name)
