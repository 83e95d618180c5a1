"""Which files are to be read on, after what rotation did to them since they were read last.

A file is known again by its device and inode, and by its first bytes. One that was renamed is read to its end under its
new name. One that was copied and truncated is read to its end in the copy, then from its beginning; one that was packed
by gzip is read on in what that made. What came and was rotated between two looks is read, too. What was gone before it
was read is counted as lost; within a day it is known again, should it come back, as the files of a disk that was away.
"""

import glob
import re
import time
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from naru.watch.place import Place, Seen
from naru.watch.store import File, Store
from naru.watch.together import Steps

_GONE = 2
"""How a file `ended` that is not there any more."""
_REMEMBERED = 86400.0
"""Seconds that such a one is remembered."""
_LOOKS = 3
_AGAIN = 0.1
"""How often, and after how many seconds, it is looked again for what seems to be gone."""


class Open(NamedTuple):
    """A file that is to be read on. A `rotated` one does not grow any more."""

    file: File
    seen: Seen
    rotated: bool


def settle(store: Store, place: Place, patterns: Sequence[str], patience: int = _LOOKS) -> Steps[list[Open]]:
    """The files of a place that shell patterns name, and those that they were rotated to and that were not read to
    their end. With `patience` it looks again that often before it takes a file to be gone. Steps of a follower: it asks
    for lists of files."""
    every = store.files(place.host)
    beside = [f"{glob.escape(base)}?*" for base in {_base(file.path) for file in every}]
    listed, present = yield partial(_listed, place, patterns, beside)
    known = [file for file in every if file.path not in place.refused]  # what cannot be read now is not gone
    by_inode = {(one.device, one.inode): one for one in present.values()}
    if any((file.device, file.inode) not in by_inode for file in known if file.ended != _GONE) and patience:
        # files may just be being renamed: not each of them was seen under its old name, or under its new one
        yield partial(time.sleep, _AGAIN)
        return (yield from settle(store, place, patterns, patience - 1))
    now: dict[str, File] = {}  # by path
    moved: dict[str, float] = {}  # of what was rotated, by its path before: when it was read last
    away = []
    with store.transaction():
        for file in known:
            seen = by_inode.get((file.device, file.inode))
            if seen is not None and _is(file, seen):
                if file.ended == _GONE:
                    _found_again(store, file)
                # one that was empty may have been written, copied and truncated meanwhile
                if seen.path != file.path or not (file.head or file.ended):
                    moved.setdefault(_base(file.path), file.read)
                _at(store, file, seen)
                now[seen.path] = file
            else:
                away.append((file, seen))
        for file, seen in away:
            if file.ended == _GONE:
                if place.now() - file.read > _REMEMBERED:
                    store.forget_file(file)
                continue
            moved.setdefault(_base(file.path), file.read)
            others = (one for one in present.values() if one.path not in now and one != seen)
            copy = next((one for one in others if _is(file, one)), None)
            if seen is not None and seen.path == file.path:
                if copy is not None:
                    now[copy.path] = _split(store, file, copy)
                else:
                    _lose(store, file)
                file.head, file.place = b"", 0
                store.save_file(file)
                now[file.path] = file
            elif copy is not None:
                _at(store, file, copy)
                now[copy.path] = file
            else:
                if file.ended:
                    store.forget_file(file)
                else:
                    _lose(store, file)
                    file.ended = _GONE
                    store.save_file(file)
        for path, seen in present.items():
            # it may have been rotated several times meanwhile
            between = seen.modified > moved.get(_base(path), seen.modified)
            if path not in now and (path in listed or between):
                now[path] = File(0, place.host, path, seen.device, seen.inode, read=place.now())
                store.add_file(now[path])
    return [Open(file, present[path], path not in listed) for path, file in now.items() if not file.ended]


def _listed(place: Place, patterns: Sequence[str], beside: Sequence[str]) -> tuple[dict[str, Seen], dict[str, Seen]]:
    """The files of patterns by their paths, and those with what lies beside them."""
    place.refused.clear()
    listed = {one.path: one for one in place.files(patterns)}
    return listed, ({one.path: one for one in place.files(beside)} | listed if beside else listed)


def _is(file: File, seen: Seen) -> bool:
    """Whether this is the file, or a copy of it, with all that was read of it."""
    return (
        seen.head.startswith(file.head)
        and (seen.packed or seen.size >= file.place)
        and bool(file.head or (seen.device, seen.inode) == (file.device, file.inode))
    )


def _at(store: Store, file: File, seen: Seen) -> None:
    if (file.path, file.device, file.inode) != (seen.path, seen.device, seen.inode):
        file.path, file.device, file.inode = seen.path, seen.device, seen.inode
        store.save_file(file)


def _split(store: Store, file: File, copy: Seen) -> File:
    """A file that was truncated and its copy: what was read so far is the copy's."""
    rest = File(0, file.host, copy.path, copy.device, copy.inode, file.head, file.place, format=file.format)
    store.add_file(rest)
    store.hand_over(file, rest)
    return rest


def _lose(store: Store, file: File) -> None:
    """Something may have been written that was never read."""
    file.lost += 1
    store.set("lost", int(store.setting("lost") or 0) + 1)
    store.forget_blocks(file)


def _found_again(store: Store, file: File) -> None:
    """It was away, and nothing of it is lost."""
    file.lost, file.ended = file.lost - 1, 0
    store.set("lost", int(store.setting("lost") or 0) - 1)
    store.save_file(file)


def _base(path: str) -> str:
    """A file's path before rotation: /var/log/nova/nova-api.log of /var/log/nova/nova-api.log.2.gz."""
    return re.sub(r"(\.log)\b.*$", r"\1", path)
