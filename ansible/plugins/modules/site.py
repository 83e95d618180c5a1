#!/usr/bin/python
# Copyright: The Naru developers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
# Made of modules.yaml and of the commands' own help: make docs
"""Prove what a site says of hosts and services."""

from __future__ import annotations

DOCUMENTATION = r"""
module: site
short_description: Prove what a site says of hosts and services
version_added: 0.1.0
description:
- Proves site.yaml line by line, or shows its hosts.
- Each action is a command of Naru, which does all of it.
author:
- The Naru developers (@naru-openstack)
extends_documentation_fragment:
- naru.openstack.naru
options:
  action:
    description:
    - What is done.
    - V(check) is C(naru site check). Prove what a site says, line by line, and list what is not so. Nothing
      is changed anywhere.
    - 'V(show) is C(naru site show). List a site''s hosts: address, rack, groups, the services on it,
      power controller.'
    type: str
    choices:
    - check
    - show
    default: check
  site:
    description:
    - The site (site.yaml).
    type: path
  next:
    description:
    - The site as it will be, with what stands under next:.
    type: bool
  hosts:
    description:
    - Groups, hosts or ranges of hosts; without, all. Of V(show).
    type: list
    elements: str
"""

EXAMPLES = r"""
- name: Every host is reached, every service and database found
  naru.openstack.site:
    site: /etc/naru/site.yaml
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
"""

from ansible_collections.naru.openstack.plugins.module_utils.naru import Action, main

OPTIONS = {"site": {"type": "path"}, "next": {"type": "bool"}, "hosts": {"type": "list", "elements": "str"}}

ACTIONS = {
    "check": Action("site check", "read", options=["site", "next"]),
    "show": Action("site show", "read", arguments=["hosts"], options=["site", "next"]),
}

if __name__ == "__main__":
    main(ACTIONS, OPTIONS, default="check")
