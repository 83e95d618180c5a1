"""Services of a site, each on one of its hosts."""

from typing import NamedTuple

from naru.site.model import Service

COMPUTE = "nova-compute"


class Placed(NamedTuple):
    """A service of a site on one of its hosts."""

    service: Service
    host: str

    @property
    def of_computes(self) -> bool:
        """Whether it is one of compute hosts or an agent, of which a cloud has many."""
        return self.service.name == COMPUTE or self.service.name.endswith("-agent")
