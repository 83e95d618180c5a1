"""Nova's in-tree fake driver, with what an operator's tool can see of a real one.

 * instances survive a restart of nova-compute (the fake driver forgets them, and stop or detach then fail);
 * an image-backed server has a real disk file, the image's content, and createImage uploads it
   (the fake driver leaves the new image queued for ever);
 * snapshots of attached volumes on NFS are made and merged and reported back to Cinder
   (with the fake driver they hang and block the volume);
 * a live migration takes as long, and comes to as good an end, as a file says (see _pace);
 * from 2023.1 on the node keeps the identity that the database has of it;
 * a node is called, and is as large, as the file node.json in the host's state says, if there is one.

From Pike to the newest release; on Python 2.7 and 3.
"""

import json
import os
import shutil
import subprocess
import time

import nova.conf
from nova import context as nova_context
from nova import exception, objects
from nova.compute import power_state, task_states
from nova.virt import fake
from nova.volume import cinder

try:
    from nova.image.glance import API as ImageAPI
except ImportError:  # up to about Ussuri
    from nova.image.api import API as ImageAPI

CONF = nova.conf.CONF

Base = getattr(fake, "FakeDriverWithoutFakeNodes", fake.FakeDriver)


def _node():
    """What is said of this host's node: node, vcpus, memory_mb, local_gb."""
    path = os.path.join(CONF.state_path, "node.json")
    if not os.path.exists(path):
        return {}
    with open(path) as told:
        return json.load(told)


class NaruDriver(Base):
    # the fake driver says so from Ussuri on, libvirt's since Newton
    capabilities = dict(Base.capabilities, supports_device_tagging=True)

    def __init__(self, virtapi, read_only=False):
        self._given = _node()
        for name in ("vcpus", "memory_mb", "local_gb"):
            setattr(self, name, self._given.get(name, getattr(Base, name)))
        super(NaruDriver, self).__init__(virtapi, read_only)
        self._images = ImageAPI()
        self._volumes = cinder.API()
        self._told = {}  # of live migrations by instance: "abort" or "complete"

    def init_host(self, host):
        super(NaruDriver, self).init_host(host)
        if "node" in self._given:
            self._nodes = [self._given["node"]]
        for instance in objects.InstanceList.get_by_host(nova_context.get_admin_context(), host):
            if instance.vm_state not in ("building", "error", "deleted", "shelved_offloaded"):
                self._remember(instance)

    # -- instances outlive the process

    def _remember(self, instance):
        if instance.uuid not in self.instances:
            state = instance.power_state
            state = power_state.RUNNING if state is None else state
            self.instances[instance.uuid] = fake.FakeInstance(instance.name, state, instance.uuid)

    def get_info(self, instance, *args, **kwargs):
        self._remember(instance)
        return super(NaruDriver, self).get_info(instance)

    def power_off(self, instance, *args, **kwargs):
        self._remember(instance)
        super(NaruDriver, self).power_off(instance)
        self.instances[instance.uuid].state = power_state.SHUTDOWN  # Pike's forgets it, and a move then switches it on

    def power_on(self, context, instance, *args, **kwargs):
        self._remember(instance)
        super(NaruDriver, self).power_on(context, instance, *args, **kwargs)
        self.instances[instance.uuid].state = power_state.RUNNING

    def detach_interface(self, context, instance, vif):
        self._interfaces.pop(vif["id"], None)

    # -- live migrations

    def _pace(self, instance):
        """Seconds that a live migration of it takes, and whether its memory changes as fast as it is copied: what the
        file UUID.migration beside the instances' directories says, as "20" or "20 stuck"."""
        try:
            with open(os.path.join(CONF.instances_path, instance.uuid + ".migration")) as told:
                words = told.read().split()
        except IOError:
            return 0.0, False
        return float(words[0]), "stuck" in words

    def live_migration(self, context, instance, dest, post_method, recover_method, block_migration, migrate_data):
        self._remember(instance)
        self._told.pop(instance.uuid, None)
        seconds, stuck = self._pace(instance)
        total, begun, migration = instance.memory_mb << 20, time.time(), migrate_data.migration
        while time.time() - begun < seconds and self._told.get(instance.uuid) != "complete":
            done = min(1.0, (time.time() - begun) / seconds)
            migration.memory_total, migration.memory_processed = total, int(total * done)
            migration.memory_remaining = total // 2 if stuck else total - int(total * done)
            migration.disk_total = migration.disk_processed = migration.disk_remaining = 0
            migration.save()
            if self._told.get(instance.uuid) == "abort":
                recover_method(context, instance, dest, migrate_data=migrate_data, migration_status="cancelled")
                return
            time.sleep(0.5)
        post_method(context, instance, dest, block_migration, migrate_data)

    def post_live_migration_at_destination(self, context, instance, *args, **kwargs):
        super(NaruDriver, self).post_live_migration_at_destination(context, instance, *args, **kwargs)
        self._remember(instance)
        self._fetch(context, instance)  # the content of a disk does not come along

    def finish_migration(self, context, migration, instance, *args, **kwargs):
        super(NaruDriver, self).finish_migration(context, migration, instance, *args, **kwargs)
        self._fetch(context, instance)

    def live_migration_abort(self, instance):
        self._told[instance.uuid] = "abort"

    def live_migration_force_complete(self, instance):
        self._told[instance.uuid] = "complete"

    # -- the node keeps its identity (2023.1 and newer)

    def get_nodenames_by_uuid(self, refresh=False):
        from nova.virt import node

        found = {}
        for name in self.get_available_nodes():
            try:
                record = objects.ComputeNode.get_by_host_and_nodename(nova_context.get_admin_context(), CONF.host, name)
                found[record.uuid] = name
            except exception.NotFound:
                found[node.get_local_node_uuid()] = name
        return found

    def get_available_resource(self, nodename):
        resources = super(NaruDriver, self).get_available_resource(nodename)
        if "uuid" in resources:
            for uuid, name in self.get_nodenames_by_uuid().items():
                if name == nodename:
                    resources["uuid"] = uuid
        return resources

    # -- the disk of an image-backed server

    def _disk(self, instance):
        return os.path.join(CONF.instances_path, instance.uuid, "disk")

    def spawn(self, context, instance, image_meta, *args, **kwargs):
        super(NaruDriver, self).spawn(context, instance, image_meta, *args, **kwargs)
        self._fetch(context, instance)

    def _fetch(self, context, instance):
        disk = self._disk(instance)
        if instance.image_ref and not os.path.exists(disk):  # empty for a server booted from a volume
            if not os.path.isdir(os.path.dirname(disk)):
                os.makedirs(os.path.dirname(disk))
            self._images.download(context, instance.image_ref, dest_path=disk)

    def destroy(self, context, instance, *args, **kwargs):
        self._remember(instance)
        super(NaruDriver, self).destroy(context, instance, *args, **kwargs)
        shutil.rmtree(os.path.dirname(self._disk(instance)), ignore_errors=True)

    def snapshot(self, context, instance, image_id, update_task_state):
        self._remember(instance)
        disk = self._disk(instance)
        if not os.path.exists(disk):
            raise exception.InstanceNotRunning(instance_id=instance.uuid)
        update_task_state(task_state=task_states.IMAGE_PENDING_UPLOAD)
        image = self._images.get(context, image_id)
        base = instance.image_meta
        metadata = {
            "name": image["name"],
            "disk_format": getattr(base, "disk_format", None) or "raw",
            "container_format": getattr(base, "container_format", None) or "bare",
            "visibility": "private",
            "properties": {"image_state": "available", "owner_id": instance.project_id},
        }
        update_task_state(task_state=task_states.IMAGE_UPLOADING, expected_state=task_states.IMAGE_PENDING_UPLOAD)
        with open(disk, "rb") as content:
            self._images.update(context, image_id, metadata, content, purge_props=False)

    # -- snapshots of attached volumes on NFS: Cinder has made the overlay, a hypervisor would switch to it

    def _connection(self, context, instance, volume_id):
        mapping = objects.BlockDeviceMapping.get_by_volume_and_instance(context, volume_id, instance.uuid)
        return mapping, json.loads(mapping.connection_info)

    @staticmethod
    def _file(name):
        return os.path.join(os.environ["NARU_NFS_EXPORT"], os.path.basename(name))

    def _format(self, name):
        # the lowest file of a chain is raw, and an overlay that calls it qcow2 cannot be opened any more
        told = subprocess.check_output(["qemu-img", "info", "-U", "--output", "json", self._file(name)])
        return json.loads(told)["format"]

    def volume_snapshot_create(self, context, instance, volume_id, create_info):
        mapping, connection = self._connection(context, instance, volume_id)
        connection["data"].update(name=os.path.basename(create_info["new_file"]), format="qcow2")
        mapping.connection_info = json.dumps(connection)
        mapping.save()
        self._volumes.update_snapshot_status(context, create_info["snapshot_id"], "creating")

    def volume_snapshot_delete(self, context, instance, volume_id, snapshot_id, delete_info):
        _, connection = self._connection(context, instance, volume_id)
        if delete_info.get("merge_target_file") is None:  # pull the base's content into the active file
            base = delete_info.get("file_to_merge")
            onto = ["-F", self._format(base), "-b", self._file(base)] if base else ["-b", ""]
            argv = ["qemu-img", "rebase", "-f", "qcow2"] + onto + [self._file(connection["data"]["name"])]
        else:  # push the overlay's content down into its base
            target, overlay = delete_info["merge_target_file"], delete_info["file_to_merge"]
            argv = ["qemu-img", "commit", "-f", "qcow2", "-b", self._file(target), self._file(overlay)]
        subprocess.check_output(argv, stderr=subprocess.STDOUT)
        self._volumes.update_snapshot_status(context, snapshot_id, "deleting")
