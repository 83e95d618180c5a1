# ruff: noqa: UP003, UP004, C402
"""Not a test by itself: one list of operations, run by test_ceph.py under many Pythons, 2.7 to the newest, and with the
official binding, whose results must be the same.

    python test_ceph_operations.py CONF USER NAME

works on images that begin with NAME and prints a JSON list of [what, result].
"""

import json
import sys

MIB = 1 << 20


def plain(value):
    """`value` with its types spelled out, equal on Python 2 and 3."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, dict):
        return dict((key, plain(item)) for key, item in value.items())
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, tuple):
        return {"tuple": [plain(item) for item in value]}
    if isinstance(value, bytes):
        short = value if len(value) <= 64 else value[:8] + b"..." + value[-8:]
        return {"bytes": short.decode("latin-1"), "length": len(value)}
    if isinstance(value, type("")) or type(value).__name__ == "unicode":
        return {"text": value}
    if type(value).__name__ in ("int", "long", "float"):
        return value
    return {"type": type(value).__name__}


class Record(object):
    def __init__(self):
        self.results = []

    def __call__(self, what, call, *arguments, **keywords):
        """Notes what a call returns or raises."""
        only = keywords.pop("only", None)
        try:
            value = call(*arguments, **keywords)
            if hasattr(value, "__next__") or hasattr(value, "next") or "Iterator" in type(value).__name__:
                value = list(value)
            if only:
                value = [
                    dict((key, item[key]) for key in only) for item in (value if isinstance(value, list) else [value])
                ]
            value = plain(value)
        except Exception as error:  # noqa: BLE001 - what is raised is a result
            value = {"raises": type(error).__name__, "errno": getattr(error, "errno", None)}
        self.results.append([what, value])


def cluster_operations(record, rados, cluster):
    record("fsid", lambda: len(cluster.get_fsid()))
    record("pools", lambda: sorted(cluster.list_pools()))
    record("exists", cluster.pool_exists, "volumes")
    record("exists not", cluster.pool_exists, "none")
    record("lookup", cluster.pool_lookup, "volumes")
    record("lookup none", cluster.pool_lookup, "none")
    record("reverse", cluster.pool_reverse_lookup, cluster.pool_lookup("volumes"))
    record("stats", lambda: sorted(cluster.get_cluster_stats()) == ["kb", "kb_avail", "kb_used", "num_objects"])
    record("conf_get", cluster.conf_get, "auth_client_required")
    record("conf_get none", cluster.conf_get, "no_such_option")
    record("conf_set", cluster.conf_set, "rbd_default_order", "22")
    record("conf_set none", cluster.conf_set, "no_such_option", "1")
    record("argv", cluster.conf_parse_argv, ["a", "--debug-ms", "0", "b"])
    record("instance", lambda: cluster.get_instance_id() > 0)
    record("no pool", cluster.open_ioctx, "none")
    record("bad type", cluster.open_ioctx, 5)
    record("bad mon_command", lambda: cluster.mon_command('{"prefix": "nonsense"}', b"")[0])
    ret, out, status = cluster.mon_command('{"prefix": "df", "format": "json"}', b"")
    record("mon_command", lambda: (ret, type(out) is bytes, type(status).__name__ in ("str", "unicode")))
    record("df", lambda: "pools" in json.loads(out.decode()))
    record("target", lambda: cluster.mon_command('{"prefix": "version"}', b"", timeout=5, target="a")[0])
    record("error base", lambda: issubclass(rados.ObjectNotFound, rados.Error))
    record("message", lambda: str(rados.ObjectNotFound("x", errno=2)) == "[errno 2] RADOS object not found (x)")
    record("twice", cluster.connect)


def object_operations(record, rados, ioctx, name):
    record("write", ioctx.write, name, b"hello world")
    record("write at", ioctx.write, name, b"HELLO", 6)
    record("read", ioctx.read, name)
    record("read part", ioctx.read, name, 3, offset=2)
    record("write_full", ioctx.write_full, name, b"\0\1\2")
    record("stat", lambda: ioctx.stat(name)[0])
    record("stat none", ioctx.stat, name + "-none")
    record("trunc", ioctx.trunc, name, 1)
    record("names", lambda: name in [item.key for item in ioctx.list_objects()])
    thing = rados.Object(ioctx, name)
    record("object read", thing.read)
    record("object write", thing.write, b"more")
    record("object seek", thing.seek, 0)
    record("object read again", thing.read)
    record("object remove", thing.remove)
    record("object removed", thing.read)
    record("remove none", ioctx.remove_object, name)
    record("pool", lambda: (ioctx.get_pool_name(), ioctx.name, ioctx.get_pool_id() > 0))
    record("pool stats", lambda: (len(ioctx.get_stats()), ioctx.get_stats()["num_objects"] >= 0))


def image_operations(record, rbd, ioctx, name):
    r = rbd.RBD()
    every = 61
    record("create", r.create, ioctx, name, 16 * MIB, order=22, old_format=False, features=every)
    record("create twice", r.create, ioctx, name, 16 * MIB)
    record("create old", r.create, ioctx, name + "-old", MIB, old_format=True, features=every)
    record("create bytes", r.create, ioctx, (name + "-b").encode(), MIB, features=rbd.RBD_FEATURE_LAYERING)
    record("rename", r.rename, ioctx, name + "-b", name + "-c")
    record("list", lambda: sorted(found for found in r.list(ioctx) if found.startswith(name)) == [name, name + "-c"])
    record("list2", lambda: sorted(next(iter(r.list2(ioctx)))) == ["id", "name"])
    record("open none", rbd.Image, ioctx, name + "-none")
    record("open none at", rbd.Image, ioctx, name, "none")
    record("open nothing", rbd.Image, ioctx)
    record("features text", r.features_to_string, every)
    record("features number", r.features_from_string, "layering,exclusive-lock")
    record("mirror mode", r.mirror_mode_get, ioctx)
    record("namespace", r.namespace_exists, ioctx, "none")
    record("namespaces", r.namespace_list, ioctx)
    with rbd.Image(ioctx, name=name, snapshot=None, read_only=False) as image:
        record("stat", image.stat, only=["size", "obj_size", "num_objs", "order", "parent_pool", "parent_name"])
        stat = image.stat()
        record("prefix", lambda: image.block_name_prefix() == stat["block_name_prefix"])
        record("id", lambda: image.id() in image.block_name_prefix())
        record("name", image.get_name)
        record("size", image.size)
        record("features", image.features)
        record("op_features", image.op_features)
        record("flags", image.flags)
        record("old", image.old_format)
        record("data pool", lambda: image.data_pool_id() == ioctx.get_pool_id())
        record("stripe", lambda: (image.stripe_unit(), image.stripe_count()))
        record("created", image.create_timestamp)
        record("parent none", image.parent_info)
        record("parent id none", image.parent_id)
        record("overlap", image.overlap)
        record("write", image.write, b"a" * 8192, 4096)
        record("write text", image.write, b"a".decode(), 0)
        record("write beyond", image.write, b"a", 16 * MIB)
        record("write over the end", image.write, b"abc", 16 * MIB - 1)
        record("read", image.read, 0, 16384)
        record("read beyond", image.read, 16 * MIB, 10)
        record("read over the end", image.read, 16 * MIB - 2, 10)
        record("discard", image.discard, 4096, 4096)
        record("write zeroes", image.write_zeroes, 8192, 10)
        record("flush", image.flush)
        record("read zeroes", image.read, 4096, 64)
        record("owner", image.is_exclusive_lock_owner)
        record("owners", lambda: [sorted(owner) == ["mode", "owner"] for owner in image.lock_get_owners()])
        record("watchers", lambda: [sorted(item) == ["addr", "cookie", "id"] for item in image.watchers_list()])
        record("metadata set", image.metadata_set, "key", b"v\xc3\xa4lue".decode("utf-8"))
        record("metadata get", image.metadata_get, "key")
        record("metadata none", image.metadata_get, "none")
        record("metadata list", image.metadata_list)
        record("metadata remove", image.metadata_remove, "key")
        record("metadata remove none", image.metadata_remove, "key")
        record("config set", image.config_set, "rbd_qos_iops_limit", "100")
        record("config get", image.config_get, "rbd_qos_iops_limit")
        record(
            "config list",
            lambda: [item for item in image.config_list() if item["name"] == "rbd_qos_iops_limit"],
        )
        record("config remove", image.config_remove, "rbd_qos_iops_limit")
        record("config remove none", image.config_remove, "rbd_qos_iops_limit")
        record("resize", image.resize, 32 * MIB)
        record("resized", image.size)
        record("lock", image.lock_exclusive, "cookie")
        record("lock twice", image.lock_exclusive, "cookie")
        record("lockers", lambda: [image.list_lockers()[key] for key in ("tag", "exclusive")])
        record("locker", lambda: [len(locker) for locker in image.list_lockers()["lockers"]])
        record("unlock", image.unlock, "cookie")
        record("disable", image.update_features, rbd.RBD_FEATURE_FAST_DIFF | rbd.RBD_FEATURE_OBJECT_MAP, False)
        record("disabled", image.features)
        record("enable", image.update_features, rbd.RBD_FEATURE_OBJECT_MAP | rbd.RBD_FEATURE_FAST_DIFF, True)
        record("enable twice", image.update_features, rbd.RBD_FEATURE_FAST_DIFF, True)
        record("rebuild", image.rebuild_object_map)
        record("mirror off", image.mirror_image_get_info, only=["state", "primary"])
        record("mirror enable", image.mirror_image_enable)
        record("mirror disable", image.mirror_image_disable, False)
        record("busy", r.remove, ioctx, name + "-none")
    record("closed", image.size)
    record("close twice", image.close)
    with rbd.Image(ioctx, name, read_only=True) as image:
        record("read only", image.write, b"x", 0)
        number = image.id()
    with rbd.Image(ioctx, image_id=number) as image:
        record("by id", image.size)


def snapshot_operations(record, rbd, ioctx, name):
    r = rbd.RBD()
    child = name + "-child"
    seen = []
    with rbd.Image(ioctx, name) as image:
        record("snap", image.create_snap, "s1")
        record("snap twice", image.create_snap, "s1")
        record("exists", image.snap_exists, "s1")
        record("exists not", image.snap_exists, "none")
        image.write(b"b" * 100, 8 * MIB)
        image.discard(4096, 4096)
        record("snap 2", image.create_snap, "s2")
        record("snaps", image.list_snaps, only=["name", "size", "namespace"])
        record("snap keys", lambda: sorted(next(iter(image.list_snaps()))) == ["id", "name", "namespace", "size"])
        record("snap id", lambda: image.snap_get_name(image.snap_get_id("s1")))
        record("snap id none", image.snap_get_id, "none")
        record("snap stamp", lambda: image.get_snap_timestamp(image.snap_get_id("s1")))

        def diff(*arguments, **keywords):
            del seen[:]
            image.diff_iterate(*arguments, iterate_cb=lambda *extent: seen.append(list(extent)), **keywords)
            return list(seen)

        def refuse(offset, length, exists):
            raise ValueError("refused")

        record("diff all", diff, 0, image.size(), None)
        record("diff since", diff, 0, image.size(), "s1", include_parent=True, whole_object=False)
        record("diff whole", diff, 0, image.size(), "s1", whole_object=True)
        record("diff none", diff, 0, image.size(), "none")
        record("diff raises", image.diff_iterate, 0, image.size(), None, refuse)
        record("diff ends", image.diff_iterate, 0, image.size(), None, lambda *extent: -5)
        record("protected", image.is_protected_snap, "s1")
        record("clone unprotected", r.clone, ioctx, name, "s1", ioctx, child, every_layering(rbd))
        record("protect", image.protect_snap, "s1")
        record("protect twice", image.protect_snap, "s1")
        record("protected now", image.is_protected_snap, "s1")
        record("clone", r.clone, ioctx, name, "s1", ioctx, child, features=every_layering(rbd), order=None)
        record("unprotect busy", image.unprotect_snap, "s1")
        record("remove busy", image.remove_snap, "s1")
        record("set", image.set_snap, "s1")
        record("children", image.list_children)
        record("children2", image.list_children2, only=["pool", "image", "trash", "pool_namespace"])
        record("descendants", image.list_descendants, only=["image"])
        record("write snap", image.write, b"x", 0)
        record("unset", image.set_snap, None)
        record("set none", image.set_snap, "none")
        record("rename", image.rename_snap, "s2", "s3")
        record("rollback", image.rollback_to_snap, "s3")
        record("rollback none", image.rollback_to_snap, "s2")
    with rbd.Image(ioctx, name, snapshot="s1", read_only=True) as image:
        record("at snap", image.read, 4096, 16)
        record("copy", image.copy, ioctx, name + "-copy")
        record("copy twice", image.copy, ioctx, name + "-copy")
    record("remove has snaps", r.remove, ioctx, name)
    with rbd.Image(ioctx, name) as image:
        record("deep copy", image.deep_copy, ioctx, name + "-deep", features=every_layering(rbd))
    with rbd.Image(ioctx, name + "-deep") as image:
        record("deep snaps", lambda: [snap["name"] for snap in image.list_snaps()])
        if image.is_protected_snap("s1"):
            image.unprotect_snap("s1")
        for snap in ("s1", "s3"):
            record("deep remove", image.remove_snap, snap)
        record("remove snap none", image.remove_snap, "s1")
        record("remove busy image", r.remove, ioctx, name + "-deep")
    with rbd.Image(ioctx, child) as image:
        record("parent", image.parent_info)
        record("parent id", lambda: len(image.parent_id()) > 3)
        record("parent spec", image.get_parent_image_spec)
        record("child overlap", image.overlap)
        record("child read", image.read, 8192, 16)
        record("child diff", lambda: diff_of(image, True))
        record("child diff own", lambda: diff_of(image, False))
        record("flatten", image.flatten, on_progress=lambda done, total: 0)
        record("flatten twice", image.flatten)
        record("parent gone", image.parent_info)
    progress = []
    record("remove child", r.remove, ioctx, child, on_progress=lambda done, total: progress.append(total) or 0)
    record("progress", lambda: bool(progress))
    with rbd.Image(ioctx, name) as image:
        record("unprotect", image.unprotect_snap, "s1")
        record("unprotect twice", image.unprotect_snap, "s1")
        record("remove snap2", image.remove_snap2, "s1", 0)
        record("remove snap", image.remove_snap, "s3")


def every_layering(rbd):
    return rbd.RBD_FEATURE_LAYERING | rbd.RBD_FEATURE_EXCLUSIVE_LOCK


def diff_of(image, include_parent):
    seen = []
    image.diff_iterate(0, image.size(), None, lambda *extent: seen.append(list(extent)), include_parent=include_parent)
    return seen


def trash_operations(record, rbd, ioctx, name):
    r = rbd.RBD()
    r.create(ioctx, name + "-t", MIB)
    with rbd.Image(ioctx, name + "-t") as image:
        number = image.id()
    record("move", r.trash_move, ioctx, name + "-t", 3600)
    record("move none", r.trash_move, ioctx, name + "-t")
    mine = lambda: [entry for entry in r.trash_list(ioctx) if entry["id"] == number]  # noqa: E731
    record("trash", mine, only=["name", "deletion_time"])
    record("source", lambda: mine()[0]["source"] == "USER")
    record("trash keys", lambda: len(mine()[0]))
    record("get", lambda: r.trash_get(ioctx, number)["name"])
    record("early", r.trash_remove, ioctx, number)
    record("restore", r.trash_restore, ioctx, number, name + "-u")
    record("move again", r.trash_move, ioctx, name + "-u", delay=0)
    record("remove", r.trash_remove, ioctx, number, force=True)
    record("remove none", r.trash_remove, ioctx, number)
    for suffix in ("", "-c", "-copy", "-deep"):
        record("clean", r.remove, ioctx, name + suffix)
    record("clean none", r.remove, ioctx, name)


def main():
    import rados
    import rbd

    conf, user, name = sys.argv[1:]
    record = Record()
    record("no conf", rados.Rados, conffile="/nonexistent/ceph.conf")
    record("two names", rados.Rados, rados_id="a", name="client.a")
    with rados.Rados(rados_id=user, clustername="ceph", conffile=conf, conf={"rados_osd_op_timeout": "30"}) as cluster:
        cluster_operations(record, rados, cluster)
        with cluster.open_ioctx("volumes") as ioctx:
            object_operations(record, rados, ioctx, name + "-object")
            image_operations(record, rbd, ioctx, name)
            snapshot_operations(record, rbd, ioctx, name)
            trash_operations(record, rbd, ioctx, name)
        record("closed pool", ioctx.read, "x")
    record("shut down", cluster.list_pools)
    json.dump(record.results, sys.stdout)


if __name__ == "__main__":
    main()
