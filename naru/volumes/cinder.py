"""What of Cinder's backends is the same for all storages: how a volume is named, and who reaches it."""

from abc import abstractmethod
from typing import ClassVar

import pydantic

from naru.volumes.volume import Location


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

    @pydantic.field_validator("template")
    @classmethod
    def _has_one_place_for_the_id(cls, value: str) -> str:
        if value.count("%s") != 1 or value.count("%") != 1:
            raise ValueError("must have %s once, where the id goes")
        return value
