"""Two lists: one as the folder gives it, one as a set does."""

import os
from pathlib import Path

Path("out").mkdir()
files = os.listdir("plugins")  # noqa: PTH208
Path("out/plugins.txt").write_text("".join(f"{name}\n" for name in files))
words = {word for name in sorted(files) for word in Path("plugins", name).read_text().split()}
Path("out/words.txt").write_text("".join(f"{word}\n" for word in words))
