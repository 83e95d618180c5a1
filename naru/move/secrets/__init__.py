"""Secrets and containers of Barbican, moved from cloud to cloud with the credentials of a user who may read them.

What a secret holds goes through the memory of this process and nowhere else: not to a disk, a log, the journal, a
command line. `record.py` says what the journal keeps, `people.py` as whom both clouds are asked, `barbican.py` what is
asked of them, `carry.py` how one thing is moved and found again, `run.py` the command, `used.py` who names a secret by
its old reference.
"""
