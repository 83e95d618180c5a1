"""Write gates: each host of a load balancer has them in its files and in what runs, alike."""

from collections.abc import Mapping

from naru.errors import NaruError
from naru.site.check.result import Results
from naru.site.model import LoadBalancer
from naru.site.ssh import Remote
from naru.site.write_gate.running import STOPPED, Gates, gates

Answer = Gates | NaruError


async def ask(remote: Remote, balancer: LoadBalancer) -> Answer:
    """How they are on a host, or why it could not be asked."""
    assert balancer.write_gate
    try:
        return await gates(remote, balancer, balancer.write_gate)
    except NaruError as error:
        return error


def judge(balancer: LoadBalancer, answers: Mapping[str, Answer], results: Results) -> None:
    """The gates of one load balancer by what each of its hosts answered."""
    name = f"load_balancers.{balancer.name}.write_gate"
    do = "Put the lines of naru site gate rules there, and reload it."
    every = dict.fromkeys(one for found in answers.values() if isinstance(found, Gates) for one in found.file)
    for host, found in answers.items():
        if isinstance(found, NaruError):
            results.unknown(name, host, found.summary, "Run it again.")
            continue
        if not found.file and not found.running:
            results.wrong(name, host, found.why, do)
        for service in every if found.file else ():
            file, running = found.file.get(service, ""), found.running.get(service, "")
            if running == STOPPED:
                continue  # that it does not run is said already
            if not file or not running:
                why = found.why or f"other hosts of {balancer.name} have one"
                results.wrong(
                    name, host, f"there is no gate of {service} in {'what runs' if file else 'its files'}: {why}", do
                )
            elif file != running:
                what = f"the gate of {service} is {file} in its files, and {running} in what runs"
                results.wrong(name, host, what, "See which it is to be: naru site gate show.")
            else:
                results.right(name, host, f"the gate of {service} is {running}")
