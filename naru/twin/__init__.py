"""Clouds to try things on at a site's size: real services, and in the place of its hosts fake ones that make the calls
which real ones make.

`twin`     a site's control plane from a copy of its databases, brought up and taken away: `dump`, `restore`, `clean`
           (by the `rules` of what may not stay), `logins`, on a `cloud` with the site's hosts
`agents`   fake network agents, of a twin or of any cloud of the lab (`fill` gives them ports there)
`mix`      what a site's users ask for; `replay` asks a twin for it
"""
