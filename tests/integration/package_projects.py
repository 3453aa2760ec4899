"""Projects that releases are made of: each with a backend of its own, and those with something wrong about them."""

from __future__ import annotations

import json

#: What a publisher runs in the clone of a project.
BUILD = 'python -m build --no-isolation --outdir "$out"'
BUILD_WHEEL = f"{BUILD} --wheel"
BUILD_BOTH_KEEP_WHEEL = f'{BUILD} && rm "$out"/*.tar.gz'
UNCHECKED_WHEEL = f"{BUILD_WHEEL} --skip-dependency-check"
#: From a tree with files that were never committed.
BUILD_DIRTY = f"echo 'EXTRA = 1' > demo_dirty/telemetry.py; echo 'OTHER = 2' >> demo_dirty/core.py; {BUILD} --sdist"
#: Of tests/integration/package_world.py: this Node, and npm by it.
NPM_PACK = 'cd "$out" && node /opt/npm/bin/npm-cli.js pack "$OLDPWD"'

#: A backend in the tree itself, as small as one can be. Its wheels say nothing of when they were made.
_BACKEND = '''
import os
import zipfile


def build_wheel(folder, settings=None, metadata=None):
    {before}
    name, version = "{name}", "1.0"
    info = f"{{name}}-{{version}}.dist-info"
    files = {{
        f"{{name}}.py": open(f"{{name}}.py").read(),
        f"{{info}}/METADATA": f"Metadata-Version: 2.1\\nName: {name}\\nVersion: {{version}}\\n",
        f"{{info}}/WHEEL": "Wheel-Version: 1.0\\nGenerator: {name} (1.0)\\nTag: py3-none-any\\n",
    }}
    files[f"{{info}}/RECORD"] = "".join(f"{{path}},,\\n" for path in (*files, f"{{info}}/RECORD"))
    target = f"{{name}}-{{version}}-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(folder, target), "w", zipfile.ZIP_DEFLATED) as archive:
        for path, text in files.items():
            archive.writestr(zipfile.ZipInfo(path, (2016, 1, 1, 0, 0, 0)), text, zipfile.ZIP_DEFLATED)
    return target
'''


def own_backend(name: str, *requires: str, before: str = "pass", inside: bool = True) -> dict[str, str]:
    """A project that is its own backend; ``before`` is what it does first, ``inside`` whether it is loaded from the
    tree or from what was installed."""
    path = 'backend-path = ["."]\n' if inside else ""
    system = f'[build-system]\nrequires = {json.dumps(requires)}\nbuild-backend = "{name}"\n{path}'
    return {
        "pyproject.toml": f'{system}[project]\nname = "{name}"\nversion = "1.0"\n',
        f"{name}.py": _BACKEND.format(name=name, before=before),
    }


def flit(name: str) -> dict[str, str]:
    """A project of flit."""
    return {
        "pyproject.toml": '[build-system]\nrequires = ["flit_core >=3.11,<4"]\nbuild-backend = "flit_core.buildapi"\n'
        f'[project]\nname = "{name}"\nversion = "1.0"\ndescription = "A demonstration"\nrequires-python = ">=3.8"\n',
        f"{name.replace('-', '_')}.py": '"""A demonstration."""\n\nVALUE = 1\n',
    }


DIRTY = {
    "pyproject.toml": flit("demo-dirty")["pyproject.toml"],
    "demo_dirty/__init__.py": '"""A demonstration."""\n',
    "demo_dirty/core.py": "VALUE = 1\n",
}
HATCH = {
    "pyproject.toml": '[build-system]\nrequires = ["hatchling", "hatch-vcs"]\nbuild-backend = "hatchling.build"\n'
    '[project]\nname = "demo-hatch"\ndynamic = ["version"]\nrequires-python = ">=3.8"\n'
    '[tool.hatch.version]\nsource = "vcs"\n[tool.hatch.build.hooks.vcs]\nversion-file = "src/demo_hatch/_version.py"\n',
    "src/demo_hatch/__init__.py": "from demo_hatch._version import version\n",
    ".gitignore": "_version.py\n",
}
#: A name that every part of the way spells in another manner.
SETUPTOOLS = {
    "pyproject.toml": '[build-system]\nrequires = ["setuptools>=77", "setuptools-scm>=8"]\n'
    'build-backend = "setuptools.build_meta"\n'
    '[project]\nname = "Strange.Name__x"\ndynamic = ["version"]\nrequires-python = ">=3.8"\n'
    '[tool.setuptools]\npackages = ["strange"]\n[tool.setuptools_scm]\n',
    "strange/__init__.py": "VALUE = 1\n",
    "strange/data.py": "DATA = 'x' * 100\n",
}
POETRY = {
    "pyproject.toml": '[build-system]\nrequires = ["poetry-core>=2,<3"]\nbuild-backend = "poetry.core.masonry.api"\n'
    '[project]\nname = "demo-poetry"\nversion = "1.0"\nrequires-python = ">=3.8"\n'
    '[tool.poetry]\npackages = [{ include = "demo_poetry" }]\n',
    "demo_poetry/__init__.py": "IDENTITY = '$Id$'\n",
    "demo_poetry/lines.py": "VALUE = 1\nOTHER = 2\n",
    "demo_poetry/left_out.py": "HERE = True\n",
}
#: What these would do to whoever heeds them: another text, other line ends, a file less, a program of their own.
ATTRIBUTES = (
    "demo_poetry/__init__.py ident\ndemo_poetry/lines.py text eol=crlf\ndemo_poetry/left_out.py export-ignore\n"
    "*.py filter=evil\n"
)
PDM = {
    "pyproject.toml": '[build-system]\nrequires = ["pdm-backend"]\nbuild-backend = "pdm.backend"\n'
    '[project]\nname = "demo-pdm"\nversion = "1.0"\nrequires-python = ">=3.8"\n',
    "src/demo_pdm/__init__.py": "VALUE = 1\n",
}
#: Paths that a careless shell or program would run, or write elsewhere by.
ODD_NAMES = ("docs/--output=x", "docs/$(touch ran)", "docs/a\nb", "docs/;id", "docs/*")
UV = {
    "pyproject.toml": '[build-system]\nrequires = ["uv_build>=0.8,<0.9"]\nbuild-backend = "uv_build"\n'
    '[project]\nname = "demo-uv"\nversion = "1.0"\nrequires-python = ">=3.8"\n',
    "src/demo_uv/__init__.py": "VALUE = 1\n",
}
#: Its wheel alone was published, made by way of an sdist, from which one file is left out.
SEARCHED = {
    "pyproject.toml": '[build-system]\nrequires = ["setuptools>=77"]\nbuild-backend = "setuptools.build_meta"\n'
    '[project]\nname = "demo-search"\nversion = "1.0"\nrequires-python = ">=3.8"\n'
    '[tool.setuptools]\npackages = ["searched"]\n',
    "MANIFEST.in": "exclude searched/left_out.py\n",
    "searched/__init__.py": "VALUE = 1\n",
    "searched/left_out.py": "VALUE = 2\n",
}
PLAIN = {
    "package.json": json.dumps({"name": "@demo/plain", "version": "1.0.0", "main": "index.js"}, indent=2) + "\n",
    "index.js": "module.exports = 1;\n",
    "README.md": "# Plain\n",
}
_SCRIPT = "node -e \"require('fs').writeFileSync('made.js', 'module.exports = ' + JSON.stringify(process.version))\""
PREPARED = {
    "package.json": json.dumps(
        {"name": "demo-prepared", "version": "1.0.0", "files": ["made.js"], "scripts": {"prepare": _SCRIPT}}, indent=2
    )
    + "\n",
    "package-lock.json": '{"name": "demo-prepared", "version": "1.0.0", "lockfileVersion": 1, "requires": true}\n',
    ".gitignore": "made.js\n",
}  # fmt: skip
GREETING = {
    "Makefile": "all: greeting\n\ngreeting: words.txt\n\tsort words.txt > greeting\n",
    "words.txt": "world\nhello\n",
    "rebuilder.toml": '[check]\noutputs = ["greeting"]\n',
}
