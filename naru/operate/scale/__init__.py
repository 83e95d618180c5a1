"""Compute hosts added to a cloud by its own kolla-ansible, and kept out of scheduling until they are proved."""
