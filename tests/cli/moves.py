"""Files that the commands read, sound ones, for tests that spoil them: a clouds.yaml, work directories, keys."""

import json
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet

from naru.inventory.archive import Archive
from naru.plan.journal import Journal
from naru.plan.model import Plan, Step

from ..move.described import described

# nothing listens on port 1 of loopback, and nothing has to: what is asked for is refused before
AUTH = {
    "auth_url": "http://127.0.0.1:1/v3",
    "username": "admin",
    "password": "secret-of-admin",
    "project_name": "admin",
    "user_domain_id": "default",
    "project_domain_id": "default",
}
CLOUDS = {"clouds": {name: {"auth": AUTH, "region_name": "r"} for name in ("old", "new")}}
DECISIONS: dict[str, Any] = {
    "naru_decisions": 1,
    "from": "old",
    "to": "new",
    "snapshots": {"old": 1, "new": 2},
    "projects": {"p": "hanok"},
    "decisions": [],
}
BACKENDS = "naru_backends: 1\nbackends: {ceph: {kind: rbd, pool: volumes}}\n"


def clouds(file: Path, content: Any = CLOUDS) -> Path:
    """A clouds.yaml (JSON is YAML, too)."""
    file.write_text(json.dumps(content))
    return file


def key(file: Path) -> Path:
    """A key as `naru move plan` makes it."""
    file.write_bytes(Fernet.generate_key())
    file.chmod(0o600)
    return file


def plan(directory: Path) -> Path:
    """The work directory of a plan that is no move."""
    Journal.create(directory, Plan(title="something else", steps=[Step("a", "noop", {})])).close()
    return directory


def move(directory: Path) -> Path:
    """The work directory of a move that was planned; nothing was done of it yet."""
    steps = [Step("cutover p", "noop", {}, gate="cutover hanok"), Step("no way back p", "noop", {})]
    settings = {"from": "old", "to": "new", "projects": ["p"], "map": "", "key": "0123456789abcdef"}
    plan = Plan(title="Move hanok", steps=steps, gates=["cutover hanok"], settings=settings)
    Journal.create(directory, described(plan)).close()
    (directory / "decisions.json").write_text(json.dumps(DECISIONS))
    with Archive(directory / "archive.db") as archive:
        for cloud in ("old", "new"):
            archive.end(archive.begin(cloud), [])
    return directory
