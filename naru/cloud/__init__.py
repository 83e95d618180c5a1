"""One OpenStack cloud of any release, through its APIs.

`config`     clouds.yaml: found, read, checked
`client`     the services of a cloud, asked in versions that it has; lists, page by page; errors
`transport`  connections, time-outs, and which requests are repeated
"""
