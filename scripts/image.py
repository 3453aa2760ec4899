"""Build the container image of Rebuilder: ``make image``, or ``python scripts/image.py --tag NAME [--base BASE]``.

BASE is an image that the engine has, or a tar of a root filesystem. Without one, mmdebstrap makes it from this
host's own mirror. The wheels are brought here, for the Python of the base and each by its sha256, so that the
build itself needs no network.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import docker

from rebuilder.config import load_config
from rebuilder.errors import RebuilderError
from rebuilder.fetch.mirrors import mirrors

ROOT = Path(__file__).resolve().parent.parent
WHEELHOUSE = ROOT / ".rebuilder" / "wheelhouse"
BASE_TAR = ROOT / ".rebuilder" / "image-base.tar"
BASE_SUITE = "trixie"
BASE_PACKAGES = ("ca-certificates", "gpgv", "python3", "python3-venv")
BASE_REPOSITORY = "rebuilder-base"
#: Oldest C library first; a base of our suites has a newer one than any of them.
PLATFORMS = ("manylinux2014_x86_64", "manylinux_2_17_x86_64", "manylinux_2_28_x86_64", "manylinux_2_34_x86_64")


def main() -> None:
    """Parse, bring, build; print the image's id as the last line."""
    parser = argparse.ArgumentParser(description="Build the container image of Rebuilder.")
    parser.add_argument("--tag", default="rebuilder:local")
    parser.add_argument("--base", default="", help="an image of this engine, or a tar of a root filesystem")
    parser.add_argument("--base-tar", type=Path, default=BASE_TAR, help="where the base we make is kept")
    arguments = parser.parse_args()
    client = docker.from_env(timeout=600)
    try:
        base = arguments.base or make_base(arguments.base_tar)
        if Path(base).is_file():
            base = import_base(client, Path(base))
        fill_wheelhouse(python_of(client, base))
        print(build(client, base, arguments.tag))
    except (RebuilderError, subprocess.CalledProcessError, docker.errors.DockerException) as err:
        sys.exit(f"image: {err}")
    finally:
        client.close()


def make_base(tar: Path) -> str:
    """A root filesystem made by mmdebstrap; the one made before is taken again while it is there."""
    if tar.is_file():
        print(f"image: taking the base made before: {tar}")
        return str(tar)
    if shutil.which("mmdebstrap") is None:
        sys.exit("image: expected a base: name one (make image BASE=...), or install mmdebstrap to have one made")
    (mirror, *_), origin = mirrors("debian", load_config().archives)
    print(f"image: making the base with mmdebstrap from the mirror of {origin}")
    tar.parent.mkdir(parents=True, exist_ok=True)
    partial = tar.with_name(f"{tar.name}.{os.getpid()}.partial")
    try:
        subprocess.run(
            ["mmdebstrap", "--quiet", "--variant=minbase", "--format=tar", f"--include={','.join(BASE_PACKAGES)}",
             BASE_SUITE, str(partial), mirror],
            check=True, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        partial.replace(tar)
    finally:
        partial.unlink(missing_ok=True)
    return str(tar)


def import_base(client: docker.DockerClient, tar: Path) -> str:
    """Load the tar as an image named after its digest."""
    with tar.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
        name = f"{BASE_REPOSITORY}:{digest}"
        if not client.images.list(name):
            opened.seek(0)
            client.api.import_image_from_data(opened, repository=BASE_REPOSITORY, tag=digest)
    return name


def python_of(client: docker.DockerClient, base: str) -> str:
    """``3.13`` or the like."""
    command = ["python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    answer = client.containers.run(base, command, entrypoint=[], remove=True, network_mode="none", user="65534")
    return answer.decode().strip()


def fill_wheelhouse(python: str) -> None:
    """Wheels of the locked requirements for that Python, and our own."""
    shutil.rmtree(WHEELHOUSE, ignore_errors=True)
    WHEELHOUSE.mkdir(parents=True)
    # Twice quiet: what is left are errors.
    pip = [sys.executable, "-m", "pip", "--quiet", "--quiet", "--disable-pip-version-check"]
    platforms = [f"--platform={platform}" for platform in PLATFORMS]
    subprocess.run(
        [*pip, "download", "--require-hashes", "--only-binary=:all:", "--no-deps", f"--python-version={python}",
         *platforms, f"--dest={WHEELHOUSE}", "--requirement", str(ROOT / "requirements" / "run.txt")],
        check=True,
    )  # fmt: skip
    subprocess.run(
        [*pip, "wheel", "--no-deps", "--no-index", "--no-build-isolation", f"--wheel-dir={WHEELHOUSE}", str(ROOT)],
        check=True,
    )


def build(client: docker.DockerClient, base: str, tag: str) -> str:
    """Build without a network; the image's id."""
    image, _ = client.images.build(
        path=str(ROOT), tag=tag, buildargs={"BASE": base}, network_mode="none", rm=True, forcerm=True
    )
    return str(image.id)


if __name__ == "__main__":
    main()
