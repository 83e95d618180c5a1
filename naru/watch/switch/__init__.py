"""Notifications of a site's services switched on, and off again, as a plan.

`reading`   the files of services' configuration on their hosts, and what each is to say
`ini`       what a file says, and what it is made to say
`planner`   files put in place and services started anew, host after host; on the way back the former files
`work`      the work directory
`phases`    the verbs: plan, on, off
"""
