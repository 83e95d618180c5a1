"""Notifications that services send on the message queue, which become groups like records of logs.

`address`   where the message queue is, by a transport_url
`message`   a message's body to a notification, without secrets (`secrets`)
`failure`   the exception that a notification tells of, in the ways of all releases
`bus`       an own queue, bound to exchanges that are there, and nothing of anybody else touched
`listen`    notifications into the database as they come, each once
`events`    as they are kept, until those of failures are in a group
`grouping`  those that tell of a failure to groups; what was sent in both of Nova's formats is one
"""
