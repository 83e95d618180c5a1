"""The heartbeat of a host: a program of its own, of Python's standard library alone, that is copied to hosts.

beat.py --name compute7.example --key /etc/naru/guard.key --to guard1:7411,guard2:7411
        [--listen 10.2.0.7:7412 --peer compute8.example=10.2.0.8:7412 ...]
        [--file /mnt/guests/.naru/compute7.example.beat]

Every few seconds it sends a packet that is signed with the key, with a number that only grows, so that one that is
heard again is told from a new one; no clock has to be right. With --listen it hears its peers on their own network, and
says in its packets whom it hears. With --file it also writes a packet to the guests' storage each time: what shows that
the host can still write there. It runs on Python 3.6 and later.
"""
# ruff: noqa: UP006, UP035, UP045 - hosts may have an old Python

import argparse
import hashlib
import hmac
import json
import os
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

VERSION = 1
PORT = 7411
MOST = 60000
"""Bytes of a packet."""


def pack(key: bytes, kind: str, name: str, boot: int, number: int, said: Dict[str, Any]) -> bytes:
    """A packet as bytes: `kind` beat or report, who it is of, when its sender began (a number that grows with each
    time), its number, and what it says (JSON)."""
    body = json.dumps([VERSION, kind, name, boot, number, said], sort_keys=True, separators=(",", ":")).encode()
    return hmac.new(key, body, hashlib.sha256).hexdigest().encode() + body


def unpack(keys: Sequence[bytes], packet: bytes) -> Tuple[str, str, int, int, Dict[str, Any]]:
    """What a packet says, as (kind, name, boot, number, said). Raises ValueError for one that is not signed with any of
    the keys (two, while they are changed), or is not a packet."""
    signature, body = packet[:64], packet[64:]
    if not any(
        hmac.compare_digest(signature, hmac.new(one, body, hashlib.sha256).hexdigest().encode()) for one in keys
    ):
        raise ValueError("not signed with the key")
    found = json.loads(body.decode())
    if not isinstance(found, list) or len(found) != 6 or found[0] != VERSION:
        raise ValueError("not a packet of this version")
    _, kind, name, boot, number, said = found
    if not (isinstance(name, str) and isinstance(boot, int) and isinstance(number, int) and isinstance(said, dict)):
        raise ValueError("not a packet")
    return kind, name, boot, number, said


def address(text: str) -> Tuple[str, int]:
    """HOST:PORT; without a port the usual one."""
    host, _, port = text.rpartition(":")
    return (host, int(port)) if host and port.isdigit() else (text, PORT)


def read_key(path: str) -> List[bytes]:
    """The keys in a file, a line each: packets are signed with the first. Raises ValueError."""
    if Path(path).stat().st_mode & 0o077:
        raise ValueError(path + " may be read by others than its owner: chmod 600 " + path)
    keys = [line.strip() for line in Path(path).read_bytes().splitlines() if line.strip()]
    if not keys or any(len(one) < 32 for one in keys):
        raise ValueError(path + ": a key has 32 characters at least: openssl rand -hex 32")
    return keys


class Heard:
    """Whom this host hears on its peers' network, and when it did so last."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self.keys = keys
        self.last: Dict[str, float] = {}
        self._newest: Dict[str, Tuple[int, int]] = {}

    def take(self, packet: bytes, now: float) -> None:
        try:
            _, name, boot, number, _ = unpack(self.keys, packet)
        except ValueError:
            return
        if (boot, number) > self._newest.get(name, (-1, -1)):
            self._newest[name] = (boot, number)
            self.last[name] = now

    def names(self, now: float, within: float) -> List[str]:
        return sorted(name for name, at in self.last.items() if now - at <= within)


def write(path: str, packet: bytes) -> None:
    """Replaces a file, on disk when this returns."""
    new = Path(path + ".new")
    with new.open("wb") as opened:
        opened.write(packet)
        opened.flush()
        os.fsync(opened.fileno())
    new.replace(path)


def main(argv: Optional[Sequence[str]] = None) -> int:
    parser = argparse.ArgumentParser(description="The heartbeat of a compute host, for naru guard.")
    parser.add_argument("--name", required=True, help="the host, as Nova calls it")
    parser.add_argument("--key", required=True, help="file with the key, mode 600")
    parser.add_argument("--to", required=True, help="guards and witnesses: HOST[:PORT],...")
    parser.add_argument("--every", type=float, default=10.0, help="seconds (10)")
    parser.add_argument("--listen", help="ADDRESS:PORT at which peers are heard")
    parser.add_argument("--peer", action="append", default=[], help="NAME=ADDRESS:PORT of a peer (several times)")
    parser.add_argument("--file", help="file on the guests' storage")
    arguments = parser.parse_args(argv)
    try:
        keys = read_key(arguments.key)
        peers = dict(_peer(one) for one in arguments.peer)
        out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        inside = out
        if arguments.listen:
            inside = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            inside.bind(address(arguments.listen))
    except (OSError, ValueError) as error:
        sys.stderr.write(f"beat: {error}\n")
        return 2
    boot, heard = int(time.time() * 1000), Heard(keys)

    def hear() -> None:
        while True:
            try:
                packet = inside.recv(MOST)
            except OSError:  # its network is away: who stopped to listen would call its peers silent for ever
                time.sleep(arguments.every)
                continue
            heard.take(packet, time.monotonic())

    if arguments.listen:
        threading.Thread(target=hear, daemon=True).start()

    def to_storage() -> None:
        # a storage that hangs has this thread hang alone; the packets go on
        number = 0
        while True:
            number += 1
            try:
                write(arguments.file, pack(keys[0], "file", arguments.name, boot, number, {}))
            except OSError as error:
                sys.stderr.write(f"beat: {error}\n")
            time.sleep(arguments.every)

    if arguments.file:
        threading.Thread(target=to_storage, daemon=True).start()
    number = 0
    while True:
        number += 1
        # who does not listen says nothing of its peers, not that they are silent
        said = {
            "hears": heard.names(time.monotonic(), 3 * arguments.every),
            "peers": sorted(peers) if arguments.listen else [],
        }
        packet = pack(keys[0], "beat", arguments.name, boot, number, said)
        for one in arguments.to.split(","):
            send(out, packet, one)
        for one in peers.values():
            send(inside, packet, one)
        time.sleep(arguments.every)


def _peer(text: str) -> Tuple[str, str]:
    name, sign, where = text.partition("=")
    if not name or not sign or not where:
        raise ValueError("--peer " + text + ": give it as NAME=ADDRESS:PORT")
    return name, where


def send(out: socket.socket, packet: bytes, to: str) -> None:
    """Sends, where that can be reached; who cannot be is what the others notice."""
    try:
        out.sendto(packet, address(to))
    except OSError:
        return


if __name__ == "__main__":
    sys.exit(main())
