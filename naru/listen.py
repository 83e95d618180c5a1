"""What every HTTP server here shares: where it listens, and its TLS. For every room."""

import ipaddress
import ssl
from pathlib import Path

from naru.errors import InputError


class Address:
    """Where it listens, of HOST:PORT, [ADDRESS]:PORT or :PORT (everywhere). `what` names the option or field. Raises
    InputError."""

    def __init__(self, text: str, what: str = "--listen", example: str = "127.0.0.1:9795") -> None:
        host, _, port = text.rpartition(":")
        if not port.isdecimal() or int(port) > 65535:
            raise InputError(f"{what} {text}: give HOST:PORT, as in {example}, or :{example[-4:]} for everywhere")
        self.what = what
        self.host = host.strip("[]")
        self.port = int(port)

    @property
    def loopback(self) -> bool:
        """Whether only this machine reaches it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


class Tls:
    """Its certificate and key, and whose certificates clients have to have (None for any client): files in PEM. `what`
    names the options or fields. Raises InputError for one that cannot be read."""

    def __init__(
        self, certificate: Path, key: Path, clients: Path | None, what: str = "--certificate, --key or --client-ca"
    ) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            self.context.load_cert_chain(certificate, key)
            if clients:
                self.context.load_verify_locations(clients)
                self.context.verify_mode = ssl.CERT_REQUIRED
        except (OSError, ssl.SSLError) as error:
            files = f"{certificate}, {key}" + (f", {clients}" if clients else "")
            raise InputError(f"{what} cannot be read: {error}", detail=files, hint="Give files in PEM.") from error
