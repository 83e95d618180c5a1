"""Others told of groups, once each: what is new, has come back or escalates.

`telling`    whoever is told, for as long as a watch runs
`incidents`  groups that came with one request, or about one server
`alerts`     what is to be told of, within a `budget`, else in a digest
`content`    what an alert says, as data and as a text
`known`      bugs that others know, by hotsos' files
`outbox`     alerts as they are kept, and what became of them at each sink
`sender`     sends what waits, again and again where a sink is away
`sinks`      where alerts go
"""
