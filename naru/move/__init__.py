"""A project from one OpenStack to another: the first capability.

What is known of both clouds (`facts`), what the map decides (`mapping`, `mapfile`), what becomes of each kind of thing
(`kind`, `kinds`), the rules that make the plan of it (`rules`, `planner`, `draft`), the window (`cutover`), volume
content (`storage`, `content`, `sync`), rolling back (`rollback`, `back`), what came of it (`verify`,
`outcome`, `pages`).
"""
