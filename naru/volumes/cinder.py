"""What of Cinder's backends is the same for all storages: how a volume is named, and who reaches it."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import pydantic

from naru.volumes.volume import Location

NAME_ID = "os-vol-mig-status-attr:name_id"
"""What of a volume's admin view names it at its backend, where that is not its id."""


class CinderBackend(pydantic.BaseModel):
    """The operator's description of one backend of Cinder. A storage's own fields are in its package's `cinder`."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    keeps_history: ClassVar[bool] = False
    """As of the storage's `naru.volumes.volume.Backend`: whether a snapshot's content can be read at any time."""

    template: str = "volume-%s"  # Cinder's volume_name_template
    place: str = ""  # of the workers that reach it; "" for none

    @abstractmethod
    def location(self, name: str) -> Location:
        """Where the volume of this name is. Raises InputError when it cannot be found."""

    def confirmed(self, location: Location, volume: Mapping[str, Any], *, restored: bool = False) -> Location:
        """The location, with what is said of this one `volume` (Cinder's answer). Raises InputError when what is there
        is not what is said of it. With `restored` a backup was just restored into it, whose bytes may be anything."""
        return location

    @pydantic.field_validator("template")
    @classmethod
    def _has_one_place_for_the_id(cls, value: str) -> str:
        if value.count("%s") != 1 or value.count("%") != 1:
            raise ValueError("must have %s once, where the id goes")
        return value
