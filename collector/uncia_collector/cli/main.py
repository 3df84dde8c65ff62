"""`uncia-collect`: reads the command line and runs one command, a module each.

Exit codes: 0 done; 2 a mistake in input, configuration or surroundings, told in one line.
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
  uncia-collect serve --config collector.toml     subscribe, store, answer; Ctrl-C ends it
  uncia-collect check --config collector.toml     would it run? catalogue, broker, mail server; 2 if not
  uncia-collect user add anara --role reviewer --config collector.toml
  uncia-collect deployments deployments.csv --config collector.toml
  uncia-collect deployments shift ridge-2026 --by 2h --config collector.toml    its clock was two hours behind
  uncia-collect ask ridge-01 ping --config collector.toml    is it there?
  uncia-collect ask ridge-01 try --config collector.toml     the next burst is sent as a test
  uncia-collect ask ridge-01 send-frames SEQUENCE --config collector.toml    now, past its budget
  uncia-collect ask ridge-01 set threshold 0.8 --config collector.toml    or budget_bytes
  uncia-collect ask ridge-01 offer-bundle better-2.uncia --config collector.toml
  uncia-collect certificates init /root/certificates base.local 192.168.7.1    authority, broker, collector
  uncia-collect certificates issue /root/certificates ridge-01
  uncia-collect certificates revoke /root/certificates ridge-01    a stolen trap: shut out now
  uncia-collect import survey/ --config collector.toml   a Camtrap DP package of others, folder or zip
  uncia-collect export camtrap-dp --out survey.zip --config collector.toml
  uncia-collect effort detections --days 7 --out detections.csv --config collector.toml    also summary, nights, ...
  uncia-collect backup /media/usb/uncia --config collector.toml    again and again: only what is new
  uncia-collect restore /media/usb/uncia --config collector.toml   a new station of it
  uncia-collect list --data uncia-data            what is there, as a table
  uncia-collect list --data uncia-data --json     the same for other programs
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    return run_command(_parser(), argv)


def _parser() -> argparse.ArgumentParser:
    parser, add = program("uncia-collect", "The base station: stores what traps send and shows it.", EXAMPLES)
    add_setup(add("setup", "make a base station of this machine, and pack what traps need"))
    add_serve(add("serve", "subscribe, store, send receipts"))
    add_check(add("check", "try configuration, catalogue, broker and mail server, and say what is wrong"))
    add_list(add("list", "list the catalogue"))
    add_export(add("export", "write the catalogue for other programs"))
    add_user(add("user", "who may log in to the page"))
    add_deployments(add("deployments", "where the traps stand (Camtrap DP deployments.csv), and their clocks"))
    add_ask(add("ask", "ask a trap something: ping, send-frames, set, restart, offer-bundle, replace-keys, try"))
    add_certificates(add("certificates", "who may connect to the broker: init, issue, renew, revoke, list"))
    add_effort(add("effort", "how long traps worked, and detection histories, as CSV"))
    add_backup(add("backup", "copy catalogue and pictures to another disk, while the station runs; only what is new"))
    add_restore(add("restore", "make a station of a backup"))
    add_import(add("import", "take in a survey of others (Camtrap DP package)"))
    return parser


if __name__ == "__main__":
    sys.exit(main())
