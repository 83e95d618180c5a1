"""A project from one OpenStack to another: the first capability.

- What is known and decided: `facts` (both clouds), `reading`, `mapping` and `mapfile` (the map), `decisions`.
- Planning: `planner`, `rules` (in their order), `draft`, `kind` and `kinds` (what becomes of each kind of thing),
  `marks`, `acting`, `dependencies`, `purposes` (what steps are for), `downtime`.
- The window and after it: `cutover`, `rollback`, `back` (what a rollback loses), `hold`.
- The step kinds that carry content: `steps`; `copies` (where they keep what they know), `sync` (ahead of the window).
- The phases as an operator calls them: `phases`, with `gates`, `work` (the directory), `progress`, `waves`, `windows`.
- What came of it: `verify`, `verified`, `check`, `result`, `outcome`, `pages`, `handover`.
"""

FORMER_MODULES = {"storage": "steps", "content": "steps"}
"""What the modules are called now that plans made before may name: see `naru.plan.kinds.load`."""
