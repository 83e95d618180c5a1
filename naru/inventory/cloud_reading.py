"""A cloud read now, as a new snapshot of an archive: its lists first, then what is asked of some projects alone."""

from collections.abc import Collection

from naru.cloud.client import Cloud
from naru.inventory.archive import Archive
from naru.inventory.capacity import read_room
from naru.inventory.database import Database
from naru.inventory.elsewhere import read_elsewhere
from naru.inventory.image_data import read_image_data
from naru.inventory.kinds import KINDS
from naru.inventory.read import OF_USERS, Reading, Sink, read, read_of_users
from naru.inventory.rows import Row
from naru.inventory.user_quotas import read_user_quotas


class CloudReading:
    """Reads the lists of `cloud` at once into a new snapshot; key pairs from `database`, if one is given. Of which
    projects and flavors more is to be asked follows from the lists. `progress` receives the rows as they come; the
    kinds `without` are not asked for.

    Whoever reads ends it, be it with what could not be read: a snapshot without an end was interrupted.
    """

    def __init__(
        self,
        archive: Archive,
        cloud: Cloud,
        database: Database | None = None,
        progress: Sink | None = None,
        without: Collection[str] = (),
    ) -> None:
        self.cloud = cloud
        self.archive = archive
        self.snapshot = archive.begin(cloud.name)

        def keep(rows: list[Row]) -> None:
            archive.add(self.snapshot, rows)
            if progress:
                progress(rows)

        self._sink, self._database = keep, database
        kinds = [kind for kind in KINDS if kind.name not in without]
        self._readings = {reading.kind: reading for reading in read(cloud, keep, kinds, database)}

    @property
    def readings(self) -> list[Reading]:
        """How each kind was read so far."""
        return list(self._readings.values())

    def user_quotas(self, projects: Collection[str]) -> None:
        """Adds the quotas of the users of `projects` (ids)."""
        self._keep(read_user_quotas(self.cloud, self.archive, self.snapshot, projects))

    def of_users(self, users: Collection[str], kinds: Collection[str] = OF_USERS) -> None:
        """Adds these `kinds` of what is asked for user by user, of these `users` (ids)."""
        for reading in read_of_users(self.cloud, self._sink, users, kinds, self._database):
            self._keep(reading)

    def room(self, resources: Collection[str]) -> None:
        """Adds whether there is room for each of `resources` (see `naru.inventory.capacity`)."""
        self._keep(read_room(self.cloud, self.archive, self.snapshot, resources))

    def image_data(self, images: Collection[str]) -> None:
        """Adds what the data of the images (ids) is (see `naru.inventory.image_data`)."""
        self._keep(read_image_data(self.cloud, self.archive, self.snapshot, images))

    def elsewhere(self, projects: Collection[str]) -> None:
        """Adds what further services have of `projects` (ids; see `naru.inventory.elsewhere`)."""
        for reading in read_elsewhere(self.cloud, self._sink, projects):
            self._keep(reading)

    def _keep(self, reading: Reading) -> None:
        self._readings[reading.kind] = reading

    def end(self) -> None:
        """Says in the archive that the snapshot is at its end."""
        self.archive.end(self.snapshot, self.readings)
