"""Plans: steps as data, their journal, the executor, rollback and timings.

This room knows no OpenStack. Of the other rooms it imports `errors`, `messages`, `text`, `files` and `yamlfile`. Used
from outside are:

`model` (Step, Plan), `kinds` (the `step` decorator), `journal` (Journal), `queries` (what a journal says), `executor`
(Executor), `control` (the operator's verbs), `rollback`, `timings`, `status`, `workers` (needs the extra `workers`).
The tables, `schema`, are this room's own.
"""
