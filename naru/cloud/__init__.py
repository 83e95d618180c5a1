"""One OpenStack cloud of any release: who asks, in which version, over how many connections."""
