"""The step kinds of a move that carry content.

From storage to storage: `volume_content` (volumes, with the copies ahead of the window, clones and what ends them),
`points` (what begins a round of copies) and `snapshot_content`, of which `copying` is the common part, `locate` says
where the volumes are, and `rate` caps all together. Through the clouds' own services: `by_image` (volumes, and servers'
own disks) and `backup`.
Images that are no copies are made by `images`.

And those that carry none: `hook` runs the operator's hooks, `load_balancer` makes one with all that is in it.
"""

from naru.move.steps import backup, by_image, hook, images, load_balancer, points, snapshot_content, volume_content

__all__ = ["backup", "by_image", "hook", "images", "load_balancer", "points", "snapshot_content", "volume_content"]
