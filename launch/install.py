"""Makes `.venv` and fills it with exactly the locked packages.

Every package is a wheel whose hash stands in a lock file: nothing is built, nothing is resolved, no
Python is downloaded. uv installs (it is locked in `installer.lock`); where uv itself cannot be had
or fails, pip does the same work under the same rules, only slower.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from launch.config import ROOT
from launch.console import StartError, say, step

OWN_VENV = os.environ.get("MARGINSITE_VENV")  # made and filled by somebody else, as in a container
VENV = Path(OWN_VENV or ROOT / ".venv")
PYTHON = VENV / "bin" / "python"
INSTALLER_LOCK = ROOT / "launch" / "installer.lock"
RUNTIME_LOCK = ROOT / "requirements.lock"
TEST_LOCK = ROOT / "requirements-test.lock"
STRICT = ["--no-deps", "--require-hashes", "--only-binary", ":all:"]


def ensure_installed(lock_file: Path = RUNTIME_LOCK, *, without: str | None = None) -> None:
    """Make the environment match the lock file; does nothing if it already does.

    `without` names a package that this platform has no wheel of.
    """
    if OWN_VENV:
        if not PYTHON.exists():
            raise StartError(f"MARGINSITE_VENV is {OWN_VENV}, where there is no bin/python.")
        return
    wanted = _fingerprint(lock_file, without)
    stamp = VENV / f".{lock_file.stem}.stamp"
    if PYTHON.exists() and stamp.exists() and stamp.read_text() == wanted:
        return
    _ensure_venv()
    with tempfile.TemporaryDirectory() as scratch:
        requirements = _leave_out(lock_file, without, Path(scratch)) if without else lock_file
        with step(f"Install {lock_file.name}") as remark:
            remark(_install(requirements))
    stamp.write_text(wanted)


def child_environment(base: dict[str, str] | None = None) -> dict[str, str]:
    """An environment for our processes: bytecode is kept, for without it each start costs 8 s."""
    environment = dict(os.environ if base is None else base)
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    environment["PYTHONUNBUFFERED"] = "1"
    return environment


def lock() -> int:
    """Write the lock files anew from pyproject.toml; answers an exit code."""
    _ensure_venv()
    uv = _uv()
    if uv is None:
        raise StartError("uv is not to be had here, and only uv writes the lock files.")
    compile_all = [*uv, "pip", "compile", "pyproject.toml", "--universal", "--generate-hashes"]
    compile_all += ["--no-header", "--only-binary", ":all:", "--python-version", "3.11", "--quiet"]
    for arguments in (
        ["-o", RUNTIME_LOCK.name],
        ["--group", "test", "-c", RUNTIME_LOCK.name, "-o", TEST_LOCK.name],
    ):
        with step(f"Write {arguments[-1]}"):
            outcome = subprocess.run(  # noqa: S603
                [*compile_all, *arguments], cwd=ROOT, env=_installer_environment(), check=False
            )
            if outcome.returncode:
                raise StartError(f"{arguments[-1]} was not written; the lines above say why.")
    return 0


def _fingerprint(lock_file: Path, without: str | None) -> str:
    parts = [lock_file.read_bytes(), INSTALLER_LOCK.read_bytes(), sys.version.encode()]
    return hashlib.sha256(b"\0".join([*parts, (without or "").encode()])).hexdigest()


def _ensure_venv() -> None:
    """Make `.venv`, or make it anew if it does not work or is of another Python."""
    version = "import sys; print(sys.version)"
    if PYTHON.exists():
        found = subprocess.run(  # noqa: S603
            [PYTHON, "-c", version], capture_output=True, text=True, check=False
        )
        if found.stdout.strip() == sys.version:
            return
    with step("Make .venv"):
        try:
            venv.create(VENV, clear=VENV.exists(), with_pip=True, symlinks=True)
        except (OSError, subprocess.CalledProcessError) as exc:
            shutil.rmtree(VENV, ignore_errors=True)
            raise StartError(
                f".venv could not be made ({exc}). On Debian and Ubuntu: "
                "`sudo apt install python3-venv`, then start again."
            ) from exc


def _install(requirements: Path) -> str:
    """Install with uv, else with pip; answers which of them did it."""
    uv = _uv()
    if uv is not None:
        command = [*uv, "pip", "install", "--python", str(PYTHON), "--compile-bytecode", "--quiet"]
        if _pip_configuration().get("no-index", "").lower() in ("1", "true", "yes", "on"):
            command.append("--no-index")
        outcome = _run([*command, *STRICT, "-r", str(requirements)])
        if outcome.returncode == 0:
            return "uv"
        say(f"  uv could not install; pip takes over. uv said:\n{_tail(outcome.stderr)}")
    outcome = _run([*_pip("install", "--quiet"), *STRICT, "--compile", "-r", str(requirements)])
    if outcome.returncode:
        raise StartError(f"The packages could not be installed:\n{_tail(outcome.stderr)}")
    return "pip"


def _uv() -> list[str] | None:
    """The command of the pinned uv in `.venv`, installed at need; None where it cannot be had."""
    program = VENV / "bin" / "uv"
    stamp = VENV / ".installer.stamp"
    wanted = hashlib.sha256(INSTALLER_LOCK.read_bytes()).hexdigest()
    if not (program.exists() and stamp.exists() and stamp.read_text() == wanted):
        with step("Install uv") as remark:
            outcome = _run(
                [*_pip("install", "--quiet"), *STRICT, "--no-compile", "-r", str(INSTALLER_LOCK)]
            )
            if outcome.returncode:
                remark("not to be had here, pip will do")
                return None
        stamp.write_text(wanted)
    return [str(program), "--no-python-downloads"]


def _pip(*command: str) -> list[str]:
    return [str(PYTHON), "-m", "pip", "--disable-pip-version-check", *command]


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run an installer outside the project: uv would let pyproject.toml override the lock file."""
    environment = _installer_environment()
    return subprocess.run(  # noqa: S603
        command, cwd=ROOT.anchor, env=environment, capture_output=True, text=True, check=False
    )


def _installer_environment() -> dict[str, str]:
    """uv does not read pip's configuration; hand it the indexes that this person set for pip.

    Settings made for uv itself win. Any index may answer for any package, as with pip: the hashes
    in the lock file decide what is accepted.
    """
    environment = child_environment()
    pip = _pip_configuration()
    translated = {
        "UV_DEFAULT_INDEX": pip.get("index-url"),
        "UV_INDEX": pip.get("extra-index-url"),
        "UV_FIND_LINKS": ",".join(pip.get("find-links", "").split()),
        "UV_INSECURE_HOST": pip.get("trusted-host"),
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "SSL_CERT_FILE": pip.get("cert"),
    }
    for name, value in translated.items():
        if value:
            environment.setdefault(name, value)
    return environment


def _pip_configuration() -> dict[str, str]:
    """What pip is told by files and environment, the later source over the earlier one."""
    listed = subprocess.run(  # noqa: S603
        _pip("config", "list"), env=child_environment(), capture_output=True, text=True, check=False
    )
    values = {}
    for line in listed.stdout.splitlines():
        key, separator, value = line.partition("=")
        section, _, name = key.rpartition(".")
        if separator and section in ("global", "install", ":env:"):
            values[name] = " ".join(value.strip("'\"").replace("\\n", " ").split())
    return values


def _leave_out(lock_file: Path, package: str, directory: Path) -> Path:
    """A copy of the lock file without one package and its hashes."""
    kept, keeping = [], True
    for line in lock_file.read_text().splitlines(keepends=True):
        if not line.startswith((" ", "#")):
            keeping = not line.startswith(f"{package}==")
        if keeping:
            kept.append(line)
    path = directory / lock_file.name
    path.write_text("".join(kept))
    return path


def _tail(text: str, lines: int = 12) -> str:
    return "\n".join("    " + line for line in text.strip().splitlines()[-lines:])
