"""The errors of a whole cloud: log records grouped by the statement that printed them, joined by request.

`phases` has the verbs. Statements come from the deployed code (`statements`, `scripts/extract.py`), records from lines
(`formats`, `records`, `tracebacks`), a record's statement from its text (`match`), its group from that (`group`). Files
are followed (`follow`) into one database (`store`), from which a request is read again (`request`), by an index of the
identifiers in them (`blocks`).

What a deploy or an upgrade did is told from the code before and after it (`changes`, `code_sets`, `differences`);
groups go on under other names (`carried`). `pages` are what is written for people.

What services send on the message queue comes beside (`notifications/`, kept by `events`), once that is switched on in
a site (`switch/`, which changes their configuration by `ini`).

Others are told of groups (`telling`): what is new or comes back, with those of its request (`incidents`), within a
`budget`, is made into `alerts`, which are kept (`outbox`) and sent (`sender`) to `sinks`; `known` are bugs that others
know.
"""
