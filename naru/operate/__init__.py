"""A cloud in daily operation: its hosts, and the tenants that files declare."""
