"""What works on any two volumes, whatever storages they are on.

`copy`      passes: the first one copies all, later ones what changed; killed at any instant they go on
`passes`    one such pass, over `pipe`: pieces read ahead in memory that is used again
`changes`   what changed on a source since a point
`points`    our points on a volume, and which of them a copy still needs
`state`     what a copy remembers between its passes; with `manifest`, what is known of its target's content
`verify`    both sides compared over the whole address space, and the repair of what differs
`checksum`  one side's digest alone, and a volume against records that were kept
`proof`     what verifications leave: the record of every block, and when it was compared
`clone`     no copy at all, where both sides are on one storage
"""
