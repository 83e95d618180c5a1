"""Compute hosts added to a cloud by its own kolla-ansible, and kept out of scheduling until they are proved; OSDs added
to its Ceph (`osd`). Playbooks of both are run by `runner`."""
