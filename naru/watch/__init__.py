"""The errors of a whole cloud: log records grouped by the statement that printed them, joined by request.

`phases` has the verbs. Statements come from the deployed code (`statements`, `scripts/extract.py`), records from lines
(`formats`, `records`, `tracebacks`), a record's statement from its text (`match`), its group from that (`group`). Files
are followed (`follow`) into one database (`store`), from which a request is read again (`request`).
"""
