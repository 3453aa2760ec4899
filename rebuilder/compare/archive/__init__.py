"""One file a format; `layout.py` says what each promises, `formats.py` which there are."""
