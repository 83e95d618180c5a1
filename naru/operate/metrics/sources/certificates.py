"""Until when the certificates of the cloud's endpoints are valid. One that has ended is read as well."""

import socket
import ssl
from urllib.parse import urlsplit

from cryptography import x509

from naru.cloud.client import MAJORS
from naru.errors import NaruError
from naru.operate.metrics.families import NothingThere, Samples
from naru.operate.metrics.sources.known import Known

SECONDS = 10.0


class Reading:
    """Of each endpoint in the catalogue that is https; those that share host and port are asked once."""

    def __init__(self, known: Known) -> None:
        self._known = known

    def __call__(self, samples: Samples) -> None:
        cloud = self._known.cloud
        if cloud is None:
            raise NothingThere("the site names no cloud")
        places: dict[tuple[str, int], list[str]] = {}
        for service in MAJORS:
            endpoint = cloud.endpoint(service)
            parts = urlsplit(str(endpoint.url)) if endpoint else None
            if parts and parts.scheme == "https" and parts.hostname:
                places.setdefault((parts.hostname, parts.port or 443), []).append(service)
        if not places:
            raise NothingThere("the cloud has no endpoint that is https")
        failed = []
        for (host, port), services in places.items():
            ends = None
            try:
                ends = ends_at(host, port)
            except OSError as error:
                failed.append(f"{host}:{port}: {error}")
            for service in services:
                samples.add("naru_certificate_answers", float(ends is not None), service)
                if ends is not None:
                    samples.add("naru_certificate_ends_timestamp_seconds", ends, service)
        if len(failed) == len(places):
            raise NaruError("no endpoint shows its certificate", detail="\n".join(failed))


def ends_at(host: str, port: int) -> float:
    """Until when the certificate that is shown there is valid. Raises OSError."""
    context = ssl.create_default_context()
    # what it is worth is for clients to judge; that it has ended is to be seen
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        socket.create_connection((host, port), SECONDS) as made,
        context.wrap_socket(made, server_hostname=host) as tls,
    ):
        shown = tls.getpeercert(binary_form=True)
    if not shown:
        raise OSError("it shows no certificate")
    return x509.load_der_x509_certificate(shown).not_valid_after_utc.timestamp()
