"""What is in the way of an upgrade: rows, settings, programs, hosts; nothing is changed."""
