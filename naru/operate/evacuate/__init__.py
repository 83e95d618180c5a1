"""The servers of a host that has failed, brought up on others: never before that host is proved off."""
