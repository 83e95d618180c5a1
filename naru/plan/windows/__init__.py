"""Units of a plan in time windows: which go together, in which waves, and which gates are opened when.

A unit (a project, a host, a region) goes through three phases: it is prepared, together with all others and ahead of
time; it goes through its window, behind a gate of its own; and it is finished, behind another. A capability says
what the units and phases are called, what units need of one another, and how far each is.

`vocabulary` (the capability's words), `phases` (the three phases, how far a unit is), `needs` (graph), `waves` (units
into waves), `schedule` (the file with the waves' times), `conductor` (what is due), `run` (a schedule that is run).
"""
