# ruff: noqa: B010, B904, PTH118, PTH123, RUF005, UP004, UP010
"""Not a test by itself: Cinder's own RBD driver and os-brick's connector, driven as cinder-volume does it. test_ceph.py
runs it in the virtual environments of releases, with `naru/lab/inside` on PYTHONPATH.

    python ceph_driver.py CONF DIRECTORY

prints a JSON object of what it found; DIRECTORY is for Cinder's own files. os-brick knows no CONF: it wants the keyring
in /etc/ceph.
"""

from __future__ import print_function

import json
import os
import shutil
import sys
import uuid

try:
    import eventlet

    eventlet.monkey_patch()
except ImportError:
    pass  # releases that have given it up

import rbd
from cinder import context  # noqa: F401 - registers the options that the driver reads
from cinder.image import image_utils
from cinder.volume import configuration, driver
from cinder.volume.drivers import rbd as drivers
from os_brick.initiator import connector
from oslo_concurrency import processutils
from oslo_config import cfg

MIB = 1 << 20


class Thing(dict):
    """A volume or snapshot as the driver knows them over the years: attributes and items alike."""

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name)

    def __setattr__(self, name, value):
        self[name] = value

    def __hash__(self):
        return hash(self["id"])

    def save(self):
        pass


def volume(size=1, **more):
    number = str(uuid.uuid4())
    nothing = ("encryption_key_id", "volume_type", "volume_type_id", "migration_status", "group_id", "qos_specs")
    made = Thing(dict.fromkeys(nothing + ("provider_location", "snapshot_id", "source_volid")))
    made.update(id=number, name="volume-" + number, name_id=number, size=size, host="h@ceph#ceph", status="available")
    made.update(metadata={}, admin_metadata={}, multiattach=False, previous_status="available", use_quota=True)
    made.update(is_encrypted=lambda: False)
    made.update(more)
    return made


def snapshot(of):
    number = str(uuid.uuid4())
    return Thing(
        id=number, name="snapshot-" + number, volume=of, volume_id=of.id, volume_name=of.name, volume_size=of.size
    )


class Images(object):
    """Glance, with one raw image."""

    def show(self, *_):
        return {"disk_format": "raw", "container_format": "bare", "id": "image", "size": 4 * MIB}


def make_driver(conf, directory):
    options = cfg.CONF
    options([], project="cinder", default_config_files=[])
    options.set_override("state_path", directory)
    options.set_override("image_conversion_dir", directory)
    options.set_override("lock_path", directory, "oslo_concurrency")
    if "coordination" in options:
        options.set_override("backend_url", "file://" + directory, "coordination")
    backend = configuration.Configuration(driver.volume_opts, config_group="ceph")
    backend.append_config_values(drivers.RBD_OPTS)
    values = {
        "rbd_pool": "volumes",
        "rbd_user": "cinder",
        "rbd_ceph_conf": conf,
        "rados_connect_timeout": 10,
        "rbd_secret_uuid": str(uuid.uuid4()),
        "rbd_max_clone_depth": 2,
        "volume_backend_name": "ceph",
    }
    for name, value in values.items():
        options.set_override(name, value, "ceph")
    made = drivers.RBDDriver(configuration=backend, execute=processutils.execute)
    made.do_setup(None)
    made.check_for_setup_error()
    made.set_initialized()
    return made


def main():
    conf, directory = sys.argv[1:]
    found = {"binding": rbd.__file__, "python": sys.version.split()[0]}
    made = make_driver(conf, directory)

    def read(of, offset, length):
        with drivers.RBDVolumeProxy(made, of.name, read_only=True) as image:
            return image.read(offset, length).decode()

    found["free"] = made.get_volume_stats(True)["free_capacity_gb"]
    first = volume()
    made.create_volume(first)
    with drivers.RBDVolumeProxy(made, first.name) as image:
        image.write(b"hello" * 1000, 4096)
        found["size"] = image.size() // MIB
    kept = snapshot(first)
    made.create_snapshot(kept)

    restored = volume(snapshot_id=kept.id)
    made.create_volume_from_snapshot(restored, kept)
    made.extend_volume(restored, 3)
    with drivers.RBDVolumeProxy(made, restored.name) as image:
        found["extended"] = image.size() // MIB
    clones = [first]
    for _ in range(3):  # deeper than rbd_max_clone_depth: one of them is flattened
        clones.append(volume(size=2, source_volid=clones[-1].id))
        made.create_cloned_volume(clones[-1], clones[-2])
    found["cloned"] = read(clones[-1], 4096, 5)

    raw = os.path.join(directory, "image")
    with open(raw, "wb") as output:
        output.write(b"i" * 4 * MIB)
    setattr(image_utils, "fetch_to_raw", lambda _, service, number, path, *__, **___: shutil.copy(raw, path))
    imaged = volume()
    made.create_volume(imaged)
    made.copy_image_to_volume(None, imaged, Images(), "image")
    found["image"] = read(imaged, 0, 3)

    data = made.initialize_connection(first, {})["data"]
    found["monitors"] = len(data["hosts"]), len(data["ports"])
    brick = connector.InitiatorConnector.factory("RBD", None)
    attached = brick.connect_volume(data)
    attached["path"].seek(4096)
    found["attached"] = attached["path"].read(5).decode()
    brick.disconnect_volume(data, attached)

    for gone in [imaged] + clones[:0:-1] + [restored]:
        made.delete_volume(gone)
    made.delete_snapshot(kept)
    made.delete_volume(first)
    with drivers.RADOSClient(made) as client:
        names = rbd.RBD().list(client.ioctx)
    found["left"] = [name for name in names if not name.endswith(".deleted")]
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
