"""Nova's in-tree fake driver, with what an operator's tool can see of a real one.

 * instances survive a restart of nova-compute (the fake driver forgets them, and stop or detach then fail);
 * an image-backed server has a real disk file, the image's content, and createImage uploads it
   (the fake driver leaves the new image queued for ever);
 * snapshots of attached volumes on NFS are made and merged and reported back to Cinder
   (with the fake driver they hang and block the volume);
 * from 2023.1 on the node keeps the identity that the database has of it.

From Pike to the newest release; on Python 2.7 and 3.
"""

import json
import os
import shutil
import subprocess

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


class NaruDriver(Base):
    # the fake driver says so from Ussuri on, libvirt's since Newton
    capabilities = dict(Base.capabilities, supports_device_tagging=True)

    def __init__(self, virtapi, read_only=False):
        super(NaruDriver, self).__init__(virtapi, read_only)
        self._images = ImageAPI()
        self._volumes = cinder.API()

    def init_host(self, host):
        super(NaruDriver, self).init_host(host)
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

    def power_on(self, context, instance, *args, **kwargs):
        self._remember(instance)
        super(NaruDriver, self).power_on(context, instance, *args, **kwargs)

    def detach_interface(self, context, instance, vif):
        self._interfaces.pop(vif["id"], None)

    # -- the node keeps its identity (2023.1 and newer)

    def get_nodenames_by_uuid(self, refresh=False):
        from nova.virt import node

        found = {}
        for name in self.get_available_nodes():
            try:
                record = objects.ComputeNode.get_by_host_and_nodename(nova_context.get_admin_context(), name, name)
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
