"""`naru`: the application and the list of its commands."""

import importlib.metadata
import logging
import os
import signal
import sys
from collections.abc import Sequence

from cliff.app import App
from cliff.command import Command
from cliff.commandmanager import CommandManager

from naru import __version__
from naru.cli.crash import go_on_after_faults

# "words of the command": "module:class", loaded only when the command is run or its help is asked for
COMMANDS: dict[str, str] = {
    "archive diff": "naru.cli.inventory:Diff",
    "archive list": "naru.cli.inventory:Snapshots",
    "archive show": "naru.cli.inventory:Show",
    "cluster down": "naru.cli.cluster:Down",
    "cluster plan down": "naru.cli.cluster:PlanDown",
    "cluster status": "naru.cli.cluster:StatusCommand",
    "cluster up": "naru.cli.cluster:Up",
    "exporter": "naru.cli.exporter:Run",
    "exporter config": "naru.cli.exporter:Config",
    "guard approve": "naru.cli.guard:Approve",
    "guard drill": "naru.cli.guard:Drill",
    "guard hold": "naru.cli.guard:Hold",
    "guard run": "naru.cli.guard:Run",
    "guard status": "naru.cli.guard:StatusCommand",
    "guard verdicts": "naru.cli.guard:Verdicts",
    "guard witness": "naru.cli.guard:Witness",
    "host drain": "naru.cli.host:Drain",
    "host evacuate": "naru.cli.host_evacuate:Evacuate",
    "host plan": "naru.cli.host:PlanCommand",
    "host return": "naru.cli.host:Return",
    "host status": "naru.cli.host:StatusCommand",
    "host waves leave": "naru.cli.host_waves:Leave",
    "host waves plan": "naru.cli.host_waves:PlanCommand",
    "host waves run": "naru.cli.host_waves:Run",
    "host waves status": "naru.cli.host_waves:StatusCommand",
    "inventory": "naru.cli.inventory:Inventory",
    "lab deps": "naru.cli.lab:Deps",
    "lab down": "naru.cli.lab:Down",
    "lab host fault": "naru.cli.lab_host:Fault",
    "lab host link": "naru.cli.lab_host:Link",
    "lab host list": "naru.cli.lab_host:HostList",
    "lab host power": "naru.cli.lab_host:Power",
    "lab host ssh": "naru.cli.lab_host:Ssh",
    "lab install": "naru.cli.lab_install:Install",
    "lab logs": "naru.cli.lab:Logs",
    "lab releases": "naru.cli.lab_install:Releases",
    "lab seed": "naru.cli.lab_seed:Seed",
    "lab shell": "naru.cli.lab:Shell",
    "lab start": "naru.cli.lab:Start",
    "lab status": "naru.cli.lab:Status",
    "lab stop": "naru.cli.lab:Stop",
    "lab up": "naru.cli.lab:Up",
    "move cutover": "naru.cli.move_cutover:Cutover",
    "move downtime": "naru.cli.move_plan:DowntimeList",
    "move finalize": "naru.cli.move_plan:Finalize",
    "move handover": "naru.cli.move_report:Handover",
    "move hooks": "naru.cli.move_hooks:Hooks",
    "move leave": "naru.cli.move_leave:Leave",
    "move map": "naru.cli.move:MapCommand",
    "move plan": "naru.cli.move_plan:PlanCommand",
    "move prepare": "naru.cli.move_plan:Prepare",
    "move rate": "naru.cli.move_sync:Rate",
    "move refresh": "naru.cli.move_plan:Refresh",
    "move release": "naru.cli.move_cutover:Release",
    "move report": "naru.cli.move_report:Report",
    "move rollback": "naru.cli.move_plan:Rollback",
    "move run": "naru.cli.move_run:Run",
    "move secrets": "naru.cli.move_secrets:Secrets",
    "move status": "naru.cli.move_plan:StatusCommand",
    "move sync": "naru.cli.move_sync:Sync",
    "move verify": "naru.cli.move_report:Verify",
    "move waves": "naru.cli.move_waves:Waves",
    "object copy": "naru.cli.object:Copy",
    "object rate": "naru.cli.object:Rate",
    "object verify": "naru.cli.object:Verify",
    "plan cancel": "naru.cli.plan_control:Cancel",
    "plan create": "naru.cli.plan:Create",
    "plan diff": "naru.cli.plan:Diff",
    "plan events": "naru.cli.plan:Events",
    "plan hold": "naru.cli.plan_control:Hold",
    "plan kinds": "naru.cli.plan:KindsList",
    "plan limit": "naru.cli.plan_control:Limit",
    "plan pause": "naru.cli.plan_control:Pause",
    "plan release": "naru.cli.plan_control:Release",
    "plan resume": "naru.cli.plan_control:Resume",
    "plan retry": "naru.cli.plan_control:Retry",
    "plan rollback": "naru.cli.plan_run:Rollback",
    "plan run": "naru.cli.plan_run:Run",
    "plan show": "naru.cli.plan:Show",
    "plan skip": "naru.cli.plan_control:Skip",
    "plan status": "naru.cli.plan_run:StatusShow",
    "plan steps": "naru.cli.plan:Steps",
    "plan timings": "naru.cli.plan:Timings",
    "scale compute": "naru.cli.scale:Compute",
    "scale osd": "naru.cli.scale_osd:Osd",
    "scale rollback": "naru.cli.scale:Rollback",
    "scale run": "naru.cli.scale:Run",
    "scale status": "naru.cli.scale:StatusCommand",
    "server revive": "naru.cli.server:Revive",
    "site check": "naru.cli.site:Check",
    "site discover": "naru.cli.site_discover:Discover",
    "site gate rules": "naru.cli.site_gate:Rules",
    "site gate show": "naru.cli.site_gate:Show",
    "site run": "naru.cli.site:Run",
    "site secret": "naru.cli.site_discover:Secret",
    "site show": "naru.cli.site:Show",
    "tenant apply": "naru.cli.tenant:Apply",
    "tenant diff": "naru.cli.tenant:Diff",
    "tenant export": "naru.cli.tenant:Export",
    "tenant plan": "naru.cli.tenant:PlanList",
    "tenant rollback": "naru.cli.tenant:Rollback",
    "trends": "naru.cli.trends:Trends",
    "twin down": "naru.cli.twin:Down",
    "twin load": "naru.cli.twin_load:LoadList",
    "twin status": "naru.cli.twin:StatusList",
    "twin up": "naru.cli.twin:Up",
    "upgrade agents": "naru.cli.upgrade_run:Agents",
    "upgrade busy": "naru.cli.upgrade_freeze:BusyList",
    "upgrade callers": "naru.cli.upgrade_callers:CallersList",
    "upgrade check": "naru.cli.upgrade:Check",
    "upgrade finalize": "naru.cli.upgrade_run:Finalize",
    "upgrade freeze": "naru.cli.upgrade_freeze:Freeze",
    "upgrade guests": "naru.cli.upgrade_settle:Guests",
    "upgrade path": "naru.cli.upgrade:Path",
    "upgrade plan": "naru.cli.upgrade_run:PlanCommand",
    "upgrade prepare": "naru.cli.upgrade_run:Prepare",
    "upgrade probe": "naru.cli.upgrade_probe:Probe",
    "upgrade rate": "naru.cli.upgrade_rate:Rate",
    "upgrade rehearse": "naru.cli.upgrade_run:Rehearse",
    "upgrade report": "naru.cli.upgrade_verify:Report",
    "upgrade rollback": "naru.cli.upgrade_run:Rollback",
    "upgrade run": "naru.cli.upgrade_run:Run",
    "upgrade settle": "naru.cli.upgrade_settle:Settle",
    "upgrade status": "naru.cli.upgrade_run:StatusCommand",
    "upgrade thaw": "naru.cli.upgrade_freeze:Thaw",
    "upgrade timings": "naru.cli.upgrade_run:TimingsList",
    "upgrade verify": "naru.cli.upgrade_verify:Verify",
    "volume adopt": "naru.cli.volume_clone:Adopt",
    "volume check": "naru.cli.volume_copy:Check",
    "volume clean": "naru.cli.volume:Clean",
    "volume clone": "naru.cli.volume_clone:Clone",
    "volume copy": "naru.cli.volume_copy:Copy",
    "volume diff": "naru.cli.volume:Diff",
    "volume flatten": "naru.cli.volume_clone:Flatten",
    "volume points": "naru.cli.volume:Points",
    "volume verify": "naru.cli.volume_copy:Verify",
    "volume where": "naru.cli.volume:Where",
    "watch alerts": "naru.cli.watch_alerts:Alerts",
    "watch change begin": "naru.cli.watch_changes:Begin",
    "watch change end": "naru.cli.watch_changes:End",
    "watch changes": "naru.cli.watch_changes:Changes",
    "watch groups": "naru.cli.watch:Groups",
    "watch metrics": "naru.cli.watch_alerts:Metrics",
    "watch mute": "naru.cli.watch:Mute",
    "watch notifications off": "naru.cli.watch_notifications:Off",
    "watch notifications on": "naru.cli.watch_notifications:On",
    "watch notifications plan": "naru.cli.watch_notifications:PlanCommand",
    "watch notifications status": "naru.cli.watch_notifications:StatusCommand",
    "watch open": "naru.cli.watch:Open",
    "watch report": "naru.cli.watch_report:Report",
    "watch request": "naru.cli.watch:Request",
    "watch resolve": "naru.cli.watch:Resolve",
    "watch run": "naru.cli.watch:Run",
    "watch show": "naru.cli.watch:Show",
    "watch sources": "naru.cli.watch_sources:Check",
    "watch statements": "naru.cli.watch:Statements",
    "worker": "naru.cli.worker:Worker",
}


GO_ON = frozenset(
    {
        *("move prepare", "move sync", "move cutover", "move run", "move finalize", "move rollback"),
        *("plan run", "plan rollback", "volume copy", "volume verify", "worker"),
    }
)
"""The commands that load C libraries with threads of their own, and that go on where they were when given again."""

VERBOSE = 2
"""The level that one -v makes."""


class Commands(CommandManager):
    """The table above as cliff wants it."""

    def load_commands(self, namespace: str) -> None:
        for words, target in COMMANDS.items():
            self.commands[words] = importlib.metadata.EntryPoint(words, target, namespace)


class Naru(App):
    """The application object of cliff: global options, help and the interactive shell's absence."""

    def __init__(self, *, own_process: bool = False) -> None:
        self.own_process = own_process
        super().__init__(
            description="Carries OpenStack clouds through change. Every command has its own --help with examples.",
            version=__version__,
            command_manager=Commands("naru.commands"),
            deferred_help=True,
        )

    def prepare_to_run_command(self, cmd: Command) -> None:
        """A command whose process is its own goes on after faults, if it is one that can."""
        if self.own_process and cmd.cmd_name in GO_ON:
            go_on_after_faults()

    def configure_logging(self) -> None:
        """With -v people see more of what Naru says; what HTTP and other libraries log beside it is for -vv."""
        super().configure_logging()
        if self.options.verbose_level == VERBOSE:
            console = logging.getLogger().handlers[-1]
            console.setLevel(logging.INFO)
        if self.options.verbose_level <= VERBOSE:
            logging.getLogger("asyncssh").setLevel(logging.WARNING)  # it says each connection at the level of ours


def _interrupt(*_: object) -> None:
    """SIGTERM is asked for as Ctrl-C is: the command ends what it began, in order."""
    raise KeyboardInterrupt


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command line and returns its exit code: 0 done, 1 failed, 2 bad input, 130 interrupted."""
    naru = Naru(own_process=argv is None)
    argv = list(sys.argv[1:] if argv is None else argv)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return int(naru.run(argv or ["--help"]))
    except KeyboardInterrupt:
        print("naru: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # the reader went away (| head): not an error, and nothing more may be written
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


if __name__ == "__main__":
    sys.exit(main())
