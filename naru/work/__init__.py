"""Work directories: one for each plan, with its journal, its rounds, and the other files of its capability.

`directory` (WorkDirectory, Rounds), `hooks` (an operator's programs at named moments), `keys` (the key that
passwords are derived from, which lies elsewhere), `rate` (the cap on what the plan's steps carry together).
"""
