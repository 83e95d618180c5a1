"""`naru lab seed`: a declared tenant in a lab's cloud, with data in its volumes and a manifest of their checksums.

`load` reads and checks a declaration (`model*`), `seeder` turns it into tasks, `work` runs them, a module for each
service (`identity`, `network`, `storage`, `compute`, `extras`) makes the things, `content` writes and reads volumes
behind Cinder's back, `remove` takes everything out again.
"""
