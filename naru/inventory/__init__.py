"""What a cloud owns, as typed rows: read, kept, compared.

`kinds`          the kinds of things, how each is listed, what its fields refer to
`rows`           one thing as it was read
`read`           the lists of a whole cloud, or of some projects, in bulk
`cloud_reading`  a cloud read into an archive
`user_quotas`    Nova's quotas of single users
`security_group_rules`  which two rules Neutron takes for one
`capacity`       whether a host has room for a flavor
`database`       key pairs, out of Nova's database where its API does not have them
`archive`        readings in one file, found again by id or name
`compare`        the differences between two readings
"""
