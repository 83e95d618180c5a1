"""The errors of a whole cloud: log records grouped by the statement that printed them, joined by request.

`phases` has the verbs. Statements come from the deployed code (`statements`, `scripts/extract.py`), records from lines
(`formats`, `records`, `tracebacks`), a record's statement from its text (`match`), its group from that (`group`). Files
are followed (`follow`) into one database (`store`), from which a request is read again (`request`), by an index of the
identifiers in them (`blocks`).

`sources/`        what is read beside files: journals, OpenSearch, Loki, what shippers push
`notifications/`  what services send on the message queue; `switch/` has them send it
`change/`         what a deploy or an upgrade did
`alerts/`         who else is told
`pages/`          what is written for people
"""
