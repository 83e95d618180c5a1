#!/usr/bin/python
# Copyright: The Naru developers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
# Made of modules.yaml and of the commands' own help: make docs
"""Bring the content of volumes from storage to storage."""

from __future__ import annotations

DOCUMENTATION = r"""
module: volume
short_description: Bring the content of volumes from storage to storage
version_added: 0.1.0
description:
- Copies, compares and repairs the content of volumes in Ceph, raw and qcow2 files; locations are Naru's.
- Each action is a command of Naru, which does all of it.
author:
- The Naru developers (@naru-openstack)
extends_documentation_fragment:
- naru.openstack.naru
- naru.openstack.naru.work
- naru.openstack.naru.wait
options:
  action:
    description:
    - What is done.
    - V(where) is C(naru volume where). Show where the content of a volume is, and what is found there.
    - V(points) is C(naru volume points). List the stable points that Naru made on a volume, oldest first;
      with --make, make one unless it exists.
    - V(diff) is C(naru volume diff). List the ranges of a volume that changed since a point, or all that
      may hold data. Offsets and lengths in bytes.
    - V(check) is C(naru volume check). Compare a volume with the checksums that were kept of one (naru
      volume verify --proof FILE), however long ago.
    - 'V(copy) is C(naru volume copy). Copy a volume''s content into another that exists already: once
      all of it, then, each time, what changed.'
    - V(verify) is C(naru volume verify). Compare the contents of two volumes over their whole address
      space by checksums, and repair what differs.
    - V(repair) is C(naru volume verify --repair). Compare the contents of two volumes over their whole
      address space by checksums, and repair what differs.
    - V(clone) is C(naru volume clone). Give a volume the content of another one on the same storage,
      in seconds and without a copy.
    - V(flatten) is C(naru volume flatten). Make a cloned volume independent of its source, while it is
      in use, and compare what it was with the source.
    - V(clean) is C(naru volume clean). Remove the points that Naru made on a volume, so that Cinder can
      delete it; others' snapshots stay.
    type: str
    choices:
    - where
    - points
    - diff
    - check
    - copy
    - verify
    - repair
    - clone
    - flatten
    - clean
    required: true
  volume:
    description:
    - rbd:POOL/IMAGE[@conf=FILE,id=USER,keyring=FILE], file:PATH, qcow2:PATH; or an id, with --cloud.
      Of V(where).
    type: str
  cloud:
    description:
    - A name of clouds.yaml; an administrator of it. Of V(where).
    type: str
  backends:
    description:
    - What the cloud's backends are to this machine. Of V(where).
    type: path
  location:
    description:
    - rbd:POOL/IMAGE[@conf=FILE,id=USER,keyring=FILE], file:PATH, qcow2:PATH. Of V(points), V(diff) and
      V(clean).
    - rbd:..., file:... or qcow2:...; see naru volume where --help. Of V(check).
    type: str
  since:
    description:
    - The point's name, with or without naru-. Of V(diff).
    type: str
  point:
    description:
    - Up to this point instead of now. Of V(diff).
    - The point's name, with or without naru-. Of V(check), V(verify) and V(repair).
    type: str
  proof:
    description:
    - What naru volume verify --proof FILE wrote. Of V(check).
    - Write the source's checksum of every 64 KiB here. Of V(repair).
    type: path
  rate:
    description:
    - A cap in bytes of data a second, like 80M. Of V(check), V(copy), V(verify) and V(repair).
    type: str
  source:
    description:
    - rbd:..., file:... or qcow2:...; see naru volume where --help. Of V(copy), V(verify), V(repair),
      V(clone) and V(flatten).
    type: str
  target:
    description:
    - The same; it has to exist. Of V(copy), V(verify), V(repair), V(clone) and V(flatten).
    type: str
  job:
    description:
    - Part of the points' names; random without. Of V(copy).
    - 'Part of the point''s name, naru-NAME-final (default: adopt). Of V(clone) and V(flatten).'
    - Only those of this copy (naru-NAME-NUMBER). Of V(clean).
    type: str
  grow:
    description:
    - Make a target that is too small larger. Of V(copy).
    type: bool
  changed:
    description:
    - Only what changed since both were last found equal. Of V(verify) and V(repair).
    type: bool
"""

EXAMPLES = r"""
- name: Once all of it, then what has changed
  naru.openstack.volume:
    action: copy
    source: rbd:volumes/volume-1@conf=/etc/ceph/old.conf
    target: rbd:volumes/volume-2@conf=/etc/ceph/new.conf
    work: /var/lib/naru/volumes
"""

RETURN = r"""
outcome:
  description:
  - 'What came of it: done, failed, bad input, paused, interrupted, killed, or running.'
  returned: always
  type: str
  sample: done
result:
  description:
  - 'What the command has answered: its JSON.'
  returned: always
  type: raw
messages:
  description:
  - What the command said beside it, such as findings, line by line.
  returned: always
  type: list
  elements: str
exit_code:
  description:
  - The command's exit code.
  returned: always
  type: int
  sample: 0
command:
  description:
  - The command's words.
  returned: always
  type: list
  elements: str
job:
  description:
  - The name by which M(naru.openstack.job) waits for it.
  returned: when wait is false
  type: str
  sample: host-drain-1b2c3d4e5f60
"""

from ansible_collections.naru.openstack.plugins.module_utils.naru import Action, main

OPTIONS = {
    "volume": {"type": "str"},
    "cloud": {"type": "str"},
    "backends": {"type": "path"},
    "location": {"type": "str"},
    "since": {"type": "str"},
    "point": {"type": "str"},
    "proof": {"type": "path"},
    "rate": {"type": "str"},
    "source": {"type": "str"},
    "target": {"type": "str"},
    "job": {"type": "str"},
    "grow": {"type": "bool"},
    "changed": {"type": "bool"},
}

ACTIONS = {
    "where": Action("volume where", "read", arguments=["volume"], options=["cloud", "backends"], needed=["volume"]),
    "points": Action("volume points", "read", arguments=["location"], needed=["location"]),
    "diff": Action("volume diff", "read", arguments=["location"], options=["since", "point"], needed=["location"]),
    "check": Action(
        "volume check", "read", arguments=["location", "proof"], options=["point", "rate"], needed=["location", "proof"]
    ),
    "copy": Action(
        "volume copy",
        "act",
        arguments=["source", "target"],
        options=["rate", "work", "job", "grow"],
        needed=["source", "target"],
    ),
    "verify": Action(
        "volume verify",
        "read",
        arguments=["source", "target"],
        options=["rate", "work", "point", "changed"],
        needed=["source", "target"],
    ),
    "repair": Action(
        "volume verify --repair",
        "act",
        arguments=["source", "target"],
        options=["rate", "work", "point", "changed", "proof"],
        needed=["source", "target"],
    ),
    "clone": Action(
        "volume clone",
        "act",
        arguments=["source", "target"],
        options=["job"],
        needed=["source", "target"],
        preview=(["volume", "clone", "--check"], ["source", "target"], ["job", "undo"]),
    ),
    "flatten": Action(
        "volume flatten", "act", arguments=["source", "target"], options=["job"], needed=["source", "target"]
    ),
    "clean": Action("volume clean", "act", arguments=["location"], options=["job"], needed=["location"]),
}

if __name__ == "__main__":
    main(ACTIONS, OPTIONS)
