"""Object storage: a Swift account carried to another one, from cloud to cloud, with all that it has.

`wire`     requests to one account, as thin as they can be; what fails for a while is asked again
`where`    which account a user means, and the way to it
`listing`  containers and objects in the order of their names, page after page
`headers`  which headers of an object, a container and an account are carried
`mapping`  access lists and storage policies as the new cloud has them
`engine/`  passes, what they remember, and verification

A module imports those above it here, never one below. Of other rooms it uses `cloud` for identities, and how an
operation is stopped and slowed down from `volumes`. Nothing here knows moves or plans.
"""
