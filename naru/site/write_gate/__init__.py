"""The write gate: at the load balancer, reading goes on and writing is refused, service by service.

HAProxy asks a map of its own at each request, which is changed while it runs; so nothing is reloaded, and what is kept
alive is asked as well. The rules are in its configuration from before, put there by whoever writes that (`rules`).
"""
