"""A cloud in daily operation: its hosts, and the tenants that are declared in files. See docs/reference/layout.md."""
