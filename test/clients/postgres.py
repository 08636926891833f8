"""A PostgreSQL server for clients that back one up."""
from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from pathlib import Path

from gateway import Gateway, free_port, serial

BINARIES = Path("/usr/lib/postgresql/15/bin")
# It refuses to run as root.
ACCOUNT = "postgres"


class Postgres:
    """Runs in `directory`, which is made unless it is there, as its own account, with its log archived by `archive_command`."""

    def __init__(self, gateway: Gateway, archive_command: str, directory: Path | None = None, restore_command: str = "") -> None:
        self.gateway = gateway
        self.new = directory is None
        self.data = directory or gateway.scratch / "postgres"
        self.socket = gateway.scratch
        self.port = free_port()
        self.restore_command = restore_command
        # What its commands need is in the environment of the server.
        self.env = {"PGUSER": "lane", "PGDATABASE": "postgres", "PGHOST": str(self.socket), "PGPORT": str(self.port)}
        self.settings = [
            f"port = {self.port}", "listen_addresses = ''", f"unix_socket_directories = '{self.socket}'", "fsync = off", "wal_level = replica",
            "archive_mode = on", f"archive_command = '{archive_command}'",
        ]
        if restore_command:
            self.settings.append(f"restore_command = '{restore_command}'")

    def __enter__(self) -> Postgres:
        if self.new:
            self.data.mkdir()
            self.own(self.data)
            self.as_account(BINARIES / "initdb", "-D", self.data, "-U", "lane", "-A", "trust", "--no-sync")
        elif self.restore_command:
            (self.data / "recovery.signal").touch()
        with open(self.data / "postgresql.auto.conf", "a") as file:
            file.write("\n".join(self.settings) + "\n")
        self.own(self.data, self.gateway.scratch)
        self.as_account(BINARIES / "pg_ctl", "-D", self.data, "-l", self.data / "server.log", "-w", "-t", "120", "start")
        return self

    def __exit__(self, *_: object) -> None:
        self.as_account(BINARIES / "pg_ctl", "-D", self.data, "-m", "fast", "-w", "stop")

    def sql(self, query: str) -> str:
        for _ in range(100):
            code, output = self.gateway.attempt(BINARIES / "psql", "-At", "-c", query, **self.env)
            if code == 0 or "starting up" not in output:
                break
            self.gateway.run("sleep", "0.3")
        if code != 0:
            raise AssertionError(output)
        return output

    def again(self) -> Postgres:
        """The same server, to be started on what has been restored."""
        self.new = False
        return self

    def as_account(self, *command) -> str:
        # A server that stays behind holds what it has for outputs: so that is a file.
        log = self.gateway.scratch / f"postgres-{next(serial)}.log"
        with open(log, "w") as out:
            done = subprocess.run(
                [str(part) for part in command], env={**self.gateway.env, **self.env}, cwd=self.data, stdout=out, stderr=out,
                user=ACCOUNT if os.getuid() == 0 else None, timeout=300,
            )
        if done.returncode != 0:
            server = self.data / "server.log"
            raise AssertionError(f"{command}: {log.read_text()[-1500:]}\n{server.read_text()[-1500:] if server.exists() else ''}")
        return log.read_text()

    def own(self, *paths: Path) -> None:
        if os.getuid() != 0:
            return
        account = pwd.getpwnam(ACCOUNT)
        for path in paths:
            os.chown(path, account.pw_uid, account.pw_gid)
        for path in self.data.rglob("*"):
            os.chown(path, account.pw_uid, account.pw_gid, follow_symlinks=False)
        for parent in self.gateway.scratch.parents:
            if parent.stat().st_uid == 0 and parent.name.startswith("sealgate-clients-"):
                parent.chmod(0o755)
        shutil.chown(self.gateway.scratch, account.pw_uid, account.pw_gid)
