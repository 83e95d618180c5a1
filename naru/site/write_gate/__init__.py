"""The write gate: at the load balancer, reading goes on and writing is refused, service by service.

What goes through is the same at all of them (`rules`), in the form of each (`haproxy`, `nginx`, `apache`; `forms`),
which is in its configuration from before, put there by whoever writes that. HAProxy asks a map of its own at each
request, nginx and Apache look for a file; so what is kept alive is asked as well.
"""
