"""A project from one OpenStack to another: what is there on both sides (`facts`), what becomes of what (`mapping`)."""
