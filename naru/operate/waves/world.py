"""The cloud on paper, while hosts are emptied wave by wave: where each server would be, and what would be free.

The waves that are proposed and the plan of a wave that is about to begin are decided by the same rules; only that the
second one begins from what has just been read.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from naru.errors import InputError
from naru.operate.drain.facts import Facts, Server, Target
from naru.operate.drain.room import place
from naru.operate.drain.rules import (
    ACTIONS,
    COLD_STATUS,
    LIVE_STATUS,
    MOVES,
    Action,
    Decision,
    Options,
    answered,
    judged,
    with_room,
)
from naru.text import shortened

Decisions = Mapping[str, Sequence[Decision]]
"""By host what is done with each server on it."""


class World:
    """Hosts that are to be emptied, by name with what is known of each, and the room on all others."""

    def __init__(self, facts: Mapping[str, Facts]) -> None:
        self.facts = facts
        self._servers = {server.id: server for one in facts.values() for server in one.servers}
        self._known_by = {server.id: one for one in facts.values() for server in one.servers}
        self.where = {server.id: host for host, one in facts.items() for server in one.servers}
        self._targets: dict[str, Target] = {}
        for one in facts.values():
            self._targets |= {target.name: target for target in one.targets}
        self._free = {name: None if one.free is None else dict(one.free) for name, one in self._targets.items()}

    @property
    def servers(self) -> list[Server]:
        """All servers of these hosts."""
        return list(self._servers.values())

    def check_alike(self) -> None:
        """Raises InputError for hosts of several kinds of hypervisors: a server fits on its own kind alone."""
        kinds = {host: one.kinds for host, one in self.facts.items()}
        if len(set(kinds.values())) > 1:
            raise InputError(
                "the hosts have hypervisors of several types",
                detail="\n".join(f"{host}: {', '.join(sorted(kind)) or '-'}" for host, kind in kinds.items()),
                hint="Plan those of each type in a directory of their own.",
            )

    def decide(self, hosts: Sequence[str], options: Options, later: Collection[str] = ()) -> dict[str, list[Decision]]:
        """What is done with the servers on these hosts when all of them are emptied together: none of them takes any,
        and those of `later` waves, which would have to be emptied of them again, only where nothing else has room.
        Answers that fit no more are passed over."""
        given = self._answers(options)
        found = {
            host: [
                judged(server, self._known_by[server.id], options, given.get(server.id)) for server in self._on(host)
            ]
            for host in hosts
        }
        moving = [one.server for decisions in found.values() for one in decisions if one.action in MOVES]
        targets = [replace(one, free=self._free[name]) for name, one in self._targets.items() if name not in hosts]
        room = place(moving, targets, options.only, later)
        return {host: [with_room(one, room.get(one.server.id)) for one in mine] for host, mine in found.items()}

    def move(self, decisions: Decisions) -> None:
        """All of that is done, and the hosts are given back."""
        for host, mine in decisions.items():
            for one in mine:
                if not one.to:
                    continue
                self.where[one.server.id] = one.to
                for name, sign in ((one.to, -1), (host, 1)):
                    free = self._free.get(name)
                    if free is not None:
                        for resource, amount in one.server.needs.items():
                            free[resource] = free.get(resource, 0.0) + sign * amount

    def _on(self, host: str) -> list[Server]:
        """The servers on a host by now, each with its group's members where they are by now."""
        found = []
        for identity, here in self.where.items():
            if here != host:
                continue
            server = self._servers[identity]
            if server.group:
                members = {one: self.where.get(one, there) for one, there in server.group.members.items()}
                server = replace(server, group=replace(server.group, members=members))
            found.append(server)
        return sorted(found, key=lambda one: (one.name, one.id))

    def _answers(self, options: Options) -> Mapping[str, Action]:
        """Those that still fit: a server may be gone by now, or its owner has switched it."""
        fitting: dict[str, Action] = {}
        for identity, said in options.answers.items():
            server = self._servers.get(identity)
            answer = next((one for one in ACTIONS if one == said), None)
            if server is None or server.is_busy or answer is None:
                continue
            statuses = {"live": LIVE_STATUS, "cold": COLD_STATUS}.get(answer)
            if statuses is None or server.status in statuses:
                fitting[identity] = answer
        return fitting


@dataclass(frozen=True)
class Wave:
    """Hosts that are emptied together, and what becomes of their servers then."""

    hosts: tuple[str, ...]
    decisions: Decisions

    @property
    def is_possible(self) -> bool:
        return not any(one.action == "ask" for mine in self.decisions.values() for one in mine)


def in_order(hosts: Sequence[str], rack: Callable[[str], str]) -> list[str]:
    """Racks as they come, the hosts of each together."""
    racks = list(dict.fromkeys(rack(host) for host in hosts))
    return sorted(hosts, key=lambda host: racks.index(rack(host)))


def next_wave(
    world: World,
    waiting: Sequence[str],
    options: Options,
    at_once: int,
    rack: Callable[[str], str],
    later: Collection[str] = (),
) -> Wave:
    """The first of the hosts that wait, with as many others of its rack as fit beside it, up to `at_once`: their
    servers find room while none of them takes any. Two racks are never in one wave, so that no more than one of what
    must not fail together is away. `later` are hosts that wait as well, and are not for this wave."""

    def wave(*hosts: str) -> Wave:
        return Wave(hosts, world.decide(hosts, options, {*waiting, *later} - set(hosts)))

    first, *others = waiting
    beside = [host for host in others if rack(host) == rack(first)]
    whole = wave(first, *beside[: at_once - 1])
    if not _homeless(whole):
        return whole
    best = wave(first)
    alone = {first: _homeless(best)}
    for host in beside:
        if len(best.hosts) == at_once:
            break
        more = wave(*best.hosts, host)
        alone[host] = _homeless(wave(host))
        if _homeless(more) <= sum(alone[one] for one in more.hosts):
            best = more
    return best


def propose(
    world: World, hosts: Sequence[str], options: Options, at_once: int, rack: Callable[[str], str]
) -> list[Wave]:
    """All waves, one after the other, on paper: the world is left as it is after them."""
    waiting, found = list(hosts), []
    while waiting:
        wave = next_wave(world, waiting, options, at_once, rack)
        world.move(wave.decisions)
        waiting = [host for host in waiting if host not in wave.hosts]
        found.append(wave)
    return found


def _homeless(wave: Wave) -> int:
    return sum(one.is_homeless for mine in wave.decisions.values() for one in mine)


def by_id(world: World, options: Options) -> Options:
    """The options with answers by the ids of servers. Raises InputError for an answer that fits no server of these
    hosts."""
    given = answered(world.servers, ", ".join(shortened(world.facts, 5)), options)
    return replace(options, answers=given)


def statuses(world: World, options: Options) -> dict[str, str]:
    """The statuses that servers have for which there are answers, by id."""
    return {one.id: one.status for one in world.servers if one.id in options.answers}


def still_meant(world: World, options: Options, given: Mapping[str, str]) -> Options:
    """The options with those answers alone whose servers have the status (`given`) for which they were said: to leave a
    server that was suspended is not to switch off one that runs."""
    now = statuses(world, options)
    answers = {one: said for one, said in options.answers.items() if one in now and now[one] == given.get(one)}
    return replace(options, answers=answers)
