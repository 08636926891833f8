"""The tree that the clients carry, its manifest, and the search for its plaintext."""
import hashlib
import mmap
import os
import shutil
from pathlib import Path

MIB = 1024 * 1024
SEGMENT = 65536
NAMES = ["with blank", "plus+plus", "per%cent%20", "ünïcödé-日本語-🔑", "n" * 200, "a&b=c", "semi;colon,comma", "quote'(1)"]


def marker(tag: bytes) -> bytes:
    """64 bytes that occur nowhere but in this run's tree."""
    return hashlib.sha512(RUN + tag).hexdigest()[:64].encode()


RUN = os.urandom(16)
MARKERS = {kind: marker(kind.encode()) for kind in ("head", "middle", "tail", "text")}


def make(root: Path, total_bytes: int, total_files: int) -> None:
    edges = [0, 1, SEGMENT - 1, SEGMENT, SEGMENT + 1, 5 * MIB - 1, 5 * MIB, 5 * MIB + 1]
    left = total_bytes
    count = 0
    for size in edges:
        write(root / "edges" / f"{size}", size, "random")
        left -= size
        count += 1
    for name in NAMES:
        write(root / "names" / name / f"{name}.txt", 5000, "text")
        left -= 5000
        count += 1
    modules = Path("node_modules")
    copy = 0
    # Half of the files at most are copied source trees; the rest is generated, so the total is reached.
    while count < total_files // 2 and left > total_bytes // 2:
        before = count
        for source in sorted(modules.rglob("*")):
            if count >= total_files // 2 or left < total_bytes // 2:
                break
            if source.is_symlink() or not source.is_file() or source.stat().st_size > MIB:
                continue
            target = root / f"copy{copy}" / source.relative_to(modules)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
            left -= source.stat().st_size
            count += 1
        if count == before:
            break
        copy += 1
    large = 8
    small = max(0, total_files - count - large)
    for index in range(small):
        write(root / "small" / f"{index % 50}" / f"{index}.txt", 300 + index % 3000, "text")
        left -= 300 + index % 3000
    for index in range(large):
        write(root / "large" / f"{index}.bin", max(0, left) // large + index, ("random", "zero", "text")[index % 3])


def write(path: Path, size: int, kind: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    line = MARKERS["text"] + b" the quick brown fox\n"
    with open(path, "wb") as out:
        done = 0
        while done < size:
            block = min(MIB, size - done)
            if kind == "random":
                data = os.urandom(block)
            elif kind == "zero":
                data = bytes(block)
            else:
                data = (line * (block // len(line) + 1))[:block]
            out.write(data)
            done += block
        for name, at in (("head", 0), ("middle", size // 2), ("tail", size - 64)):
            if size >= 256:
                out.seek(at)
                out.write(MARKERS[name])


def manifest(root: Path) -> dict[str, tuple[int, str]]:
    found = {}
    for path in root.rglob("*"):
        if path.is_file():
            with open(path, "rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            found[path.relative_to(root).as_posix()] = (path.stat().st_size, digest)
    return found


def differences(want: dict, got: dict) -> str:
    missing = [k for k in want if k not in got]
    extra = [k for k in got if k not in want]
    changed = [k for k in want if k in got and want[k] != got[k]]
    if not (missing or extra or changed):
        return ""
    return f"missing {len(missing)} {missing[:3]}, extra {len(extra)} {extra[:3]}, changed {len(changed)} {changed[:3]}"


def search(root: Path) -> tuple[int, dict[str, int]]:
    """Number of bytes searched, and for each marker in how many files it lies."""
    hits = dict.fromkeys(MARKERS, 0)
    total = 0
    for path in root.rglob("*"):
        if not path.is_file() or path.stat().st_size == 0:
            continue
        total += path.stat().st_size
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            for name, needle in MARKERS.items():
                hits[name] += data.find(needle) >= 0
    return total, hits


def payload(size: int) -> bytes:
    """Random bytes with every marker in them, if there is room for it."""
    data = bytearray(os.urandom(size))
    for name, at in (("head", 0), ("text", size // 4), ("middle", size // 2), ("tail", size - 64)):
        if size >= 256:
            data[at : at + 64] = MARKERS[name]
    return bytes(data)
