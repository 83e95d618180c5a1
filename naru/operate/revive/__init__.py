"""A hung server brought up elsewhere, with its addresses, from the latest snapshot of its volume or its latest image.

`reading`  what is asked of the cloud
`planner`  what is in the way, and the plan
`steps`    the step kinds: the hung one proved to be off, ports and volumes handed over, the new one proved
"""
