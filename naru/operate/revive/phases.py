"""A hung server brought up elsewhere: the plan is written here; `naru plan` runs it, shows it and rolls it back."""

import uuid
from pathlib import Path

from naru.cloud.client import Cloud
from naru.operate.revive import planner
from naru.operate.revive.reading import read
from naru.plan.model import Plan
from naru.work.directory import WorkDirectory

CAPABILITY = "revive"
FIRST = "naru plan run"


def plan(cloud: str, named: str, options: planner.Options, directory: Path) -> Plan:
    """Reads the server with this name or id, and writes the plan into the work directory. Nothing is changed anywhere.
    A plan with errors is written as well, and not run."""
    work = WorkDirectory(directory, CAPABILITY, FIRST)
    work.prepare()
    with Cloud(cloud) as client:
        found = read(client, named)
    plan_id = str(uuid.uuid4())
    made = planner.plan(cloud, found, options, plan_id)
    work.create(made, plan_id=plan_id)
    return made
