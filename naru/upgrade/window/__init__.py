"""The steps of the window, and what they need: services that stop and start, hops of databases, other controllers."""
