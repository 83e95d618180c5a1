"""Clouds to rehearse on at a site's size: real services, and in the place of its hosts fake agents that make the calls
which real ones make."""
