"""Plans: steps as data, their journal, the executor, rollback and timings.

This room knows no OpenStack and imports nothing of the other rooms. What is used from outside:

`model` (Step, Plan), `rules` (build a plan), `kinds` (the `step` decorator), `journal` (Journal), `executor`
(Executor), `control` (the operator's verbs), `rollback`, `timings`, `status`, `workers` (needs the extra `workers`).
"""
