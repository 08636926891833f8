"""How clients come onto the machine: Debian's packages, or pip, Go, Maven and npm into .lanes. All do nothing when it is there."""
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

from client import Unavailable

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
LANES = ROOT / ".lanes"
BIN = LANES / "bin"
NODE = ROOT / "node_modules/.bin/node"


@contextmanager
def alone():
    """Worktrees may share one .lanes: one installs at a time."""
    LANES.mkdir(exist_ok=True)
    with open(LANES / "install.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def call(*command, timeout=1800, **env) -> str:
    done = subprocess.run([str(part) for part in command], env={**os.environ, **env}, capture_output=True, text=True, timeout=timeout)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} exit {done.returncode}: {(done.stdout + done.stderr)[-1500:]}")
    return done.stdout + done.stderr


def apt(package: str, *programs: str) -> None:
    """`programs` are what the package brings (absolute paths, or names to be found); by default one of its own name."""
    def missing() -> bool:
        return any((not Path(program).exists() if program.startswith("/") else shutil.which(program) is None) for program in programs or (package,))

    with alone():
        if not missing():
            return
        as_root = [] if os.getuid() == 0 else ["sudo"]
        install = [*as_root, "apt-get", "install", "-y", "-q", "--no-install-recommends", package]
        try:
            call(*install, DEBIAN_FRONTEND="noninteractive")
        except RuntimeError:  # the lists may be old
            call(*as_root, "apt-get", "update", "-q")
            call(*install, DEBIAN_FRONTEND="noninteractive")
        if missing():
            raise RuntimeError(f"{package} did not bring {programs or package}")


def fuse() -> None:
    """What mounts need that no package can bring; either age of Debian's will do."""
    apt("fuse", "fusermount")
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR))
    except OSError as error:
        raise Unavailable(f"/dev/fuse: {error.strerror}.") from error


def venv(name: str, *requirements: str) -> Path:
    """A virtual environment .lanes/`name` with exactly these requirements (`boto3==1.43.3`); returns its bin directory."""
    where = LANES / name
    note = where / "requirements.txt"
    wanted = "\n".join(requirements) + "\n"
    with alone():
        if not note.exists() or note.read_text() != wanted:
            call("python3", "-m", "venv", where)
            call(where / "bin/pip", "install", "--quiet", "--disable-pip-version-check", *requirements)
            note.write_text(wanted)
    return where / "bin"


def go(module: str, program: str, package: str = ".", tags: str = "") -> Path:
    """`package` of `module@version`, built from the module's own tree (so that what it replaces or deprecates does no harm) with these
    build tags into .lanes/bin as `program-version`, which is returned."""
    target = BIN / f"{program}-{module.rpartition('@')[2]}"
    with alone():
        if not target.exists():
            found = json.loads(go_call("mod", "download", "-json", module))
            go_call("-C", found["Dir"], "build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-tags", tags, "-o", target, package)
    return target


def go_program(name: str, modules: str = "go.mod") -> Path:
    """One of programs/go, with the releases that a file of modules names."""
    target = LANES / "programs" / f"{name}-{modules.removesuffix('.mod')}"
    with alone():
        go_call("-C", HERE / "programs/go", "build", "-trimpath", "-buildvcs=false", f"-modfile={modules}", "-o", target, f"./{name}")
    return target


def go_call(*command) -> str:
    if shutil.which("go") is None:
        raise Unavailable("needs Go")
    return call("go", *command, GOFLAGS="")


def java_program(name: str, **versions: str) -> list:
    """The command that runs one of programs/java with these versions in its pom.xml, but for the class; `install_java` builds it."""
    where = java_directory(name, versions)
    return ["java", "-cp", f"{where / name}/*:{where}/jars/*"]


def install_java(name: str, **versions: str) -> None:
    if shutil.which("mvn") is None or shutil.which("java") is None:
        raise Unavailable("needs Java and Maven")
    where, sources = java_directory(name, versions), HERE / "programs/java"
    digest = hashlib.sha256()
    for path in [*sorted(sources.glob("**/*.java")), *sorted(sources.glob("**/pom.xml"))]:
        digest.update(path.read_bytes())
    note = where / "sources"
    with alone():
        if not note.exists() or note.read_text() != digest.hexdigest():
            shutil.rmtree(where, ignore_errors=True)
            call("mvn", "-q", "-B", "-f", sources / "pom.xml", "-pl", name, "-am", f"-Dlane.build={where}",
                 *(f"-D{key}.version={version}" for key, version in versions.items()), "package", "dependency:copy-dependencies")
            note.write_text(digest.hexdigest())


def java_directory(name: str, versions: dict[str, str]) -> Path:
    return LANES / "programs" / "-".join([name, *versions.values()])


def npm(name: str, *packages: str, build: list) -> None:
    """Packages at one version each into .lanes/`name`, and `build`, which is run there each time with them in reach."""
    where = LANES / name
    note, wanted = where / "packages.txt", "\n".join(packages) + "\n"
    with alone():
        if not note.exists() or note.read_text() != wanted:
            shutil.rmtree(where, ignore_errors=True)
            where.mkdir(parents=True)
            (where / "package.json").write_text('{"private": true}\n')
            call("npm", "install", "--prefix", where, "--no-audit", "--no-fund", "--loglevel=error", *packages)
            note.write_text(wanted)
        program, *arguments = build
        call(where / program, *arguments, NODE_PATH=str(where / "node_modules"))


def version_of(*command, pattern: str = r"\d+(?:\.\d+)+") -> str:
    """The first thing in the output of a command that looks like a version."""
    output = call(*command)
    found = re.search(pattern, output)
    if found is None:
        raise RuntimeError(f"no version in the output of {command[0]}: {output[:200]}")
    return found.group(0)
