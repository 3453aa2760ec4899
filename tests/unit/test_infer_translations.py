"""Which translations a publisher compiled before the build."""

from __future__ import annotations

from rebuilder.recipe import ProjectStep
from rebuilder.resolve.infer.translations import translations
from rebuilder.resolve.strategies import msgfmt_steps

TREE = frozenset({"src/demo/de/demo.po", "src/demo/fr/demo.po", "src/demo/fr/demo.mo", "other/demo.po", "a@TREE@.po"})


def test_what_was_published_compiled_and_is_not_in_the_tree() -> None:
    published = ["src/demo/de/demo.mo", "src/demo/fr/demo.mo", "src/demo/it/demo.mo", "src/demo/de/demo.po"]
    assert translations(published, TREE) == (("src/demo/de/demo.po", "src/demo/de/demo.mo"),)


def test_a_wheel_names_it_without_the_folder_src() -> None:
    assert translations(["demo/de/demo.mo"], TREE) == (("src/demo/de/demo.po", "src/demo/de/demo.mo"),)


def test_no_path_that_would_be_another_word_of_the_command() -> None:
    assert translations(["a@TREE@.mo"], TREE) == ()
    bad = "a\n"
    assert translations([f"{bad}.mo"], frozenset({f"{bad}.po"})) == ()


def test_the_command_cannot_take_a_path_for_an_option() -> None:
    (step,) = msgfmt_steps(translations(["-o.mo"], frozenset({"-o.po"})))
    assert step == ProjectStep(argv=("msgfmt", "-o", "./-o.mo", "./-o.po"), label="compile a translation")
