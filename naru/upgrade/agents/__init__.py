"""Compute services and agents started, as many at a time as the cloud bears."""
