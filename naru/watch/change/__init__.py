"""What a change of the cloud (a deploy, a configuration, an upgrade) did to its errors.

`changes`      a change has begun, and has ended: what the code could print, and how often groups came, at both
`code_sets`    the statements that a package had
`differences`  what is new, gone, more or less since
`carried`      groups that go on under other names
"""
