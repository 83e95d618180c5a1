"""Many compute hosts drained, maintained by a command and given back, wave by wave: what an operator does in order is
in `phases`.

`world`     which host can be empty when: the cloud on paper, and the waves that are proposed
`upkeep`    step kinds: what a host was before its command, and the proof that it is back
`acts`      step kinds: its command and its boot, begun only while it is still empty and disabled
`quiet`     a step kind: nothing of its command goes on on a host that is left behind
`planner`   the plan of one wave
`standing`  how far each host is, by the journals of the waves
`work`      the work directory
"""
