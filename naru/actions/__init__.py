"""Step kinds that any capability uses, and the typed requests that planners make their steps with.

`arguments`   values that are not known yet: results of other steps, secrets
`request`     the base of the typed requests, and the parts that they share
`clouds`      the clouds that steps talk to, and how they look, wait and delete there
`create`      things made by POST and found again; their deletion
`call`        requests that may be repeated, requests that undo them, requests that cannot be rolled back
`power`       servers switched on and off
`image`       the data of an image, from one cloud into another

A request is checked when a plan is made. What is to be done is decided by a capability.
"""
