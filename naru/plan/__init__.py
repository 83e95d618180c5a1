"""Plans: steps as data, their journal, the executor, rollback and timings.

This room knows no OpenStack and imports nothing of the other rooms but errors, texts and files. What is used from
outside:

`model` (Step, Plan), `kinds` (the `step` decorator), `journal` (Journal), `queries` (what a journal says), `executor`
(Executor), `control` (the operator's verbs), `rollback`, `timings`, `status`, `workers` (needs the extra `workers`).
The tables, `schema`, are this room's own.
"""
