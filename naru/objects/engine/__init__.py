"""What works on any two accounts.

`state`       what a copy remembers between its passes: what was carried, and as what it was found
`workers`     many objects at a time within limits, one cap on all of them, and an end in order
`compared`    two listings and what was carried, gone through together
`transfer`    the bytes of one object from cloud to cloud
`carry`       one object made as it is on the source: found, compared, carried
`manifests`   what names other objects: static large objects, links
`containers`  a container and an account made as they are on the source
`copy`        a pass: everything once, later what changed
`verify`      both accounts compared
"""

PARALLEL = 16
"""Objects at a time, where no other number is given."""
