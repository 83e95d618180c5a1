"""Waves: which units can go in one window, so that whatever a unit needs goes before it or with it."""

from collections.abc import Collection, Iterable, Mapping

from naru.plan.windows.needs import together


def waves(
    units: Iterable[str],
    needs: Mapping[str, Collection[str]],
    weights: Mapping[str, int],
    *,
    most_units: int | None = None,
    most_weight: int | None = None,
) -> list[list[str]]:
    """The fewest waves in which each unit comes after those that it needs, unless they need one another.

    With a bound (on the units in a wave, or on the sum of their weights), what could go at once is spread over several
    waves. Units that go together stay together: a group of them that is over the bound has a wave of its own. Within a
    wave the order is that of `units`.
    """
    order = {unit: number for number, unit in enumerate(units)}
    levels: list[list[tuple[str, ...]]] = []
    level: dict[str, int] = {}
    for group in together(order, needs):
        others = {other for unit in group for other in needs.get(unit, ()) if other not in group}
        mine = 1 + max((level[other] for other in others), default=-1)
        level |= dict.fromkeys(group, mine)
        while len(levels) <= mine:
            levels.append([])
        levels[mine].append(tuple(sorted(group, key=order.__getitem__)))
    found: list[list[str]] = []
    for groups in levels:
        wave: list[str] = []
        for group in sorted(groups, key=lambda group: order[group[0]]):
            more = [*wave, *group]
            over = most_units is not None and len(more) > most_units
            over = over or (most_weight is not None and sum(weights.get(name, 0) for name in more) > most_weight)
            if wave and over:
                found.append(wave)
                wave = []
            wave = [*wave, *group]
        found.append(wave)
    return found
