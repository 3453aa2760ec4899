"""A backend of its own that forgets to sort: RECORD lists the files in the order of a set."""

import base64
import hashlib
import pathlib
import tomllib
import zipfile

PROJECT = tomllib.loads(pathlib.Path("pyproject.toml").read_text())["project"]
NAME = f"{PROJECT['name']}-{PROJECT['version']}"


def build_wheel(wheel_directory, *_options, **_more):
    info = f"{NAME}.dist-info"
    files = {
        f"{PROJECT['name']}/{name}.py": f"NAME = {name!r}\n" for name in ("__init__", "one", "two", "three", "four")
    }
    files[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {PROJECT['name']}\nVersion: {PROJECT['version']}\n"
    files[f"{info}/WHEEL"] = "Wheel-Version: 1.0\nGenerator: backend 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    digest = {name: hashlib.sha256(text.encode()).digest() for name, text in files.items()}
    lines = [
        f"{name},sha256={base64.urlsafe_b64encode(digest[name]).decode().rstrip('=')},{len(files[name])}"
        for name in set(files)
    ]
    files[f"{info}/RECORD"] = "\n".join([*lines, f"{info}/RECORD,,", ""])
    target = f"{NAME}-py3-none-any.whl"
    with zipfile.ZipFile(pathlib.Path(wheel_directory, target), "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name, (2023, 1, 1, 0, 0, 0)), text)
    return target
