"""Step kinds that any tenant uses, and what a planner has to know of them: the requests that their steps are made with.

`arguments`   values that are not known yet: results of other steps, secrets
`request`     the base of the typed requests, and the parts that they share
`clouds`      the clouds that steps talk to, and how they look, wait and delete there
`create`      things made by POST and found again; their deletion
`call`        requests that may be repeated, requests that undo them, requests that cannot be rolled back
`power`       servers switched on and off
`image`       the data of an image, from one cloud into another

A request is checked when a plan is made. What decides that something is to be done is a tenant's.
"""
