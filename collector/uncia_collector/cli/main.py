"""`uncia-collect`: reads the command line and runs one command.

Exit codes: 0 done; 1 `backup` or `restore` found pictures missing or damaged; 2 a mistake in input, configuration or
environment, printed in one line.
"""

import argparse
import sys
from collections.abc import Sequence

from uncia_collector.cli.ask import add_ask
from uncia_collector.cli.backup import add_backup, add_restore
from uncia_collector.cli.certificates import add_certificates
from uncia_collector.cli.deployments import add_deployments
from uncia_collector.cli.effort import add_effort
from uncia_collector.cli.export import add_export
from uncia_collector.cli.import_survey import add_import
from uncia_collector.cli.listing import add_list
from uncia_collector.cli.serve import add_check, add_serve
from uncia_collector.cli.setup import add_setup
from uncia_collector.cli.user import add_user
from uncia_contract.cli.command_line import program, run_command

EXAMPLES = """examples:
  uncia-collect setup --name base.local --trap ridge-01 --bundle B.uncia   make a base station of this machine
  uncia-collect serve --config collector.toml     store what traps send, until Ctrl-C
  uncia-collect check --config collector.toml     test catalogue, broker, mail server; exit code 2 if one fails
  uncia-collect user add anara --role reviewer --config collector.toml
  uncia-collect deployments deployments.csv --config collector.toml
  uncia-collect deployments shift ridge-2026 --by 2h --config collector.toml    its clock was two hours behind
  uncia-collect ask ridge-01 ping --config collector.toml    does the trap answer?
  uncia-collect ask ridge-01 try --config collector.toml     the next burst is sent as a test
  uncia-collect ask ridge-01 send-frames SEQUENCE --config collector.toml    now, beyond the budget
  uncia-collect ask ridge-01 set threshold 0.8 --config collector.toml    or: set budget_bytes
  uncia-collect ask ridge-01 offer-bundle better-2.uncia --config collector.toml
  uncia-collect certificates init /root/certificates base.local 192.168.7.1    the station's certificates
  uncia-collect certificates issue /root/certificates ridge-01
  uncia-collect certificates revoke /root/certificates ridge-01    a stolen trap: refuse it now
  uncia-collect import survey/ --config collector.toml   another team's Camtrap DP package, folder or zip
  uncia-collect export camtrap-dp --out survey.zip --config collector.toml
  uncia-collect effort detections --days 7 --out detections.csv --config collector.toml    or: summary, nights, ...
  uncia-collect backup /media/usb/uncia --config collector.toml    each run copies only what is new
  uncia-collect restore /media/usb/uncia --config collector.toml   make a new station from it
  uncia-collect list --data uncia-data            a table
  uncia-collect list --data uncia-data --json     the same as JSON, for other programs
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code."""
    return run_command(_parser(), argv)


def _parser() -> argparse.ArgumentParser:
    parser, add = program("uncia-collect", "The base station: stores what traps send and shows it.", EXAMPLES)
    add_setup(add("setup", "make this machine a base station, and pack what traps need"))
    add_serve(add("serve", "receive what traps send, store it, send receipts, serve the page"))
    add_check(add("check", "test configuration, catalogue, broker and mail server, and print what is wrong"))
    add_list(add("list", "list the catalogue"))
    add_export(add("export", "write the catalogue for other programs"))
    add_user(add("user", "add, remove or list the people who may log in to the page"))
    add_deployments(add("deployments", "read Camtrap DP's deployments.csv; list and remove them, correct clocks"))
    add_ask(add("ask", "send a trap a command: ping, send-frames, set, restart, offer-bundle, replace-keys, try"))
    add_certificates(add("certificates", "decide who may connect to the broker: init, issue, renew, revoke, list"))
    add_effort(add("effort", "write how long traps worked, and detection histories, as CSV"))
    add_backup(add("backup", "copy what is new of catalogue and pictures to another disk; the station may run"))
    add_restore(add("restore", "make a station from a backup"))
    add_import(add("import", "add another team's survey to the catalogue (Camtrap DP package)"))
    return parser


if __name__ == "__main__":
    sys.exit(main())
