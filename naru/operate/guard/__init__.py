"""The guard: decides whether a compute host is dead, by evidence of several kinds, and what may be done about it.

A decision is a function of what is known (`evidence`), of rules in one ordered list (`gates`), and of the operator's
`policy`; it is kept with all of that (`records`), so that it can be made once more at any time.
"""
