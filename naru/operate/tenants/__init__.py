"""Declared tenants: what projects are to have is written in a file; the cloud is compared with it, and made so.

`model`, `file`   the file, and what it says once its classes are put in
`facts`           the rows of the cloud that it is about, with indexes
`names`           what a name in the file means: a thing of the cloud, or one that is to be made
`kind`, `kinds/`  what is to be known of kinds: fields, how each is made, changed, compared, written into a file
`draft`           the differences and the plan in the making
`planner`         the ordered list of rules
`export`          the file of what a cloud has
`phases`          what an operator does: diff, plan, apply, roll back, export
"""
