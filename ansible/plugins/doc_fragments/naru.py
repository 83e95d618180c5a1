# Copyright: The Naru developers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Options that all modules have."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  naru:
    description:
      - The program. Without a C(/) it is looked for on the path, and beside the Python that runs the module.
    type: path
    default: naru
  chdir:
    description:
      - The directory from which paths are read, and the command is run.
    type: path
notes:
  - Run it on the machine where Naru is installed and has its work directories, such as one operator's host.
  - Which clouds there are is in C(clouds.yaml). Its file, and what else Naru reads from its environment, are given with
    the task's C(environment). No option holds a secret, and none comes into a command line.
  - "Naru's exit codes are C(outcome): C(done), C(failed), C(bad input), C(paused) (also held or cancelled),
    C(interrupted). All but C(done) fail the task, unless the action only tells."
"""
    WORK = r"""
options:
  work:
    description:
      - The work directory of the change. Without, E(NARU_WORK).
    type: path
"""
    WAIT = r"""
options:
  wait:
    description:
      - Whether the task waits for the command's end. When V(false) it is begun and goes on by itself, and
        M(naru.openstack.job) waits for it. Given again while it runs, it is not begun twice.
      - In check mode there is nothing to wait for.
    type: bool
    default: true
"""
